"""Whatever happens to one object of a store, the streamer tells it and comes to rest."""

from __future__ import annotations

import numpy as np
import pytest

import zvview
from tests.stream.conftest import Receiver, make_view
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.store import Store
from zvview.stream import Streamer
from zvview.testing import make_store
from zvview.testing.batches import KINDS


def spoil(data: bytes, rng: np.random.Generator) -> bytes | None:
    """The bytes with a bit turned over, cut short, replaced by noise; or None for lost."""
    spoilt = bytearray(data)
    how = int(rng.integers(4))
    if how == 0 and spoilt:
        spoilt[int(rng.integers(len(spoilt)))] ^= 1 << int(rng.integers(8))
    elif how == 1:
        del spoilt[int(rng.integers(len(spoilt) + 1)) :]
    elif how == 2:
        spoilt = bytearray(rng.bytes(len(spoilt)))
    return None if how == 3 else bytes(spoilt)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_object_never_stops_the_streamer(kind: str) -> None:
    whole: dict[str, bytes] = {}
    make_store(whole, kind, size=1500, chunk_shape=(250.0,) * 3).close()
    build_pyramid(whole, PyramidOptions(target=300))
    rng = np.random.default_rng(KINDS.index(kind))
    keys = sorted(key for key in whole if key != "zarr.json")
    for _ in range(8):
        key = keys[int(rng.integers(len(keys)))]
        spoilt = spoil(whole[key], rng)
        place = {**whole, key: spoilt or b""}
        if spoilt is None:
            del place[key]
        receiver, store = Receiver(), zvview.open(place)
        assert isinstance(store, Store)
        with store, Streamer(store, on_update=receiver) as streamer:
            streamer.look(make_view((0,) * 3, (1000,) * 3, 100.0))
            update = receiver.wait(lambda u: u.is_settled or u.status.problem is not None, f"end with {key} spoilt")
            assert update.batch.kind == store.kind
