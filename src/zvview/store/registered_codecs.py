"""Codecs that zarr knows and zvview does not: found in zarr's registry, run through zarr's own classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec
from zarr.core.array_spec import ArrayConfig, ArraySpec
from zarr.core.buffer import Buffer as ZarrBuffer
from zarr.core.buffer import default_buffer_prototype
from zarr.core.dtype import UInt8
from zarr.core.sync import sync
from zarr.registry import get_codec_class

from zvview.errors import UnsupportedError

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["registered_kind", "run_registered"]


def registered_kind(name: str) -> str | None:
    """``"array"``, ``"serializer"`` or ``"bytes"`` for what the codec turns arrays or bytes into; None if unknown."""
    try:
        found = get_codec_class(name)
    except (KeyError, ImportError):
        return None
    kinds = ((ArrayArrayCodec, "array"), (ArrayBytesCodec, "serializer"), (BytesBytesCodec, "bytes"))
    return next((kind for base, kind in kinds if issubclass(found, base)), None)


def run_registered(name: str, configuration: dict[str, Any], data: Buffer, *, encode: bool) -> bytes:
    """One cell through zarr's codec `name`.

    Raises
    ------
    UnsupportedError
        No bytes-to-bytes codec of that name, or not with this configuration.
    """
    if registered_kind(name) != "bytes":
        raise UnsupportedError(f"the codec {name!r} is not known here; installing the package that defines it may help")
    try:
        codec: Any = get_codec_class(name).from_dict({"name": name, "configuration": configuration})
    except (TypeError, ValueError) as error:
        raise UnsupportedError(f"the codec {name!r} with {configuration}: {error}") from error
    prototype = default_buffer_prototype()
    array = UInt8()
    spec = ArraySpec((1,), array, np.uint8(0), ArrayConfig.from_dict({}), prototype)
    batch = [(prototype.buffer.from_bytes(bytes(data)), spec)]
    done: Iterable[ZarrBuffer | None] = sync(codec.encode(batch) if encode else codec.decode(batch))
    result = next(iter(done))
    return b"" if result is None else result.to_bytes()
