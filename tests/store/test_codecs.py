"""Chains of codecs are undone for whole waves, agree with zarr, and meet hostile bytes with errors that name cells."""

from __future__ import annotations

import asyncio
import gzip
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.abc.codec import BytesBytesCodec
from zarr.registry import register_codec
from zarr.storage import MemoryStore

from zvview.errors import DamagedError, InvalidInputError, UnsupportedError
from zvview.store.codecs import CodecChain, ShardLayout, codec_document, decode_wave, encode_wave, parse_codecs

SPECS = [
    None,
    "zstd",
    "blosc",
    "gzip",
    {"name": "zstd", "configuration": {"level": 3, "checksum": True}},
    [{"name": "zstd"}, {"name": "crc32c"}],
    {"name": "numcodecs.zstd", "configuration": {"level": 1}},
    {"name": "numcodecs.blosc", "configuration": {"cname": "lz4", "clevel": 1, "shuffle": 2}},
    {"name": "numcodecs.gzip", "configuration": {"level": 1}},
    {"name": "numcodecs.zlib", "configuration": {"level": 1}},
    {"name": "numcodecs.bz2", "configuration": {"level": 1}},
    {"name": "numcodecs.lzma", "configuration": {"preset": 1}},
    {"name": "numcodecs.lz4", "configuration": {"acceleration": 1}},
    {"name": "numcodecs.crc32"},
    {"name": "numcodecs.crc32c"},
    {"name": "numcodecs.adler32"},
    [{"name": "numcodecs.shuffle", "configuration": {"elementsize": 4}}, {"name": "zstd"}],
]
IDS = [str(i) for i in range(len(SPECS))]
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}


def chain_of(spec: object) -> CodecChain:
    return parse_codecs(["vlen-bytes", *codec_document(spec)], array="a").chain


def encoded(cells: list[bytes], chain: CodecChain) -> list[bytes]:
    return [bytes(cell) for cell in encode_wave(cells, chain)]


def decoded(cells: list, chains: list[CodecChain], **limits: int) -> list[bytes | None]:
    return [None if cell is None else bytes(cell) for cell in decode_wave(cells, chains, **limits)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.binary(max_size=64).map(lambda b: b * 12), st.sampled_from(range(len(SPECS)))), max_size=12)
)
def test_a_mixed_wave_comes_back(cells: list[tuple[bytes, int]]) -> None:
    chains = [chain_of(SPECS[i]) for _, i in cells]
    work = [bytes(encode_wave([cell], chain)[0]) for (cell, _), chain in zip(cells, chains, strict=True)]
    assert decoded([*work, None], [*chains, chain_of("zstd")]) == [*(cell for cell, _ in cells), None]


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")
def test_zarr_agrees(spec: object) -> None:
    store, values = MemoryStore(), np.arange(500, dtype="<i4")
    array = zarr.create_array(store, shape=(1000,), dtype="<i4", chunks=(500,), compressors=codec_document(spec))
    array[:500] = values
    chain = parse_codecs(list(array.metadata.to_dict()["codecs"]), array="a").chain
    assert decoded([store._store_dict["c/0"].to_bytes()], [chain]) == [values.tobytes()]
    written = encode_wave([values[::-1].tobytes()], chain)[0]
    store._store_dict["c/1"] = store._store_dict["c/0"].from_bytes(bytes(written))
    assert array[500:].tolist() == values[::-1].tolist()


def test_raw_cells_are_passed_on_untouched() -> None:
    cell = memoryview(b"abc")
    assert decode_wave([cell, None], [CodecChain()] * 2)[0] is cell
    assert encode_wave([cell], CodecChain())[0] is cell
    assert decode_wave([], []) == []


def test_large_waves_use_threads_and_stay_in_order() -> None:
    cells = [np.random.default_rng(i).bytes(9_000) * (3 * (i % 7 > 0)) for i in range(100)]
    chain = chain_of("zstd")
    work = encoded(cells, chain)
    assert decoded(work, [chain] * 100) == cells
    for i in (8, 50, 99):
        work[i] = work[i][:100] + bytes(9) + work[i][109:-1]
    with pytest.raises(DamagedError) as caught:
        decode_wave(work, [chain] * 100)
    assert caught.value.cells == (8, 50, 99)


@pytest.mark.parametrize("spec", SPECS[1:], ids=IDS[1:])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_named_or_harmless(spec: object, data: st.DataObject) -> None:
    body = bytes(range(256)) * 3
    chain = chain_of(spec)
    (cell,) = encoded([body], chain)
    cut = data.draw(st.booleans())
    at = data.draw(st.integers(0, len(cell) - 1))
    bad = cell[:at] if cut else cell[:at] + bytes([cell[at] ^ data.draw(st.integers(1, 255))]) + cell[at + 1 :]
    found, damaged = [cell, bad, cell], (1,)
    try:
        found = decode_wave(found, [chain] * 3)
    except DamagedError as error:
        damaged, found = error.cells, decode_wave([cell, None, cell], [chain] * 3)
    assert damaged == (1,)
    assert [bytes(found[0]), bytes(found[2])] == [body, body]


def test_truncation_is_always_damage() -> None:
    for spec in SPECS[1:]:
        chain = chain_of(spec)
        if (
            chain.codecs[-1].name in ("numcodecs.adler32", "numcodecs.crc32", "numcodecs.crc32c")
            or len(chain.codecs) > 1
        ):
            continue
        (cell,) = encoded([os.urandom(999)], chain)
        for cut in (1, 4, len(cell) // 2, len(cell)):
            with pytest.raises(DamagedError):
                decode_wave([cell[:-cut]], [chain])


def test_several_frames_and_frames_without_size_are_whole() -> None:
    chain = chain_of("zstd")
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 5000)
    sized = zstandard.ZstdCompressor().compress(b"b" * 300_000)
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"xyz"
    found = decoded([unsized, sized + unsized, sized, sized + skipped], [chain] * 4)
    assert found == [b"a" * 5000, b"b" * 300_000 + b"a" * 5000, b"b" * 300_000, b"b" * 300_000]
    (two,) = decoded([gzip.compress(b"a") + gzip.compress(b"b") + bytes(9)], [chain_of("gzip")])
    assert two == b"ab"


def lying_zstd(size: int) -> bytes:
    """A sound frame whose header announces `size` bytes."""
    return b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", size) + b"\x09\x00\x00a"


@pytest.mark.parametrize("size", [2, 2**20, 2**31, 2**40, 2**63 - 1, 2**63, 2**64 - 3, 2**64 - 1])
def test_lying_frames_cost_nothing(size: int) -> None:
    chain = chain_of("zstd")
    good = bytes(encode_wave([b"ok"], chain)[0])
    with pytest.raises(DamagedError) as caught:
        decode_wave([good, lying_zstd(size), good, lying_zstd(size)], [chain] * 4)
    assert caught.value.cells == (1, 3)


@pytest.mark.parametrize(
    "spec", ["zstd", "gzip", "blosc", *({"name": f"numcodecs.{n}"} for n in ("zlib", "bz2", "lzma", "lz4"))], ids=str
)
def test_bombs_meet_the_limit(spec: object) -> None:
    chain = chain_of(spec)
    (bomb,) = encoded([bytes(5_000_000)], chain)
    with pytest.raises(DamagedError):
        decode_wave([bomb], [chain], limit_bytes=1_000_000)
    assert decoded([bomb], [chain]) == [bytes(5_000_000)]


def test_the_budget_is_that_of_the_wave() -> None:
    for spec in ("zstd", "gzip"):
        chain = chain_of(spec)
        cells = encoded([bytes(1000)] * 5, chain)
        assert len(decode_wave(cells, [chain] * 5, limit_bytes=5000)) == 5
        with pytest.raises(DamagedError) as caught:
            decode_wave(cells, [chain] * 5, limit_bytes=3999)
        assert caught.value.cells == (3, 4)


BLOSC_FUZZ = """
import random, sys
from zvview.errors import DamagedError
from zvview.store.codecs import codec_document, decode_wave, encode_wave, parse_codecs
rng = random.Random(5)
for cname in ("lz4", "blosclz", "zlib", "zstd"):
    for shuffle in ("noshuffle", "shuffle", "bitshuffle"):
        spec = {"name": "blosc", "configuration":
            {"typesize": 4, "cname": cname, "clevel": 5, "shuffle": shuffle, "blocksize": rng.choice((0, 256))}}
        chain = parse_codecs(["vlen-bytes", *codec_document(spec)], array="a").chain
        cell = bytes(encode_wave([bytes(i // 7 % 256 for i in range(6000))], chain)[0])
        for _ in range(150):
            bad = bytearray(cell)
            for _ in range(rng.randint(1, 4)):
                bad[rng.randrange(40 if rng.random() < 0.5 else len(bad))] = rng.randrange(256)
            try:
                decode_wave([bytes(bad)], [chain])
            except DamagedError:
                pass
print("alive")
"""


def test_malformed_blosc_does_not_take_the_interpreter_down() -> None:
    source = str(Path(sys.modules["zvview"].__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", BLOSC_FUZZ], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}
    )
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.parametrize(
    ("codecs", "named"),
    [
        ([{"name": "transpose", "configuration": {"order": [1, 0]}}, BYTES], "transpose"),
        ([{"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}}, BYTES], "delta"),
        ([BYTES, {"name": "wavelet"}], "wavelet"),
        ([{"name": "wavelet"}], "wavelet"),
        ([{"name": "sharding_indexed", "configuration": {}}, {"name": "zstd"}], "zstd"),
    ],
)
def test_unsupported_codecs_are_named(codecs: list, named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        parse_codecs(codecs, array="0/vertices")


@pytest.mark.parametrize(
    "codecs",
    [
        *(None, 3, {}, [], [3], [None], [{}], [{"name": 3}], [{"name": "bytes", "configuration": 3}], ["zstd"]),
        *(["bytes", "bytes"], ["bytes", "vlen-bytes"], [{"name": "bytes", "configuration": {"endian": "middle"}}]),
        *([{"name": "transpose", "configuration": {"order": [0]}}], ["sharding_indexed"]),
    ],
)
def test_damaged_codec_lists(codecs: object) -> None:
    with pytest.raises(DamagedError) as caught:
        parse_codecs(codecs, array="0/vertices")
    assert caught.value.array == "0/vertices"


def sharded(**changes: object) -> list:
    configuration = {
        "chunk_shape": [1, 1, 2],
        "codecs": ["vlen-bytes", {"name": "zstd", "configuration": {"level": 1}}],
        "index_codecs": [BYTES, {"name": "crc32c"}],
        "index_location": "end",
    }
    return [{"name": "sharding_indexed", "configuration": configuration | changes}]


def test_shard_layouts() -> None:
    parsed = parse_codecs(sharded(), array="a")
    assert parsed.shard == ShardLayout((1, 1, 2), index_at_end=True, has_crc=True)
    assert (parsed.serializer, parsed.chain) == (
        "vlen-bytes",
        chain_of({"name": "zstd", "configuration": {"level": 1}}),
    )
    parsed = parse_codecs(sharded(index_location="start", index_codecs=[BYTES]), array="a")
    assert parsed.shard == ShardLayout((1, 1, 2), index_at_end=False, has_crc=False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"chunk_shape": [0]}, DamagedError),
        ({"chunk_shape": [True]}, DamagedError),
        ({"chunk_shape": "11"}, DamagedError),
        ({"index_location": "middle"}, DamagedError),
        ({"index_codecs": None}, DamagedError),
        ({"index_codecs": [BYTES, "zstd"]}, UnsupportedError),
        ({"index_codecs": [{"name": "bytes", "configuration": {"endian": "big"}}]}, UnsupportedError),
        ({"codecs": sharded()}, UnsupportedError),
        ({"codecs": []}, DamagedError),
    ],
)
def test_odd_shards(changes: dict, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_codecs(sharded(**changes), array="a")


def test_endian_and_identity_transpose() -> None:
    transpose = {"name": "transpose", "configuration": {"order": [0, 1, 2]}}
    parsed = parse_codecs([transpose, {"name": "bytes", "configuration": {"endian": "big"}}, "crc32c"], array="a")
    assert (parsed.serializer, parsed.endian, len(parsed.chain.codecs)) == ("bytes", "big", 1)
    assert parse_codecs(["vlen-utf8"], array="a").endian is None


@pytest.mark.parametrize("spec", ["lzo", 3, [3], {"name": "bytes"}, {"name": "wavelet"}, {"configuration": {}}])
def test_compression_that_cannot_be_asked_for(spec: object) -> None:
    with pytest.raises(InvalidInputError):
        codec_document(spec)


class Reversed(BytesBytesCodec):
    """A codec that someone else registered."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict) -> Reversed:
        return cls()

    def to_dict(self) -> dict:
        return {"name": "test.reversed"}

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: object) -> int:
        return input_byte_length

    async def _decode_single(self, chunk_bytes, chunk_spec):
        await asyncio.sleep(0)
        if chunk_bytes.to_bytes() == b"bad":
            raise KeyError("anything")
        return chunk_bytes.from_bytes(chunk_bytes.to_bytes()[::-1])

    _encode_single = _decode_single


def test_codecs_that_zarr_was_taught_work() -> None:
    register_codec("test.reversed", Reversed)
    chain = chain_of({"name": "test.reversed"})
    assert encoded([b"abc"], chain) == [b"cba"]
    assert decoded([b"cba"], [chain]) == [b"abc"]
    with pytest.raises(DamagedError, match="anything"):
        decode_wave([b"bad"], [chain])
