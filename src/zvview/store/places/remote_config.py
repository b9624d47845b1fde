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

__all__ = ["connect"]

SCHEMES = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_CLIENT = {"allow_http": True, "connect_timeout": "5s", "read_timeout": "20s", "timeout": "300s"}
_RETRY = {
    "max_retries": 3,
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


def connect(address: str, storage_options: Mapping[str, Any] | None) -> Any:
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

    Raises
    ------
    UnsupportedError
        obstore is not installed, or does not know an option.
    UnreachableError
        The address makes no sense to it.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise UnsupportedError(f'reading {address} needs obstore: pip install "zvview[s3]"') from error
    scheme, _, rest = address.partition("://")
    options = {_ALIASES.get(name, name): value for name, value in (storage_options or {}).items()}
    client = {**_CLIENT, **options.pop("client_options", {})}
    if headers := options.pop("headers", None):
        client["default_headers"] = dict(headers)
    settings: dict[str, Any] = {"client_options": client, "retry_config": options.pop("retry_config", _RETRY)}
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
    except (BaseError, ValueError, TypeError) as error:
        raise UnreachableError(f"cannot open {address}: {str(error).splitlines()[0]}") from error


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
