"""What obstore's errors mean: which of them pass, and all of them in our words.

It tells how a request failed in the text of its error only; the kinds and the status stand in there by name.
"""

from __future__ import annotations

import re

from zvview.errors import UnreachableError

__all__ = ["REFUSED", "is_passing", "is_past_end", "tell"]

REFUSED = (
    "refused access, or there is nothing. If it is private, pass credentials: "
    "storage_options={'access_key_id': ..., 'secret_access_key': ...} for buckets, {'headers': {...}} for web servers."
)
_NO_CREDENTIALS = (
    "no credentials were found in the environment: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3, or "
    "GOOGLE_APPLICATION_CREDENTIALS for gs; what is public is opened without signing"
)
_METADATA = re.compile(r"https?://(169\.254\.\d+\.\d+|metadata\.google\.internal)[:/]")
_STATUS = re.compile(r"status(?: code)?: (\d{3})")
_KIND = re.compile(r"kind: (\w+)")
_DROPPED = frozenset({"Connect", "Interrupted", "Request", "Timeout"})
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CAUSES = {
    "ConnectionRefused": "the connection was refused",
    "dns error": "no such host",
    "ConnectionReset": "the connection was reset",
    "IncompleteMessage": "the connection was closed",
    "UnexpectedEof": "the answer was cut short",
    "TimedOut": "no answer in time",
}


def is_passing(error: BaseException) -> bool:
    """Whether a request may do better when it is made again: it was dropped, or the server is busy."""
    from obstore.exceptions import GenericError

    if not isinstance(error, GenericError):
        return False
    text = str(error)
    if _METADATA.search(text):  # where only machines of a cloud have credentials to give
        return False
    if status := _STATUS.search(text):
        return int(status[1]) in _BUSY
    kind = _KIND.search(text)
    return kind is not None and kind[1] in _DROPPED


def is_past_end(error: BaseException) -> bool:
    """Whether a range was refused for beginning past the end of its object."""
    status = _STATUS.search(str(error))
    return status is not None and status[1] == "416"


def tell(place: str, error: BaseException) -> UnreachableError:
    """The error for the caller, without what only a developer of obstore reads."""
    from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return UnreachableError(f"{place} {REFUSED}")
    if _METADATA.search(str(error)):
        return UnreachableError(f"{place}: {_NO_CREDENTIALS}")
    said, _, debug = str(error).partition("Debug source")
    cause = next((words for name, words in _CAUSES.items() if name in debug), "")
    return UnreachableError(f"{place} does not answer: {f'{cause}. ' if cause else ''}{said.strip()}")
