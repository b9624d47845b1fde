"""Collections as one view, live and exported: each member where it lies, whatever units it has, in its colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from tests.neuroglancer.browser.cases import colours_of
from tests.neuroglancer.browser.pages import HEIGHT, WIDTH, Page, Picture, hosted
from tests.neuroglancer.browser.surfaces import has_hue, outlines
from zvview.neuroglancer.exporting.exporting import export
from zvview.neuroglancer.links.reading import read_state
from zvview.neuroglancer.viewing import view
from zvview.style.colourmaps import colour_ids

UNITS: dict[str | None, float] = {"micrometer": 1.0, "nanometer": 1000.0, "millimeter": 0.001, None: 1.0}
"""What a micrometre is; where there is none, what is counted is taken for what the others count."""

CASES: dict[
    str, tuple[tuple[str | None, ...], float]
] = {  # units of the members, and how far in x and y they are from 0
    "units": (("micrometer", "nanometer", "micrometer", "millimeter", "nanometer"), 0.0),
    "nowhere": ((None,) * 5, 0.0),
    "without_at_first": ((None, "micrometer", "nanometer", "micrometer", None), 0.0),
    "without_later": (("micrometer", None, None, None, "micrometer"), 0.0),
    "far_without": (("micrometer", None, None, None, None), 1e6),
}
MEMBERS = ("points", "fibres", "cells", "hull", "plane")
LAYERS = [
    "points",
    "fibres lines",
    "fibres skeletons",
    "cells skeletons",
    "cells edges",
    "cells nodes",
    "hull",
    "plane",
]
SURFACE = np.array([[110, 110, 20], [190, 110, 20], [110, 190, 20], [190, 190, 20]], float)
FACES = np.array([[0, 1, 2], [1, 2, 3]])


def make(place: Path, name: str) -> Path:
    """A collection of a member of each kind, side by side, on grids of their own."""
    units, far = CASES[name][0], np.array((1.0, 1.0, 0.0)) * CASES[name][1]
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 85, (200, 3))
    fibres = rng.uniform((105, 5, 5), (150, 85, 85), (40, 1, 3)) + np.arange(10)[:, None] * (4.0, 0, 0)
    cells = np.repeat(rng.uniform((5, 105, 5), (85, 170, 85), (30, 3)), 2, axis=0)
    cells[1::2, 1] += 15
    plane = rng.uniform((205, 5), (285, 185), (100, 2))
    kinds = np.array(["soma", "axon"])[np.arange(200) % 2]

    def create(new: zvview.NewCollection, member: str, kind: str, axes: str, width: float) -> tuple[Any, float]:
        unit = units[MEMBERS.index(member)]
        told = [zvview.Axis(axis, "space", unit) for axis in axes]
        return new.create(member, kind=kind, axes=told, chunk_shape=(width * UNITS[unit],) * len(axes)), UNITS[unit]

    with zvview.create_collection(place) as new:
        store, one = create(new, "points", "point_cloud", "xyz", 30)
        store.write(zvview.Points((points + far) * one, attributes={"kind": kinds}))
        store, one = create(new, "fibres", "streamline", "zyx", 25)
        store.write(zvview.Streamlines.from_list(list((fibres + far)[..., ::-1] * one)))
        store, one = create(new, "cells", "skeleton", "xyz", 40)
        parents = np.where(np.arange(60) % 2, np.arange(60) - 1, -1)
        told: dict[str, Any] = {"offsets": np.arange(31) * 2, "object_ids": np.arange(30) + 5}
        store.write(zvview.Skeletons.from_parents((cells + far) * one, parents, **told))
        store, one = create(new, "hull", "mesh", "xyz", 50)
        store.write(zvview.Mesh((SURFACE + far) * one, faces=FACES))
        store, one = create(new, "plane", "point_cloud", "xy", 45)
        store.write(zvview.Points((plane + far[:2]) * one))
    return place


def check(picture: Picture, place: Path, name: str) -> None:
    """See each member where it lies, in the colours of napari's layers, and nothing beside them."""
    first = CASES[name][0][0] if name != "without_at_first" else "micrometer"
    is_near = np.zeros((HEIGHT, WIDTH), bool)
    with zvview.open(place) as collection:
        assert isinstance(collection, zvview.Collection) and list(collection) == list(MEMBERS)
        for unit, (member, store) in zip(CASES[name][0], collection.items(), strict=True):
            batch: Any = store.level(0).read()
            shown, axes = batch.positions * (UNITS[first] / UNITS[unit]), [axis.name for axis in store.axes]
            if store.kind == "mesh":
                surface = zvview.Mesh(shown, faces=batch.faces)
                inner, outer = outlines(picture, surface, axes)
                assert inner.sum() > 3000
                assert has_hue(picture.pixels, colour_ids(np.zeros(1))[0, :3] * 255)[inner].mean() > 0.99
                is_near |= outer
                continue
            at, rows = picture.find(shown, axes)
            assert len(rows) == len(batch), f"all of {member} is in view"
            assert picture.share_found(at, colours_of(store, batch)[rows]) > 0.8, member
            is_near |= around(at)
    assert (picture.is_lit & ~is_near).sum() < 0.02 * picture.is_lit.sum()


def around(at: NDArray[np.int64], reach: int = 9) -> NDArray[np.bool_]:
    """Pixels near some, (HEIGHT, WIDTH): half the length of what is drawn between two vertices, or more."""
    out = np.zeros((HEIGHT, WIDTH), bool)
    for row, column in at:
        out[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = True
    return out


@pytest.mark.parametrize("name", CASES)
def test_members_lie_side_by_side(page: Page, tmp_path: Path, name: str) -> None:
    place = make(tmp_path / "all.zarr", name)
    with view(place) as shown:
        assert [layer["name"] for layer in shown.state()["layers"]] == LAYERS
        taken = [note.partition(":")[0] for note in shown.notes if "taken for that of what is shown with it" in note]
        units = CASES[name][0]
        without = [member for member, unit in zip(MEMBERS, units, strict=True) if unit is None]
        assert taken == (without if any(units) else [])
        page.show(shown.viewer)
        check(page.look(shown.viewer, f"collection_{name}"), place, name)


@pytest.mark.parametrize("form", ["directory", "sharded", "zip"])
@pytest.mark.parametrize("name", ["units", "far_without"])
def test_an_exported_collection_is_that_of_the_live_view(page: Page, tmp_path: Path, name: str, form: Any) -> None:
    place = make(tmp_path / "all.zarr", name)
    (tmp_path / "hosted").mkdir()
    out = "out.zip" if form == "zip" else "out"
    with hosted(tmp_path / "hosted") as url:
        done = export(place, tmp_path / "hosted" / out, format=form, url=f"{url}/{out}")
        state = read_state(str(tmp_path / "hosted" / out))
        assert [layer["name"] for layer in state["layers"]] == LAYERS
        with view(place) as shown:
            assert set(shown.notes) == set(done.notes)
        check(page.look_at(state, f"collection_{name}_{form}"), place, name)
    again = export(place, tmp_path / "hosted" / out, format=form, url=f"{url}/{out}")
    assert (again.written, again.notes) == (0, done.notes)
