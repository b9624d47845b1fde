"""Object manifests: any mix of modes against a plain walk, the reference library's bytes, and hostile bytes."""

from __future__ import annotations

import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr_vectors.encoding import fragments as reference

from zvview.errors import DamagedError, InvalidInputError
from zvview.format.cells import join_rows, split_rows
from zvview.format.manifests import Manifests, decode_dense, decode_manifests, encode_manifests

Reference = int | tuple[int, int] | list[int]  # modes 0, 1, 2
Block = tuple[tuple[int, ...], Reference]

EXAMPLE_BLOCKS: list[Block] = [((0, -1, 2), 5), ((1, 0, 0), (2, 3)), ((1, 0, 1), [4, 1])]
EXAMPLE = bytes.fromhex(
    "03000000 00000000 00000000 ffffffff ffffffff 02000000 00000000 00050000"
    "00000000 00010000 00000000 00000000 00000000 00000000 00000000 00010200"
    "00000000 00000300 00000000 00000100 00000000 00000000 00000000 00000100"
    "00000000 00000202 00000004 00000000 00000001 00000000 000000"
)
HUGE = (1 << 63) - 1


def any_object(sid: int, modes: int = 3) -> st.SearchStrategy[list[Block]]:
    number = st.integers(0, 9) | st.just(1 << 40)
    options = [number, st.tuples(number, st.integers(0, 4)), st.lists(number, max_size=4)][:modes]
    chunk = st.tuples(*[st.integers(-9, 9) | st.sampled_from([-(1 << 53), 1 << 53])] * sid)
    return st.lists(st.tuples(chunk, st.one_of(options)), max_size=5)


objects = st.integers(1, 4).flatmap(lambda sid: st.tuples(st.just(sid), st.lists(any_object(sid), max_size=40)))
plain_objects = st.integers(1, 4).flatmap(lambda sid: st.tuples(st.just(sid), st.lists(any_object(sid, 1), max_size=9)))


def write(blocks: list[Block]) -> bytes:
    out = [struct.pack("<I", len(blocks))]
    for chunk, what in blocks:
        out.append(struct.pack(f"<{len(chunk)}q", *chunk))
        if isinstance(what, int):
            out.append(struct.pack("<Bq", 0, what))
        elif isinstance(what, tuple):
            out.append(struct.pack("<Bqq", 1, *what))
        else:
            out.append(struct.pack(f"<BI{len(what)}q", 2, len(what), *what))
    return b"".join(out)


def pieces(blocks: list[Block]) -> list[tuple[int, ...]]:
    found = []
    for chunk, what in blocks:
        named = [what] if isinstance(what, int) else range(what[0], sum(what)) if isinstance(what, tuple) else what
        found += [(*chunk, fragment) for fragment in named]
    return found


def decode(blobs: list[bytes], sid: int = 3, **options: int) -> Manifests:
    sizes = np.array([len(blob) for blob in blobs], np.int64)
    return decode_manifests(np.frombuffer(b"".join(blobs), np.uint8), np.cumsum(sizes) - sizes, sizes, sid, **options)


def listed(manifests: Manifests) -> list[list[tuple[int, ...]]]:
    rows = [tuple(row) for row in np.column_stack((manifests.chunks, manifests.fragments)).tolist()]
    return [rows[a:b] for a, b in pairwise(manifests.offsets)]


@settings(max_examples=150, deadline=None)
@given(objects, st.sets(st.integers(0, 39)))
def test_any_mix_of_modes_decodes(given_objects: tuple[int, list[list[Block]]], absent: set[int]) -> None:
    sid, every = given_objects
    every = [[] if k in absent else blocks for k, blocks in enumerate(every)]
    found = decode([b"" if k in absent else write(blocks) for k, blocks in enumerate(every)], sid)
    assert listed(found) == [pieces(blocks) for blocks in every]
    assert found.chunks.shape == (len(found.fragments), sid)


@settings(max_examples=60, deadline=None)
@given(plain_objects)
def test_plain_manifests_round_trip(given_objects: tuple[int, list[list[Block]]]) -> None:
    sid, every = given_objects
    blobs = [write(blocks) for blocks in every]
    found = decode(blobs, sid)
    buffer, sizes = encode_manifests(found)
    assert (buffer.tobytes(), sizes.tolist()) == (b"".join(blobs), list(map(len, blobs)))
    table = split_rows(join_rows(buffer, sizes))
    assert listed(decode_manifests(table.buffer, table.starts, table.sizes, sid)) == listed(found)


@settings(max_examples=40, deadline=None)
@given(objects, st.data())
def test_selected_objects(given_objects: tuple[int, list[list[Block]]], data: st.DataObject) -> None:
    sid, every = given_objects
    rows = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=6)) if every else []
    found = decode([write(blocks) for blocks in every], sid).select(np.array(rows, np.int64))
    assert listed(found) == [pieces(every[row]) for row in rows]


def test_the_worked_example() -> None:
    assert write(EXAMPLE_BLOCKS) == EXAMPLE
    assert len(EXAMPLE) == 123
    expected = [(0, -1, 2, 5), (1, 0, 0, 2), (1, 0, 0, 3), (1, 0, 0, 4), (1, 0, 1, 4), (1, 0, 1, 1)]
    assert listed(decode([EXAMPLE])) == [expected]


def test_the_reference_library_writes_the_same_bytes() -> None:
    blocks = [(c, np.array(f, np.int64) if isinstance(f, list) else f) for c, f in EXAMPLE_BLOCKS]
    assert reference.encode_object_manifest_blocks(blocks, 3) == EXAMPLE
    plain = [[((0, 1, -2), 3), ((4, 4, 4), 0)], [], [((1, 1, 1), 7)]]
    blobs = reference.encode_object_manifests_many(plain, 3)
    buffer, _ = encode_manifests(decode(blobs))
    assert buffer.tobytes() == b"".join(blobs)


@pytest.mark.parametrize("length", [1, 5, 3_000])
def test_long_mixed_objects_beside_many_short_ones(length: int) -> None:
    every = [EXAMPLE_BLOCKS * length, *[EXAMPLE_BLOCKS] * 60, [], EXAMPLE_BLOCKS * 2, [((0, 0, 0), 1)] * 30]
    assert listed(decode([write(blocks) for blocks in every])) == [pieces(blocks) for blocks in every]


def test_a_manifest_that_only_looks_plain() -> None:
    """Two blocks of mode 2 with sizes that sum to that of two blocks of mode 0."""
    blocks: list[Block] = [((0, 0, 0), (7, 2)), ((1, 1, 1), [])]
    other: list[Block] = [((0, 0, 0), [5]), ((1, 1, 1), [])]
    assert len(write(other)) == 4 + 2 * 33
    assert listed(decode([write(blocks), write(other)])) == [pieces(blocks), pieces(other)]


DAMAGED = {
    "short": b"\1\0",
    "count beyond bytes": struct.pack("<I", 0xFFFFFFFF),
    "truncated": EXAMPLE[:-1],
    "trailing": EXAMPLE + b"\0",
    "trailing after none": struct.pack("<I", 0) + b"\0",
    "plain truncated": write([((0, 0, 0), 1)])[:-1],
    "mode 3": write([((0, 0, 0), 1)])[:28] + b"\3" + bytes(8),
    "fragment negative": write([((0, 0, 0), -1)]),
    "range negative": write([((0, 0, 0), (-1, 2))]),
    "count negative": write([((0, 0, 0), (1, -2))]),
    "range overflows": write([((0, 0, 0), (HUGE, 1))]),
    "range unbounded": write([((0, 0, 0), (0, HUGE))]),
    "list negative": write([((0, 0, 0), [1, -5])]),
    "list beyond bytes": write([((0, 0, 0), [1])])[:29] + b"\xff" * 4 + bytes(8),
    "chunk far away": write([((0, 1 << 54, 0), 1)]),
    "chunk lowest": write([((-HUGE - 1, 0, 0), (0, 1))]),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_found(name: str) -> None:
    with pytest.raises(DamagedError) as caught:
        decode([write([((0, 0, 0), 1)]), DAMAGED[name]])
    assert caught.value.cells == (1,)


@pytest.mark.parametrize("times", [1, 5])
def test_all_damaged_objects_are_named(times: int) -> None:
    blobs = [blob for bad in DAMAGED.values() for blob in (bad, EXAMPLE)] * times
    with pytest.raises(DamagedError) as caught:
        decode(blobs)
    assert caught.value.cells == tuple(range(0, len(blobs), 2))


def test_many_ranges_are_bounded_together_and_the_largest_named() -> None:
    blobs = [write([((0, 0, 0), (0, count))]) for count in (10, 700, 20, 600)]
    assert decode(blobs, limit=1330).offsets[-1] == 1330
    with pytest.raises(DamagedError) as caught:
        decode(blobs, limit=700)
    assert caught.value.cells == (1,)


@settings(max_examples=200, deadline=None)
@given(any_object(2), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=3), st.integers(-3, 3))
def test_altered_bytes_are_damaged_or_read_as_they_are(
    blocks: list[Block], changes: list[tuple[int, int]], cut: int
) -> None:
    blob = bytearray(write(blocks))
    for at, value in changes:
        blob[at % len(blob)] = value
    altered = bytes(blob) + b"\0" * cut if cut >= 0 else bytes(blob[:cut])
    try:
        found = decode([altered], 2, limit=10_000)
    except DamagedError as error:
        damaged = error
    else:
        damaged = None
    if damaged is not None:
        assert damaged.cells == (0,)
        return
    assert listed(found) == [pieces(read(altered, 2))]


def read(blob: bytes, sid: int) -> list[Block]:
    """The layout, field by field; the bytes are known to be right."""
    at, blocks = 4, []
    for _ in range(struct.unpack_from("<I", blob)[0] if blob else 0):
        chunk, mode = struct.unpack_from(f"<{sid}q", blob, at), blob[at + 8 * sid]
        at += 8 * sid + 1
        if mode == 0:
            blocks.append((chunk, struct.unpack_from("<q", blob, at)[0]))
            at += 8
        elif mode == 1:
            blocks.append((chunk, struct.unpack_from("<qq", blob, at)))
            at += 16
        else:
            n = struct.unpack_from("<I", blob, at)[0]
            blocks.append((chunk, list(struct.unpack_from(f"<{n}q", blob, at + 4))))
            at += 4 + 8 * n
    assert at == len(blob) or not blob
    return blocks


def test_negative_fragments_are_not_written() -> None:
    with pytest.raises(InvalidInputError):
        encode_manifests(Manifests(np.array([0, 1]), np.zeros((1, 3), np.int64), np.array([-1])))


def test_dense_manifests() -> None:
    blocks = np.array([[0, 0, 0, 3], [1 << 60, 0, 0, -7], [1, 0, -2, 4], [1, 0, 0, 0]])
    found = decode_dense(np.array([[2, 2], [0, 0], [0, 1], [HUGE, 0], [2, 1]]), blocks)
    assert listed(found) == [[(1, 0, -2, 4), (1, 0, 0, 0)], [], [(0, 0, 0, 3)], [], [(1, 0, -2, 4)]]


def test_damaged_dense_manifests_are_named() -> None:
    blocks = np.array([[0, 0, 3], [1 << 60, 0, 1], [0, 0, -1]])
    spans = np.array([[0, 1], [1, 1], [2, 1], [0, 4], [-1, 1], [0, -1], [HUGE, HUGE], [1, HUGE], [3, 1]])
    with pytest.raises(DamagedError) as caught:
        decode_dense(spans, blocks)
    assert caught.value.cells == tuple(range(1, 9))
    with pytest.raises(DamagedError):
        decode_dense(np.array([[0, 3]] * 9), np.zeros((3, 4), np.int64), limit=26)
