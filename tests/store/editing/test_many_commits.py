"""After many commits in a row a store is as sound, and about as small, as one that is written anew."""

from __future__ import annotations

import numpy as np

import zvview
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.testing import make_store

COMMITS = 20
MOST = 1.2


def test_lines_edited_many_times_leave_a_sound_and_small_store() -> None:
    place: dict[str, bytes] = {}
    make_store(place, "streamline", size=2000, seed=3, n_objects=100, chunk_shape=(250.0,) * 3).close()
    build_pyramid(place, PyramidOptions(levels=2))
    rng = np.random.default_rng(1)
    with zvview.open(place) as store:
        assert isinstance(store, zvview.Store)
        low, high = store.bounds
        for _ in range(COMMITS):
            session = store.edit()
            moved, cut, gone, shortened = rng.choice(session.find_lines(), 4, replace=False).tolist()
            session.move_line_vertices(moved, [1], session.line(moved).positions[:1] + 1)
            session.split_line(cut, len(session.line(cut).positions) // 2)
            session.delete_objects([gone])
            session.delete_line_vertices(shortened, [0])
            session.add_line(rng.uniform(low, high, (20, 3)))
            session.commit()
            session.close()
        assert len(store.levels) == 3 and not list(zvview.check(place))
        content = store.level(0).read()
        fresh: dict[str, bytes] = {}
        with zvview.create(fresh, kind="streamline", chunk_shape=(250.0,) * 3, bounds=store.bounds) as new:
            new.write(content)
    build_pyramid(fresh, PyramidOptions(levels=2))
    assert sum(map(len, map(bytes, place.values()))) <= MOST * sum(map(len, map(bytes, fresh.values())))
