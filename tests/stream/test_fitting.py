"""How far to zoom in until the full resolution fits, told without reading a vertex."""

from __future__ import annotations

import zvview
from tests.stream.conftest import make_view
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.store.store import Store
from zvview.stream.fitting import first_that_fits
from zvview.testing import make_store


def cube(half: float, **options: object) -> object:
    return make_view((500.0 - half,) * 3, (500.0 + half,) * 3, 500 / half, locked_level=0, **options)


def test_the_first_view_that_fits_is_found() -> None:
    place: dict[str, bytes] = {}
    make_store(place, "point_cloud", size=20_000, chunk_shape=(100.0,) * 3).close()
    build_pyramid(place, PyramidOptions(target=500))
    store = zvview.open(place)
    assert isinstance(store, Store)
    views = [cube(500 / 2**k, budget_vertices=2000) for k in range(8)]
    at, expected = first_that_fits(store, views)  # type: ignore[arg-type]
    assert at is not None and 0 < at < 8 and expected == 20_000
    counts = [len(store.level(0).read(box=(view.lo, view.hi))) for view in views]  # type: ignore[attr-defined]
    assert counts[at] <= 2000
    assert first_that_fits(store, [cube(500, budget_vertices=20_000)]) == (0, 20_000)  # type: ignore[list-item]
    assert first_that_fits(store, [cube(500, budget_vertices=10)]) == (None, 20_000)  # type: ignore[list-item]
