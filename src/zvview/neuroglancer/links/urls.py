"""Addresses of the client that hold a state, and the way back.

A state is the part behind ``#!``: as percent-encoded JSON, as JSON that is merged into what is shown (``#!+``), or as
the address of a file that holds it, the short form. The part behind ``#`` never reaches a server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from zvview.errors import BadFileError, InvalidInputError

__all__ = ["HOSTED", "LONGEST", "make_link", "make_short_link", "origin_of", "parse_link", "size_warning"]

HOSTED: Final = "https://neuroglancer-demo.appspot.com"
"""The client that its developers host."""

LONGEST: Final = 8_000
"""Bytes of a link that survives most mail and chat programs."""

_BREAKS_AT: Final = 2 << 20  # bytes: Chromium opens nothing longer
_MOST: Final = 16 << 20  # bytes of a link or state that is looked at
_SAFE: Final = "!~*'()/:,;@&=+$[]{}|?"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)


def make_link(state: Mapping[str, Any], *, prefix: str = HOSTED, merge: bool = False) -> str:
    """The address that opens a state in a client.

    Parameters
    ----------
    state : mapping
    prefix : str
        Address of the client.
    merge : bool
        Whether what the state does not name stays as it is in a client that is open.

    Raises
    ------
    InvalidInputError
        A prefix that is no http address, or a state that is no JSON.
    """
    try:
        text = json.dumps(state, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the state cannot be told as JSON: {error}") from error
    return f"{_base_of(prefix)}#!{'+' if merge else ''}{quote(text, safe=_SAFE)}"


def make_short_link(address: str, *, prefix: str = HOSTED) -> str:
    """The address that opens the state in a file, such as the ``state.json`` beside an export.

    Raises
    ------
    InvalidInputError
        An address that has no scheme, or a prefix that is no http address.
    """
    if not _SCHEME.match(address):
        raise InvalidInputError(f"state {address!r}: expected an address such as https://host/state.json")
    return f"{_base_of(prefix)}#!{quote(address, safe=_SAFE)}"


def parse_link(link: str) -> dict[str, Any] | str:
    """The state in a link, or the address of the file that holds it.

    Parameters
    ----------
    link : str
        An address with ``#!`` or ``#!+``, or JSON itself.

    Raises
    ------
    BadFileError
        It holds no state.
    """
    if len(link) > _MOST:
        raise BadFileError(f"{link[:60]}…", f"a link of {len(link):,} bytes")
    _, mark, text = link.partition("#!")
    text = unquote(text).strip() if mark else link.strip()
    text = text.removeprefix("+")
    if mark and _SCHEME.match(text):
        return text
    try:
        state = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"{link[:60]}…" if len(link) > 60 else link, f"no state of Neuroglancer: {error}") from error
    if not isinstance(state, dict):
        raise BadFileError(link[:60], "no state of Neuroglancer: expected an object")
    return state


def size_warning(link: str) -> str | None:
    """What to say of a link that is too long for some; None where it is not."""
    size = len(link.encode())
    if size > _BREAKS_AT:
        return f"the link has {size:,} bytes: browsers refuse it. Write the state to a file that is hosted instead"
    if size > LONGEST:
        return f"the link has {size:,} bytes: mail and chat programs may cut it. A hosted state file gives a short one"
    return None


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as browsers tell it of a page.

    Raises
    ------
    InvalidInputError
        No http address.
    """
    parts = urlsplit(address)
    try:
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right or "@" in parts.netloc or re.search(r"[\s,\x00-\x1f]", parts.netloc):
        raise InvalidInputError(f"{address!r} is no address of a site, such as {HOSTED}")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _base_of(prefix: str) -> str:
    origin_of(prefix)
    base = prefix.partition("#")[0]
    return base if urlsplit(base).path else f"{base}/"


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
