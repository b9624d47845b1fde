from __future__ import annotations

import contextlib
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from zvview.errors import DamagedError
from zvview.store.editing.packing import pack, unpack

arrays = hn.arrays(
    st.sampled_from([np.bool_, np.int64, np.float32, np.dtype(">f8"), np.dtype("<U3"), np.uint8]),
    hn.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
)
leaves = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(max_size=5) | arrays
trees = st.recursive(leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=4), t, max_size=3))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.shape == other.shape
            and one.dtype.newbyteorder("<") == other.dtype.newbyteorder("<")
            and one.astype(one.dtype.newbyteorder("<")).tobytes() == other.tobytes()
        )
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return bool(one == other and type(one) is type(other))


@given(trees)
@settings(max_examples=60, deadline=None)
def test_what_is_packed_comes_out_again(tree: Any) -> None:
    assert same(tree, unpack(pack(tree)))


@given(trees, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_changed_bytes_are_damage_or_another_value_never_anything_else(tree: Any, random: Any) -> None:
    data = bytearray(pack(tree))
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    with contextlib.suppress(DamagedError):
        found = unpack(bytes(data[: random.randint(0, len(data))]))
        assert found is None or isinstance(found, bool | int | float | str | list | dict | np.ndarray)


@pytest.mark.parametrize(
    "text",
    [
        b'{"array":"<f8","shape":[281474976710655]}',
        b'{"array":"<f8","shape":[281474976710655,281474976710655]}',
        b'{"array":"|O","shape":[1]}',
        b'{"array":"V8","shape":[1]}',
        b'{"array":"(2,)f8","shape":[1]}',
        b'{"array":"<f8","shape":[-1]}',
        b'{"array":"<f8","shape":[true]}',
        b'{"array":7,"shape":[1]}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_hostile_texts_are_damage(text: bytes) -> None:
    with pytest.raises(DamagedError):
        unpack(struct.pack("<Q", len(text)) + text)


@pytest.mark.parametrize("data", [b"", b"\0" * 7, struct.pack("<Q", 2**63) + b"{}", pack([1]) + b"x"])
def test_wrong_sizes_are_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        unpack(data)
