"""What a session keeps of the chunks it looked at: little, and never another state than the one it saw."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.store.editing.models import VertexModel, assert_same, edit_at_random
from zvview.errors import ConflictError
from zvview.store.editing import known_chunks
from zvview.store.editing.known_chunks import KnownChunks
from zvview.testing import make_store


@pytest.fixture
def store() -> zvview.Store:
    """Points in some tens of chunks."""
    return make_store({}, "point_cloud", size=2000, n_objects=3, chunk_shape=(250.0,) * 3)


def test_contents_stay_within_their_bound_and_digests_are_all_kept(store: zvview.Store) -> None:
    keys = [tuple(key) for key in store.level(0).chunks.tolist()]
    every = KnownChunks(store)
    whole = every.look_at(keys)
    known = KnownChunks(store, most_bytes=3 * max(base.nbytes for base in whole.values()))
    for key in keys:
        known.look_at([key])
        assert known._bytes == sum(base.nbytes for base in known._held.values()) <= known._most_bytes
    assert 1 <= len(known._held) < len(keys)
    assert all(key in known and known.digest_of(key) == whole[key].digest for key in keys)
    for key, base in known.look_at(keys).items():
        assert np.array_equal(base.positions, whole[key].positions) and np.array_equal(base.owners, whole[key].owners)
        assert base.digest == whole[key].digest
    held = next(iter(every._held.values()))
    assert held.positions.base is None  # an array of its own: it keeps no other chunk alive


def test_what_was_dropped_and_changed_since_is_a_conflict(tmp_path: Path) -> None:
    place = tmp_path / "points.zarrvectors"
    make_store(place, "point_cloud", size=2000, chunk_shape=(250.0,) * 3).close()
    with zvview.open(place) as store, zvview.open(place) as other:
        assert isinstance(store, zvview.Store) and isinstance(other, zvview.Store)
        keys = [tuple(key) for key in store.level(0).chunks.tolist()]
        known = KnownChunks(store, most_bytes=0)
        before = {key: base.digest for key, base in known.look_at(keys).items()}
        with other.edit() as edit:
            changed = keys[3]
            lo = np.array(changed) * 250.0
            edit.move(edit.find((lo + 1, lo + 249)).take(np.array([0])), lo + 125)
        with pytest.raises(ConflictError, match=f"has changed chunk {'.'.join(map(str, changed))} since"):
            known.look_at(keys)
        assert {key: known.digest_of(key) for key in keys} == before
        known.look_anew([changed])
        assert known.digest_of(changed) != before[changed]
        assert known.look_at(keys).keys() == set(keys)


@pytest.mark.parametrize("kind", ["point_cloud", "graph", "skeleton", "mesh"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=4, deadline=None)
def test_sessions_that_keep_nothing_edit_alike(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with mock.patch.object(known_chunks.KnownChunks.__init__, "__defaults__", (0,)):
        session = make_store({}, kind, size=150, chunk_shape=(250.0,) * 3).edit()
        model = VertexModel.of(kind, session.find())
        for _ in range(8):
            edit_at_random(session, model, rng)
    assert session._known._held == {} and session.edits.bases
    assert_same(session, model)
