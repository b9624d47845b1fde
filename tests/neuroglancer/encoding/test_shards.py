from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords
from zvview.neuroglancer.encoding.shard_reading import lookup, read_index
from zvview.neuroglancer.encoding.shards import (
    ShardSpec,
    ShardWriter,
    choose_encoding,
    choose_spec,
    encode_shard,
    hash_keys,
)

SPECS = st.builds(
    ShardSpec,
    st.integers(0, 40),
    st.sampled_from(["identity", "murmurhash3_x86_128"]),
    st.integers(0, 5),
    st.integers(0, 9),
    st.sampled_from(["raw", "gzip"]),
    st.sampled_from(["raw", "gzip"]),
)


def joined(contents: list[bytes]) -> EncodedRecords:
    return EncodedRecords(np.frombuffer(b"".join(contents), np.uint8), offsets_of([len(c) for c in contents]))


def write_all(folder: Path, spec: ShardSpec, keys: NDArray[np.uint64], contents: EncodedRecords) -> None:
    shards, _ = spec.locate(keys)
    for shard in np.unique(shards).tolist():
        rows = np.flatnonzero(shards == shard)
        (folder / spec.file_name(shard)).write_bytes(encode_shard(spec, shard, keys[rows], contents.take(rows)))


@settings(max_examples=25, deadline=None)
@given(SPECS, st.dictionaries(st.integers(0, 2**64 - 1), st.binary(max_size=40), max_size=30))
def test_tensorstore_and_we_find_every_content_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, spec: ShardSpec, held: dict[int, bytes]
) -> None:
    import tensorstore as ts

    folder = tmp_path_factory.mktemp("shards")
    keys = np.array(list(held), np.uint64)
    write_all(folder, spec, keys, joined(list(held.values())))
    store = ts.KvStore.open(
        {"driver": "neuroglancer_uint64_sharded", "metadata": spec.document(), "base": f"file://{folder}/"}
    ).result()
    assert sorted(struct.unpack(">Q", key)[0] for key in store.list().result()) == sorted(held)
    for key, content in held.items():
        assert store.read(struct.pack(">Q", key)).result().value == content
    found = []
    for path in folder.iterdir():
        shard = path.read_bytes()
        index = read_index(spec, shard)
        found += index.keys.tolist()
        for key in index.keys.tolist():
            assert path.name == spec.file_name(int(spec.locate(np.array([key], np.uint64))[0][0]))
            assert lookup(spec, shard, key) == held[key]
            assert key ^ 1 in held or lookup(spec, shard, key ^ 1) is None
    assert sorted(found) == sorted(held)
    assert ShardSpec.parse(spec.document()) == spec


def test_cloud_volume_finds_the_same_places() -> None:
    from cloudvolume.datasource.precomputed.sharding import ShardingSpecification

    keys = np.random.default_rng(0).integers(0, 2**64, 200, np.uint64)
    for spec in (ShardSpec(3, "murmurhash3_x86_128", 4, 11), ShardSpec(7, "identity", 5, 9)):
        theirs = ShardingSpecification.from_dict(spec.document())
        shards, minishards = spec.locate(keys)
        for key, shard, minishard in zip(keys, shards.tolist(), minishards.tolist(), strict=True):
            place = theirs.compute_shard_location(key)
            assert int(place.shard_number, 16) == shard and f"{place.shard_number}.shard" == spec.file_name(shard)
            assert int(place.minishard_number) == minishard


def test_the_hash_is_pinned_and_spreads() -> None:
    found = hash_keys(np.array([0, 1, 2**63 + 5], np.uint64))  # equal to those of cloud-volume's mmh3
    assert [hex(v) for v in found.tolist()] == ["0x4772b084e028ae41", "0xe8bd67d616d4ce9a", "0xca2865055ac2893d"]
    assert len(np.unique(hash_keys(np.arange(100_000, dtype=np.uint64)))) == 100_000


def test_a_shard_written_as_contents_come_is_the_shard_written_at_once() -> None:
    spec = ShardSpec(0, "identity", 3, 0)
    keys = np.arange(100, dtype=np.uint64)
    contents = joined([bytes([i]) * (i % 7) for i in range(100)])
    writer = ShardWriter(spec, 0)
    body = b""
    for rows in np.array_split(np.arange(100), 7):
        body += b"".join(writer.add(keys[rows], contents.take(rows)))
    tail, head = writer.finish()
    assert len(head) == writer.head_size
    assert head + body + tail == encode_shard(spec, 0, keys[::-1], contents.take(np.arange(100)[::-1]))


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_heads_stand_before_what_is_found(encoding: str) -> None:
    spec = ShardSpec(0, "identity", 1, 0, "raw", encoding)  # type: ignore[arg-type]
    keys = np.array([9, 4, 6], np.uint64)
    contents = joined([b"fragments of 9manifest", b"four manifest", b""])
    shard = encode_shard(spec, 0, keys, contents, np.array([14, 5, 0]))
    index = read_index(spec, shard)
    assert index.keys.tolist() == [4, 6, 9]
    before = [shard[start - 5 : start] for start in index.starts.tolist()]
    assert (before[0], before[2]) == (b"four ", b" of 9")
    assert [lookup(spec, shard, k) for k in (4, 6, 9)] == [b"manifest", b"", b"manifest"]


def test_shards_are_few_and_minishards_of_a_thousand() -> None:
    spec = choose_spec(10_000_000, 10_000_000 * 24)
    assert spec.hash == "identity" and 1 << spec.shard_bits == 4
    shards, minishards = spec.locate(np.arange(10_000_000, dtype=np.uint64)[::7])
    assert (np.diff(shards) >= 0).all()
    counts = np.bincount(shards * (1 << spec.minishard_bits) + minishards) * 7
    assert 400 < counts.max() < 1_100
    assert choose_spec(0, 0) == choose_spec(1, 10) == ShardSpec()
    assert choose_spec(10**9, 10**15).shard_bits == 12


def fullest(spec: ShardSpec, keys: NDArray[np.uint64]) -> int:
    shards, minishards = spec.locate(keys)
    return int(np.bincount((shards << spec.minishard_bits) | minishards).max())


def test_rows_of_chunks_stay_together_as_far_as_indexes_stay_short() -> None:
    chunks, rows = np.arange(500, dtype=np.uint64)[:, None] << np.uint64(32), np.arange(2_000, dtype=np.uint64)
    keys = (chunks | rows).ravel()
    spec = choose_spec(len(keys), 24 * len(keys), keys=keys)
    assert spec.hash == "identity" and fullest(spec, keys) <= 4_000

    of_levels = np.concatenate([keys, keys | np.uint64(3 << 58)])
    spec = choose_spec(len(of_levels), 24 * len(of_levels), keys=of_levels[::10])
    assert spec.hash != "identity" and spec.preshift_bits >= 32 and fullest(spec, of_levels) <= 20_000
    places = np.stack(spec.locate(of_levels)).reshape(2, 1_000, 2_000)
    assert (places == places[:, :, :1]).all()

    large = (chunks[:2] | np.arange(200_000, dtype=np.uint64)).ravel()
    spec = choose_spec(len(large), 24 * len(large), keys=large[::10])
    assert 0 < spec.preshift_bits < 16 and fullest(spec, large) <= 20_000


def test_what_does_not_belong_is_refused() -> None:
    spec = ShardSpec(0, "identity", 1, 1)
    contents = joined([b"a", b"b"])
    with pytest.raises(InvalidInputError):
        encode_shard(spec, 0, np.array([0, 2], np.uint64), contents)
    with pytest.raises(InvalidInputError):
        encode_shard(spec, 0, np.array([0], np.uint64), contents)
    with pytest.raises(InvalidInputError, match="ascending"):
        encode_shard(spec, 0, np.array([4, 4], np.uint64), contents)
    for bad in ({"preshift_bits": 64}, {"minishard_bits": 33}, {"hash": "md5"}, {"data_encoding": "zstd"}):
        with pytest.raises(InvalidInputError):
            ShardSpec(**bad)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError):
        ShardSpec.parse({"@type": "other"})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_bad_bytes_are_damaged_or_right(data: st.DataObject) -> None:
    spec = ShardSpec(0, "identity", 1, 0, *data.draw(st.tuples(*[st.sampled_from(["raw", "gzip"])] * 2)))
    keys = np.arange(6, dtype=np.uint64)
    shard = bytearray(encode_shard(spec, 0, keys, joined([b"abc"] * 6)))
    if data.draw(st.booleans()):
        del shard[data.draw(st.integers(0, len(shard) - 1)) :]
    else:
        at = data.draw(st.integers(0, len(shard) - 8))
        shard[at : at + 8] = data.draw(st.binary(min_size=8, max_size=8))
    try:
        outcome: object = (read_index(spec, bytes(shard)), lookup(spec, bytes(shard), 3))
    except DamagedError as error:
        outcome = error
    assert isinstance(outcome, DamagedError | tuple)


def test_contents_are_compressed_where_that_saves_a_quarter() -> None:
    noise = np.random.default_rng(1).bytes(2000)
    assert choose_encoding(joined([noise, noise[::-1]])) == "raw"
    assert choose_encoding(joined([noise[:1200] + bytes(800)] * 3)) == "gzip"
    assert choose_encoding(joined([noise[:1700] + bytes(300)] * 3)) == "raw"
