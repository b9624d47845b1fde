"""The driver: copies and parts of stores, collections in one frame, what is stated, replaced, cancelled and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.convert.converting import convert
from zvview.convert.making_stores import StoreOptions
from zvview.convert.sources import Selection, Source
from zvview.errors import (
    BadFileError,
    Cancelled,
    ExistsError,
    InvalidInputError,
    MissingError,
    UnreachableError,
    UnsupportedError,
)
from zvview.testing import KINDS, make_store

CSV = "x,y,z,value\n" + "".join(f"{i},{i % 7},{i % 5},{i}.5\n" for i in range(200))


@pytest.fixture
def opened() -> Iterator[Callable[[Any], Any]]:
    """Opens stores, which are closed at the end."""
    with ExitStack() as held:
        yield lambda place: held.enter_context(zvview.open(place))


def sorted_rows(batch: Any) -> Any:
    return batch.positions[np.lexsort(batch.positions.T)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_text(CSV)
    return tmp_path / "table.csv"


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_has_all_that_the_store_has(kind: str, tmp_path: Path, opened: Any) -> None:
    made = make_store(tmp_path / "store", kind, size=800, attributes={})
    report = convert(tmp_path / "store", tmp_path / "copy.zip")
    copy = opened(tmp_path / "copy.zip")
    assert report.written[0].vertices == copy.level(0).vertex_count == made.level(0).vertex_count
    assert copy.axes == made.axes and copy.kind == made.kind
    assert dict(copy.attributes).keys() == dict(made.attributes).keys()
    assert all(copy.attributes[n].unit == m.unit for n, m in made.attributes.items())
    assert np.array_equal(sorted_rows(copy.level(0).read()), sorted_rows(made.level(0).read()))
    if made.groups is not None:
        assert copy.groups.names == made.groups.names
        assert all(np.array_equal(a, b) for a, b in zip(copy.groups.members, made.groups.members, strict=True))
    assert zvview.check(tmp_path / "copy.zip").ok


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_is_what_a_read_gives(kind: str, tmp_path: Path, opened: Any) -> None:
    made = make_store(tmp_path / "store", kind, size=1500)
    lo, hi = made.bounds
    box = (lo, (lo + hi) / 2)
    convert(tmp_path / "store", tmp_path / "box", selection=Selection(box=box))
    part = opened(tmp_path / "box")
    assert np.array_equal(sorted_rows(part.level(0).read()), sorted_rows(made.level(0).read(box)))
    assert zvview.check(tmp_path / "box").ok
    ids = made.level(0).object_ids
    if ids is not None and made.groups is not None:
        some = ids[: max(1, len(ids) // 2)].tolist()
        convert(tmp_path / "store", tmp_path / "ids", selection=Selection(objects=some))
        assert opened(tmp_path / "ids").level(0).object_ids.tolist() == sorted(some)
        name = made.groups.names[0]
        convert(tmp_path / "store", tmp_path / "group", selection=Selection(groups=[name]))
        group = opened(tmp_path / "group")
        assert np.array_equal(group.groups.members[0], made.groups.members[0]) and group.groups.names == (name,)
        with pytest.raises(MissingError):
            convert(tmp_path / "store", tmp_path / "none", selection=Selection(groups=["no such"]))
        with pytest.raises(MissingError):
            convert(tmp_path / "store", tmp_path / "none", selection=Selection(objects=[10**6]))
        assert not (tmp_path / "none").exists()


def test_a_line_that_leaves_the_box_becomes_several(tmp_path: Path, opened: Any) -> None:
    wave = np.array([[i, 10 * np.sin(i / 4), 0] for i in range(100)], "f4")
    store = zvview.create(tmp_path / "store", kind="streamline")
    line = zvview.Streamlines.from_list([wave, wave[:2]], object_ids=[4, 9])
    store.write(line, {"score": [1.5, 2.5]}, groups={"both": [4, 9], "second": [9]})
    convert(tmp_path / "store", tmp_path / "part", selection=Selection(box=((0, 5, -1), (100, 20, 1))))
    part = opened(tmp_path / "part").level(0)
    assert part.object_ids.tolist()[0] == 4 and len(part.object_ids) == 4
    assert part.object_attribute("cut_from").tolist() == [4] * 4
    assert part.object_attribute("score").tolist() == [1.5] * 4
    assert part.groups.names == ("both",) and part.groups.members[0].tolist() == part.object_ids.tolist()


def test_headers_metadata_and_objects_without_vertices_are_kept(tmp_path: Path, opened: Any) -> None:
    store = zvview.create(tmp_path / "store", kind="streamline", object_attributes={"n": {"unit": "count"}}, crs="here")
    lines = zvview.Streamlines(np.eye(3), offsets=[0, 3, 3], object_ids=[7, 8])
    store.write(lines, {"n": [3, 0]}, headers={"trk": {"a": [1]}}, user_metadata={"app": {"k": "v"}})
    convert(tmp_path / "store", tmp_path / "copy")
    copy = opened(tmp_path / "copy")
    assert copy.level(0).object_ids.tolist() == [7, 8]
    assert copy.level(0).object_attribute("n").tolist() == [3, 0]
    assert copy.headers["trk"] == {"a": [1]} and copy.user_metadata["app"] == {"k": "v"}
    assert copy.metadata.crs == "here" and copy.metadata.attribute_specs["object"]["n"]["unit"] == "count"


def test_several_inputs_are_a_collection_in_one_frame(table: Path, tmp_path: Path, opened: Any) -> None:
    make_store(tmp_path / "mesh.zarr", "mesh", size=300)
    nanometers = Source(str(table), "points", unit="micrometer", scale=[0.001])
    report = convert([nanometers, tmp_path / "mesh.zarr"], tmp_path / "all.zip", store=StoreOptions(name="brain"))
    assert report.is_collection and [w.kind for w in report.written] == ["point_cloud", "mesh"]
    both = opened(tmp_path / "all.zip")
    assert sorted(both) == ["mesh", "points"]
    assert both["points"].level(0).read().positions.max() == np.float32(0.199)
    assert both["points"].user_metadata["zvview_convert"]["affine"][0] == [0.001, 0, 0, 0]
    again = convert(tmp_path / "all.zip", tmp_path / "again")
    assert again.is_collection and sorted(opened(tmp_path / "again")) == ["mesh", "points"]
    with pytest.raises(InvalidInputError, match="one frame"):
        convert([table, tmp_path / "mesh.zarr"], tmp_path / "bad")
    with pytest.raises(InvalidInputError, match="NAME=PATH"):
        convert([table, table], tmp_path / "bad")
    with pytest.raises(InvalidInputError, match="name one of its stores"):
        convert(tmp_path / "all.zip", tmp_path / "bad.csv")
    assert not (tmp_path / "bad").exists()


def test_units_are_stated_and_never_guessed(table: Path, tmp_path: Path, opened: Any) -> None:
    convert(table, tmp_path / "plain")
    assert {a.unit for a in opened(tmp_path / "plain").axes} == {None}
    convert(Source(str(table), unit="nanometer"), tmp_path / "nm")
    assert {a.unit for a in opened(tmp_path / "nm").axes} == {"nanometer"}
    convert(
        Source(str(tmp_path / "nm"), scale=[2]), tmp_path / "scaled"
    )  # twice a nanometer is nothing that was stated
    assert {a.unit for a in opened(tmp_path / "scaled").axes} == {None}
    assert opened(tmp_path / "scaled").level(0).read().positions.max() == 398


def test_a_foreign_file_becomes_another(table: Path, tmp_path: Path) -> None:
    report = convert(table, tmp_path / "out.parquet")
    assert report.written[0].source == str(table) and report.written[0].format == "parquet"
    convert(tmp_path / "out.parquet", tmp_path / "back.csv")
    assert sorted((tmp_path / "back.csv").read_text().splitlines()[1:]) == sorted(CSV.splitlines()[1:])


def test_nothing_is_replaced_unless_it_is_said(table: Path, tmp_path: Path) -> None:
    convert(table, tmp_path / "store")
    (tmp_path / "out.csv").write_text("precious")
    for target in ("store", "out.csv"):
        with pytest.raises(ExistsError):
            convert(tmp_path / "store" if target == "out.csv" else table, tmp_path / target)
    assert (tmp_path / "out.csv").read_text() == "precious"
    convert(tmp_path / "store", tmp_path / "out.csv", mode="w")
    convert(table, tmp_path / "store", mode="w")
    assert (tmp_path / "out.csv").read_text().startswith('"x","y","z","value"\n')
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.csv" / "thesis.txt").write_text("precious")
    with pytest.raises(ExistsError, match="thesis"):
        convert(tmp_path / "store", tmp_path / "folder.csv", mode="w")
    assert {p.name for p in tmp_path.iterdir()} == {"store", "out.csv", "table.csv", "folder.csv"}


def test_links_are_followed_and_stay(table: Path, tmp_path: Path, opened: Any) -> None:
    convert(table, tmp_path / "store")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plain").write_text("old")
    make_store(tmp_path / "deep" / "mesh", "mesh", size=100)
    links = {"a.csv": "deep/plain", "none.csv": "deep/new", "ln.zv": "deep/mesh"}
    for name, real in links.items():
        (tmp_path / name).symlink_to(real)
        with pytest.raises(ExistsError):
            convert(tmp_path / "store", tmp_path / name, to="csv" if name.endswith("csv") else "store")
        convert(tmp_path / "store", tmp_path / name, mode="w")
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "deep" / "plain").read_text() == (tmp_path / "deep" / "new").read_text()
    assert (tmp_path / "deep" / "new").read_text().startswith('"x"')
    assert opened(tmp_path / "deep" / "mesh").kind == "point_cloud"
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"plain", "new", "mesh"}


def test_missing_folders_are_made_and_go_again(table: Path, tmp_path: Path) -> None:
    convert(table, tmp_path / "a" / "b" / "store")
    convert(tmp_path / "a" / "b" / "store", tmp_path / "c" / "d" / "x.csv")
    convert(tmp_path / "a" / "b" / "store", tmp_path / "e" / "x.csv", mode="w")
    assert (tmp_path / "c" / "d" / "x.csv").read_text() == (tmp_path / "e" / "x.csv").read_text()
    token = zvview.CancelToken()
    token.cancel()
    for target in ("no/where/x.csv", "c/no/x.csv"):
        with pytest.raises(Cancelled):
            convert(tmp_path / "a" / "b" / "store", tmp_path / target, cancel=token)
    with pytest.raises(UnreachableError):
        convert(tmp_path / "a" / "b" / "store", table / "x.csv")
    assert {p.name for p in tmp_path.iterdir()} == {"table.csv", "a", "c", "e"}
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["d"]


def test_progress_cancel_and_what_comes_after(table: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    places: list[str] = []
    convert(
        [Source(str(table), "a"), Source(str(table), "b")],
        tmp_path / "two",
        progress=lambda *t: told.append(t),
        after=places.append,
    )
    assert places == [f"{tmp_path}/two/a", f"{tmp_path}/two/b"]
    assert {text for _, _, text in told} == {"reading a", "writing a", "reading b", "writing b"}
    assert (200, 0, "reading a") in told and (200, 200, "writing b") in told
    token = zvview.CancelToken()
    token.cancel()
    for target in ("none", "none.csv"):
        with pytest.raises(Cancelled):
            convert(tmp_path / "two" / "a", tmp_path / target, cancel=token)
        assert not (tmp_path / target).exists()


def test_what_cannot_be_is_refused(table: Path, tmp_path: Path) -> None:
    make_store(tmp_path / "mesh", "mesh", size=100)
    cases: list[tuple[type[Exception], Any, str, dict[str, Any]]] = [
        (UnsupportedError, tmp_path / "mesh", "a.csv", {}),
        (UnreachableError, tmp_path / "nothing", "a.csv", {}),
        (InvalidInputError, [], "a", {}),
        (InvalidInputError, table, "a", {"to": "xyz"}),
        (InvalidInputError, table, "a", {"mode": "a"}),
        (InvalidInputError, table, "a", {"selection": Selection(level=1)}),
        (InvalidInputError, [tmp_path / "mesh", table], "a.ply", {}),
        (InvalidInputError, Source(str(tmp_path / "mesh"), scale=[2]), "a.ply", {}),
        (InvalidInputError, Source(str(tmp_path / "mesh"), axes=["x"]), "a", {}),
        (MissingError, tmp_path / "mesh", "a", {"selection": Selection(level=3)}),
    ]
    for error, source, target, options in cases:
        with pytest.raises(error):
            convert(source, tmp_path / target, **options)
    (tmp_path / "bad.csv").write_text("x,y,z\n1,2,3\n1,2\n")
    with pytest.raises(BadFileError, match="line 3"):
        convert([table, tmp_path / "bad.csv"], tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_the_pieces_of_a_fly_brain_in_one_frame(package_data: Callable[..., Path], tmp_path: Path, opened: Any) -> None:
    data = package_data("navis", "data")
    voxels = {"unit": "nanometer", "scale": [8]}
    neurons = Source(str(data / "swc"), "neurons", **voxels)
    synapses = Source(str(data / "synapses"), "synapses", columns={"object_id": "file"}, **voxels)
    report = convert([neurons, synapses], tmp_path / "brain")
    assert report.skipped == ()
    brain = opened(tmp_path / "brain")
    assert (brain["neurons"].kind, brain["synapses"].kind) == ("skeleton", "point_cloud")
    assert {a.unit for store in brain.values() for a in store.axes} == {"nanometer"}
    assert len(brain["neurons"].level(0).object_ids) == len(brain["synapses"].level(0).object_ids) == 5
    lo, hi = brain["neurons"].bounds
    inside = brain["synapses"].level(0).read(box=(lo - 8000, hi + 8000))
    assert len(inside) > 0.9 * brain["synapses"].level(0).vertex_count
