"""What ``codecs`` in an array's ``zarr.json`` says, and what it should say for the compression a caller asks for.

A cell passes from array to bytes in one step (``vlen-bytes``, ``bytes``), which the format's decoders undo, and then
through a chain of compressors and checksums, which :mod:`zvview.store.codecs` undoes for whole waves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from zvview.errors import DamagedError, InvalidInputError, UnsupportedError, ZvviewError
from zvview.store.registered_codecs import registered_kind

__all__ = ["ArrayCodecs", "Codec", "CodecChain", "ShardLayout", "codec_document", "parse_codecs"]

_SERIALIZERS = frozenset({"vlen-bytes", "vlen-utf8", "bytes"})
_COMPRESSORS = frozenset({"zstd", "blosc", "gzip", "crc32c"}) | {
    f"numcodecs.{name}"
    for name in (
        *("zstd", "blosc", "gzip", "zlib", "bz2", "lzma", "lz4", "shuffle"),
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
    )
}
# Speed first: level 1 of zstd already reaches what positions and ids allow.
_NAMED: dict[str, dict[str, Any]] = {
    "zstd": {"level": 1, "checksum": False},
    "blosc": {"typesize": 4, "cname": "zstd", "clevel": 1, "shuffle": "shuffle", "blocksize": 0},
    "gzip": {"level": 5},
}


@dataclass(frozen=True, slots=True)
class Codec:
    """One bytes-to-bytes codec.

    Attributes
    ----------
    name : str
        As in ``zarr.json``.
    configuration_json : str
        Its configuration as JSON with sorted keys, so that codecs compare and hash.
    """

    name: str
    configuration_json: str = "{}"

    @property
    def configuration(self) -> dict[str, Any]:
        """The configuration as a new dictionary."""
        loaded: dict[str, Any] = json.loads(self.configuration_json)
        return loaded

    @property
    def document(self) -> dict[str, Any]:
        """As it stands in ``zarr.json``."""
        return {"name": self.name, "configuration": self.configuration}


@dataclass(frozen=True, slots=True)
class CodecChain:
    """The bytes-to-bytes codecs of a cell, in the order of encoding; empty for raw cells."""

    codecs: tuple[Codec, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.codecs)


@dataclass(frozen=True, slots=True)
class ShardLayout:
    """How the cells of a sharded array lie in its shards.

    Attributes
    ----------
    chunk_shape : tuple of int
        Shape of one cell in array elements.
    index_at_end : bool
        Whether the index is at the end of the shard (else at its start).
    has_crc : bool
        Whether a crc32c follows the index.
    """

    chunk_shape: tuple[int, ...]
    index_at_end: bool
    has_crc: bool


@dataclass(frozen=True, slots=True)
class ArrayCodecs:
    """What ``codecs`` of one array says.

    Attributes
    ----------
    serializer : str
        Array to bytes: ``"vlen-bytes"``, ``"vlen-utf8"``, ``"bytes"`` or another's name.
    endian : "little", "big" or None
        Of ``"bytes"``.
    chain : CodecChain
        Applied to a cell after `serializer`.
    shard : ShardLayout or None
        None where each cell is an object of its own.
    """

    serializer: str
    endian: Literal["little", "big"] | None
    chain: CodecChain
    shard: ShardLayout | None = None


def parse_codecs(codecs: Sequence[Any], *, array: str) -> ArrayCodecs:
    """Read the ``codecs`` of an array's ``zarr.json``.

    Parameters
    ----------
    codecs : list
        The JSON value; not trusted.
    array : str
        Path of the array, for messages.

    Raises
    ------
    UnsupportedError
        A codec that changes the array before it becomes bytes (other than a transpose to the same order), an unknown
        one, shards within shards, compressed shards, a shard index that is not little-endian uint64.
    DamagedError
        Not a list of codecs, or none or two that make bytes of arrays.
    """
    try:
        text = json.dumps(codecs)
    except (TypeError, ValueError, RecursionError) as error:
        raise DamagedError("codecs", found=f"{codecs!r:.80}", expected="plain JSON", array=array) from error
    try:
        return _parse_kept(text)
    except ZvviewError:
        return _parse(text, array)  # raises again, with the array's name


@lru_cache(maxsize=64)
def _parse_kept(text: str) -> ArrayCodecs:
    """The arrays of a level mostly share their codecs, and a family of links has hundreds of arrays."""
    return _parse(text, "array")


def _parse(text: str, array: str) -> ArrayCodecs:
    parsed = _parse_list(json.loads(text), array)
    serializer, chain = _split(parsed, array)
    if serializer.name != "sharding_indexed":
        return ArrayCodecs(serializer.name, _endian(serializer, array), chain)
    if chain:
        raise UnsupportedError(f"{array}: {chain.codecs[0].name!r} applied to whole shards")
    configuration = serializer.configuration
    inner, inner_chain = _split(_parse_list(configuration.get("codecs"), array), array)
    if inner.name == "sharding_indexed":
        raise UnsupportedError(f"{array}: shards within shards")
    return ArrayCodecs(inner.name, _endian(inner, array), inner_chain, _shard_layout(configuration, array))


def codec_document(spec: str | dict[str, Any] | list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """The bytes-to-bytes part of ``codecs`` for what a caller asked for.

    Parameters
    ----------
    spec : None, "zstd", "blosc", "gzip", dict or list of dict
        None is raw; dictionaries are codecs as in ``zarr.json``.

    Raises
    ------
    InvalidInputError
        Another name, or a codec that is not bytes to bytes.
    """
    if spec is None:
        return []
    if isinstance(spec, str):
        if spec not in _NAMED:
            raise InvalidInputError(f"compression {spec!r}: expected None, {', '.join(map(repr, _NAMED))} or a codec")
        return [{"name": spec, "configuration": dict(_NAMED[spec])}]
    try:
        codecs = _parse_list([spec] if isinstance(spec, dict) else spec, "compression")
    except DamagedError as error:
        raise InvalidInputError(f"compression {spec!r}: expected codecs as in zarr.json") from error
    for codec in codecs:
        if _kind(codec.name) != "bytes":
            raise InvalidInputError(f"compression {codec.name!r} is not a known codec from bytes to bytes")
    return [codec.document for codec in codecs]


def _parse_list(codecs: Any, array: str) -> list[Codec]:
    if not isinstance(codecs, list):
        raise DamagedError("codecs", found=f"{codecs!r:.80}", expected="a list", array=array)
    return [_parse_one(codec, array) for codec in codecs]


def _parse_one(codec: Any, array: str) -> Codec:
    document = {"name": codec} if isinstance(codec, str) else codec
    name = document.get("name") if isinstance(document, dict) else None
    configuration = document.get("configuration") or {} if isinstance(document, dict) else None
    if not isinstance(name, str) or not isinstance(configuration, dict):
        raise DamagedError("codecs", found=f"{codec!r:.80}", expected="a name and a configuration", array=array)
    try:
        return Codec(name, json.dumps(configuration, sort_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise DamagedError("codecs", found=f"{codec!r:.80}", expected="plain JSON", array=array) from error


def _split(codecs: list[Codec], array: str) -> tuple[Codec, CodecChain]:
    """The array-to-bytes codec and what follows it."""
    at = 0
    while at < len(codecs) and _is_identity(codecs[at]):
        at += 1
    if at == len(codecs):
        raise DamagedError("codecs", found="no codec that makes bytes", expected="one", array=array)
    first, rest = codecs[at], codecs[at + 1 :]
    kind = _kind(first.name)
    if kind in ("array", None):
        raise UnsupportedError(f"{array}: the codec {first.name!r}" + (" changes the array" if kind else " is unknown"))
    if kind == "bytes":
        raise DamagedError("codecs", found=f"{first.name!r} first", expected="one that makes bytes", array=array)
    for codec in rest:
        if (kind := _kind(codec.name)) is None:
            raise UnsupportedError(f"{array}: the codec {codec.name!r} is unknown")
        if kind != "bytes":
            raise DamagedError("codecs", found=f"{codec.name!r} after bytes", expected="a compressor", array=array)
    return first, CodecChain(tuple(rest))


def _kind(name: str) -> str | None:
    if name in _SERIALIZERS or name == "sharding_indexed":
        return "serializer"
    return "bytes" if name in _COMPRESSORS else registered_kind(name)


def _is_identity(codec: Codec) -> bool:
    order = codec.configuration.get("order")
    return codec.name == "transpose" and isinstance(order, list) and order == list(range(len(order)))


def _endian(codec: Codec, array: str) -> Literal["little", "big"] | None:
    if codec.name != "bytes":
        return None
    match codec.configuration.get("endian", "little"):
        case "little":
            return "little"
        case "big":
            return "big"
        case other:
            raise DamagedError("codecs", found=f"endian {other!r}", expected="'little' or 'big'", array=array)


def _shard_layout(configuration: dict[str, Any], array: str) -> ShardLayout:
    shape, location = configuration.get("chunk_shape"), configuration.get("index_location", "end")
    if not isinstance(shape, list) or not all(type(n) is int and n > 0 for n in shape):
        raise DamagedError("codecs", found=f"chunk_shape {shape!r:.80}", expected="positive integers", array=array)
    if location not in ("start", "end"):
        raise DamagedError("codecs", found=f"index_location {location!r}", expected="'start' or 'end'", array=array)
    serializer, chain = _split(_parse_list(configuration.get("index_codecs"), array), array)
    names = [codec.name for codec in chain.codecs]
    if _endian(serializer, array) != "little" or names not in ([], ["crc32c"]):
        raise UnsupportedError(f"{array}: a shard index by {[serializer.name, *names]}, not bytes (little) and crc32c")
    return ShardLayout(tuple(shape), location == "end", bool(names))
