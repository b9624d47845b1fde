"""How a remote address and a caller's `storage_options` become an obstore client."""

from __future__ import annotations

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from zvview.errors import InvalidInputError, UnreachableError, UnsupportedError

__all__ = ["CONNECT_S", "SCHEMES", "connect"]

CONNECT_S = 5.0
SCHEMES = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_CLIENT = {"allow_http": True, "read_timeout": "20s", "timeout": "300s"}
_RETRY = {
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
# The names fsspec users know, in obstore's words.
_ALIASES = {
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "aws_endpoint": "endpoint",
    "aws_region": "region",
}
_CREDENTIALS = {
    "access_key_id",
    "secret_access_key",
    "session_token",
    "credential_provider",
    "service_account",
    "service_account_key",
    "service_account_path",
    "application_credentials",
}
_AWS = "https://s3.amazonaws.com"


def connect(
    address: str, storage_options: Mapping[str, Any] | None, *, retries: int = 3, connect_s: float = CONNECT_S
) -> Any:
    """An obstore store whose root is `address`.

    Parameters
    ----------
    address : str
        ``http(s)://``, ``s3://`` or ``gs://``, without a slash at its end.
    storage_options : mapping or None
        Credentials (``access_key_id``, ``secret_access_key``, ``session_token``, ``service_account_path``, ...),
        ``endpoint``, ``region``, ``headers``, or anything obstore's store takes; fsspec's ``key``, ``secret``,
        ``token``, ``endpoint_url`` and ``anon`` mean the same as there. Without credentials requests are not signed;
        ``anon=False`` uses the environment's.
    retries : int
        How often the client itself makes a request again; 0 where :mod:`zvview.store.places.pace` does.
    connect_s : float
        Seconds after which a connection that is not there is given up.

    Raises
    ------
    UnsupportedError
        obstore is not installed.
    InvalidInputError
        An option that is not known or of the wrong type, or an address that makes no sense.
    UnreachableError
        What an option names, such as a file with credentials, cannot be used.
    """
    try:
        from obstore.exceptions import BaseError, UnknownConfigurationKeyError
        from obstore.store import from_url
    except ImportError as error:
        raise UnsupportedError(f'reading {address} needs obstore: pip install "zvview[s3]"') from error
    scheme, _, rest = address.partition("://")
    options = {_ALIASES.get(name, name): value for name, value in _mapping(storage_options, "storage_options").items()}
    client = {**_CLIENT, "connect_timeout": f"{connect_s * 1e3:.0f}ms"}
    client |= _mapping(options.pop("client_options", None), "client_options")
    if headers := _headers(options.pop("headers", None)):
        client["default_headers"] = headers
    retry = _mapping(options.pop("retry_config", None), "retry_config") or {**_RETRY, "max_retries": retries}
    settings: dict[str, Any] = {"client_options": client, "retry_config": retry}
    kind = SCHEMES[scheme.lower()]
    if kind == "http":
        if options:
            raise InvalidInputError(f"storage_options {sorted(options)} mean nothing to {scheme}; it takes 'headers'")
        if "?" in rest or "#" in rest:
            raise InvalidInputError(f"{address}: an address with a query cannot be the root of a store")
    else:
        anonymous = options.pop("anon", not (_CREDENTIALS & options.keys()))
        options.setdefault("skip_signature", bool(anonymous))
        if kind == "s3" and not options.keys() & {"region", "endpoint"} and "AWS_REGION" not in os.environ:
            options["region"] = bucket_region(rest.split("/", 1)[0])
        settings |= options
    try:
        return from_url(f"{'gs' if kind == 'gs' else 's3' if kind == 's3' else scheme.lower()}://{rest}", **settings)
    except (UnknownConfigurationKeyError, ValueError, TypeError) as error:
        given = f" with storage_options {sorted(storage_options)}" if storage_options else ""
        raise InvalidInputError(f"cannot open {address}{given}: {str(error).splitlines()[0]}") from error
    except BaseError as error:
        raise UnreachableError(f"cannot open {address}: {str(error).splitlines()[0]}") from error


def _mapping(found: object, name: str) -> dict[str, Any]:
    """A mapping of names to anything; messages give no values, which may be secrets."""
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise InvalidInputError(f"{name} must be a mapping of names to values, not {type(found).__name__}")
    if not all(isinstance(key, str) for key in found):
        raise InvalidInputError(f"{name} must have names that are text, not {[*found]!r:.80}")
    return dict(found)


def _headers(found: object) -> dict[str, str]:
    headers = _mapping(found, "headers")
    for name, value in headers.items():
        if not isinstance(value, str):
            raise InvalidInputError(f"headers must be text: {name!r} is {type(value).__name__}")
    return headers


def bucket_region(bucket: str, service: str = _AWS) -> str:
    """The region of an S3 bucket, which unsigned requests must name too; ``us-east-1`` where nobody says."""
    asked = urllib.request.Request(f"{service}/{urllib.parse.quote(bucket)}", method="HEAD")
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as refused:  # 301 and 403 carry it as well
        headers = refused.headers
        refused.close()
    except (OSError, ValueError):
        return "us-east-1"
    return str(headers.get("x-amz-bucket-region") or "us-east-1")
