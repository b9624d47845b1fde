"""Shards: written ones open in zarr, hostile indexes never reach outside."""

from __future__ import annotations

import google_crc32c
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from zvview.errors import DamagedError
from zvview.store.shard_index import MISSING, decode_shard_index, encode_shard, shard_index_bytes


def footer(pairs: list[tuple[int, int]], crc: bool = True) -> bytes:
    raw = np.array(pairs, "<u8").tobytes()
    return raw + google_crc32c.value(raw).to_bytes(4, "little") if crc else raw


@given(st.lists(st.lists(st.binary(max_size=20), max_size=3), min_size=1, max_size=20))
def test_round_trip(pieces: list[list[bytes]]) -> None:
    cells = [b"".join(parts) if parts else None for parts in pieces]
    shard = b"".join(encode_shard(pieces))
    size = shard_index_bytes(len(cells), True)
    index = decode_shard_index(shard[-size:], len(cells), True, len(shard))
    found = [None if o == MISSING else shard[o : o + n] for o, n in index.tolist()]
    assert found == cells
    assert index.dtype == np.uint64


def test_zarr_reads_written_shards() -> None:
    store = MemoryStore()
    array = zarr.create_array(store, shape=(8,), dtype="<i4", chunks=(2,), shards=(8,), compressors=[], fill_value=7)
    array[:] = np.arange(8)
    pieces = encode_shard([[np.array([1, 2], "<i4")], [], [np.array([n], "<i4").tobytes() for n in (3, 4)], []])
    store._store_dict["c/0"] = store._store_dict["c/0"].from_bytes(b"".join(pieces))
    assert array[:].tolist() == [1, 2, 7, 7, 3, 4, 7, 7]


@pytest.mark.parametrize(
    "pair",
    [
        (0, 101),
        (100, 1),
        (101, 0),
        (MISSING, 0),
        (0, MISSING),
        (2**63, 1),
        (1, 2**63),
        (2**64 - 2, 3),
        (MISSING - 1, 5),
    ],
)
def test_cells_outside_are_named(pair: tuple[int, int]) -> None:
    with pytest.raises(DamagedError) as caught:
        decode_shard_index(footer([(0, 100), pair, (MISSING, MISSING), pair]), 4, True, 100)
    assert caught.value.cells == (1, 3)


def test_an_unknown_size_still_bounds_what_can_be_added() -> None:
    good = decode_shard_index(footer([(2**62, 5)], crc=False), 1, False, None)
    assert good.tolist() == [[2**62, 5]]
    with pytest.raises(DamagedError):
        decode_shard_index(footer([(2**63 - 1, 5)]), 1, True, None)


@pytest.mark.parametrize("cells", [0, 1, 3, 2**40])
def test_wrong_sizes(cells: int) -> None:
    with pytest.raises(DamagedError, match="bytes"):
        decode_shard_index(footer([(0, 1), (1, 1)]), cells, True, 100)


@given(st.integers(0, 35), st.integers(1, 255))
def test_every_flipped_byte_is_found(at: int, flip: int) -> None:
    bad = bytearray(footer([(0, 1), (1, 1)]))
    bad[at] ^= flip
    with pytest.raises(DamagedError, match="crc32c"):
        decode_shard_index(bytes(bad), 2, True, 100)
