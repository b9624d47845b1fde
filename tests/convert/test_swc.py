from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.cancel import CancelToken
from zvview.convert import Source, convert
from zvview.convert.contract import Outgoing, ReadOptions
from zvview.convert.object_files import stated_unit
from zvview.convert.rounding import survives_float32
from zvview.convert.swc import open_swc
from zvview.convert.swc_text import SwcText, parse_lines, parse_many
from zvview.convert.swc_writing import LABELS, write_swc
from zvview.errors import BadFileError, Cancelled, ExistsError, InvalidInputError, UnreachableError
from zvview.geometry.batches import Skeletons

Row = tuple[float, ...]
PLAIN = "# made\n1 1 0 0 0 5 -1\n2 3 1.5 0 0 2 1\n3 3 3 0.25 0 1 2\n4 7 0 -9 0 1 1\n"


def to_store(path: Path, **options: Any) -> zvview.Store:
    place: dict[str, Any] = {}
    content = open_swc(path, ReadOptions(**options))
    new = zvview.create(place, kind=content.kind, axes=content.axes, attributes=content.attribute_specs, dtype=None)
    with new.writer() as writer:
        for incoming in content.batches():
            writer.append(incoming.batch, incoming.object_attributes)
        writer.close(headers=content.extras().headers)
    return zvview.open(place)


def to_swc(store: zvview.Store, path: Path, **selection: Any) -> Path:
    write_swc(path, Outgoing(store, store.level(0), **selection))
    return path


def rows_of(text: str) -> list[Row]:
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return sorted(tuple(float(v) for v in fields[:7]) for fields in lines if fields)


def write(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name.removeprefix('n')}.swc").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


@st.composite
def neurons(draw: st.DrawFn) -> tuple[str, bytes]:
    """A forest as plain text, and the same in some form that files have."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 30))
    above = [int(rng.integers(-1, i)) if i else -1 for i in range(n)]
    most = draw(st.sampled_from([n, 5 * n, 2**40]))
    ids = np.arange(1, n + 1) if most == n else rng.choice(min(most, 10**6), n, replace=False) * (most // 10**6 or 1)
    digits = draw(st.sampled_from([0, 2, 9]))
    lines = []
    for i in range(n):
        values = [f"{v:.{digits}f}" for v in (*rng.normal(0, 1000, 3), rng.uniform(0, 9))]
        values[3] = f"{float(np.float32(values[3])):.6g}"
        label = draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 77, -1]))
        lines.append([str(ids[i]), str(label), *values, str(-1 if above[i] < 0 else ids[above[i]])])
    order = rng.permutation(n) if draw(st.booleans()) else np.arange(n)
    extra = draw(st.sampled_from([[], ["0.5"], ["a", "b"]]))
    blank, end = (
        draw(st.sampled_from([" ", "\t", "  ", " \t "])),
        draw(st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\r"])),
    )
    before = draw(st.sampled_from(["", " "]))
    body = end.join(before + blank.join(lines[i] + extra) for i in order) + draw(st.sampled_from(["", end]))
    head = "".join(
        f"#{text}{end}" for text in draw(st.lists(st.sampled_from([" made by hand", "", "µ # 1 2"]), max_size=3))
    )
    return "\n".join(" ".join(line) for line in lines), (head + body).encode()


@settings(max_examples=60, deadline=None)
@given(st.lists(neurons(), min_size=1, max_size=3), st.sampled_from([1 << 20, 1]))
def test_files_come_back_with_the_same_nodes_and_comments(made: list[tuple[str, bytes]], batch_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write(Path(name, "in"), **{f"n{10 + i}": data for i, (_, data) in enumerate(made)})
        if batch_bytes == 1 and any(not survives_float32(np.array(rows_of(text))[:, 2:5]) for text, _ in made):
            return  # a later batch may need more digits than the first
        out = to_swc(to_store(folder, batch_bytes=batch_bytes), Path(name, "out"))
        for i, (plain, data) in enumerate(made):
            found = (out / f"{10 + i}.swc").read_text(encoding="utf-8")
            assert rows_of(found) == rows_of(plain)
            assert SwcText.of(found.encode()).comment == SwcText.of(data).comment


@given(neurons())
def test_the_fast_way_finds_what_the_careful_one_does(made: tuple[str, bytes]) -> None:
    fast, slow = parse_many([SwcText.of(made[1])]), parse_lines(made[1], "here")
    assert fast is not None
    for name in ("ids", "labels", "xyz", "radii", "parents"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name))


def test_what_a_store_holds(tmp_path: Path) -> None:
    store = to_store(write(tmp_path, n720575940=PLAIN))
    level = store.level(0)
    batch = level.read_objects([720575940])
    assert isinstance(batch, Skeletons)
    assert batch.positions.dtype == np.float32 and batch.attributes["radius"].dtype == np.float32
    assert dict(zip(batch.attributes["swc_id"].tolist(), batch.labels("label"), strict=True)) == {
        1: "soma",
        2: "basal dendrite",
        3: "basal dendrite",
        4: "7",
    }
    ids = batch.attributes["swc_id"]
    assert {int(ids[c]): int(ids[p]) for c, p in batch.edges} == {2: 1, 3: 2, 4: 1}
    assert [axis.unit for axis in store.axes] == [None] * 3
    assert "name" not in level.object_attribute_names
    assert set(LABELS.values()) >= {"undefined", "axon", "apical dendrite"}


def test_positions_that_float32_would_change_are_float64(tmp_path: Path) -> None:
    store = to_store(write(tmp_path / "in", n1="1 0 123456.789 0 0 1 -1\n"))
    assert store.level(0).dtype == np.float64
    assert "123456.789" in to_swc(store, tmp_path / "out.swc").read_text()
    assert survives_float32(np.array([0.1, 12345.678, 1e-20, 5.0])) and not survives_float32(np.array([1e300]))


def test_files_without_a_number_are_numbered_and_keep_their_names(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", n0=PLAIN, n007=PLAIN, cell=PLAIN)
    store = to_store(folder)
    level = store.level(0)
    assert level.object_ids is not None
    given = dict(zip(level.object_ids.tolist(), level.object_attribute("name").filled("").tolist(), strict=True))
    assert given == {0: "", 1: "007", 2: "cell"}
    out = to_swc(store, tmp_path / "out")
    assert sorted(p.name for p in out.iterdir()) == ["0.swc", "007.swc", "cell.swc"]


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        (None, "# Units: nm\n", "nanometer"),
        (None, "# All positions and radii in μm\n", "micrometer"),
        (None, "# made in micrometers\n", None),
        ("millimeter", "# units: nm\n", "millimeter"),
        (None, "# units: furlong\n", None),
    ],
)
def test_units_are_stated_or_none(unit: str | None, text: str, expected: str | None, tmp_path: Path) -> None:
    store = to_store(write(tmp_path / "in", n1=text + PLAIN), unit=unit)
    assert {axis.unit for axis in store.axes} == {expected}
    assert store.attributes["radius"].unit == expected
    found = to_swc(store, tmp_path / "out.swc").read_text(encoding="utf-8")
    assert rows_of(found) == rows_of(PLAIN)
    assert (
        expected is None
        or stated_unit(SwcText.of(found.split("\n1 ")[0].encode()).comment.split("\n")[-1]) == expected
        or unit is None
    )


BAD = [
    (b"", "", "no node"),
    (b"# nothing\n", "", "no node"),
    (b"1 1 0 0 0 1 -1\n2 1 0 0 0 1 3\n", "line 2", "parent 3 is no node"),
    (b"1 1 0 0 0 1 0\n", "line 1", "parent 0 is no node"),
    (b"1 1 0 0 0 1 -2\n", "line 1", "parent -2 is no node"),
    (b"9 1 0 0 0 1 -2\n", "line 1", "parent -2 is no node"),
    (b"# c\n\n1 1 0 0 0 1 -1\n1 1 0 0 0 1 -1\n", "line 4", "node 1 was there before"),
    (b"1 1 0 0 0 1 2\r\n2 1 0 0 0 1 1\r\n", "line 1", "its own ancestor"),
    (b"1 1 0 0 0 1 1\n", "line 1", "its own ancestor"),
    (b"1 1 0 0 nan 1 -1\n", "line 1", "z is 'nan'"),
    (b"1 1 0 0 0 inf -1\n", "line 1", "radius is 'inf'"),
    (b"1 1 0 0 0 1e300 -1\n", "line 1", "too large"),
    (b"1 1 0 1e39 0 1 -1\n", "line 1", "too large"),
    (b"1 1 0 0 0 1 -1\n2 1 0 0 0 1\n", "line 2", "6 values"),
    (b"1 1 0 0 0 1 -1\n2 soma 0 0 0 1 1\n", "line 2", "label is 'soma'"),
    (b"1.5 1 0 0 0 1 -1\n", "line 1", "id is '1.5'"),
    (b"99999999999999999999 1 0 0 0 1 -1\n", "line 1", "whole number"),
    (b"\x89PNG\r\n\x1a\n\0\0\0", "line 1", "values"),
]


@pytest.mark.parametrize(("data", "where", "reason"), BAD)
def test_bad_files_name_the_line(data: bytes, where: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, n1=data) / "1.swc"
    with pytest.raises(BadFileError) as caught:
        to_store(path)
    assert caught.value.where == where and reason in caught.value.reason and str(path) in str(caught.value)


@pytest.mark.parametrize("batch_bytes", [1 << 20, 1])
def test_bad_files_of_a_folder_are_left_out_and_listed(batch_bytes: int, tmp_path: Path) -> None:
    folder = write(tmp_path, **{f"n{100 + i}": data for i, (data, _, _) in enumerate(BAD)}, n7=PLAIN, n500=PLAIN)
    content = open_swc(folder, ReadOptions(batch_bytes=batch_bytes))
    ids = [i for one in content.batches() for i in one.batch.object_ids.tolist()]  # type: ignore[attr-defined]
    assert sorted(ids) == [7, 500]
    told = {Path(s.place).stem: s.reason for s in content.extras().skipped}
    assert len(told) == len(BAD)
    assert all(reason in told[str(100 + i)] and where in told[str(100 + i)] for i, (_, where, reason) in enumerate(BAD))


def test_a_folder_of_bad_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"none of 2 files.*no node"):
        to_store(write(tmp_path, n1="", n2="x"))
    with pytest.raises(BadFileError, match=r"\.swc"):
        to_store(write(tmp_path / "empty"))
    with pytest.raises(UnreachableError):
        to_store(tmp_path / "none.swc")


def test_a_file_in_another_unit_is_left_out(tmp_path: Path) -> None:
    content = open_swc(write(tmp_path, n1="# units: nm\n" + PLAIN, n2="# units: um\n" + PLAIN, n3=PLAIN), ReadOptions())
    assert [one.batch.object_ids.tolist() for one in content.batches()] == [[1, 3]]  # type: ignore[attr-defined]
    assert "states micrometer" in content.extras().skipped[0].reason


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=30), st.integers(0, 80))
def test_no_bytes_give_anything_but_a_store_or_a_bad_file(noise: bytes, at: int) -> None:
    raw = bytearray(PLAIN.encode())
    raw[at : at + len(noise)] = noise
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "1.swc")
        path.write_bytes(bytes(raw))
        try:
            (one,) = open_swc(path, ReadOptions()).batches()
        except BadFileError:
            return
        assert isinstance(one.batch, Skeletons)
        assert np.isfinite(one.batch.positions).all() and (one.batch.parents < len(one.batch)).all()


def test_zip_archives_and_subfolders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "n.zip", "w") as archive:
        archive.writestr("left/5.swc", PLAIN)
        archive.writestr("../right/5.swc", PLAIN)
        archive.writestr("__MACOSX/._5.swc", b"junk")
    store = to_store(tmp_path / "n.zip")
    level = store.level(0)
    assert level.object_ids is not None and len(level.object_ids) == 2
    out = to_swc(store, tmp_path / "out")
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.swc")) == ["_../right/5.swc", "left/5.swc"]


def test_selections(tmp_path: Path) -> None:
    store = to_store(write(tmp_path / "in", n1=PLAIN, n2=PLAIN))
    assert rows_of(to_swc(store, tmp_path / "one.swc", objects=[2]).read_text()) == rows_of(PLAIN)
    box = ((1, -1, -1), (5, 5, 5))
    cut = rows_of(to_swc(store, tmp_path / "cut.swc", objects=[2], box=box).read_text())
    assert [row[0] for row in cut] == [1, 2, 3] and cut[0][6] == -1
    with pytest.raises(InvalidInputError, match="2 are selected"):
        to_swc(store, tmp_path / "both.swc")
    with pytest.raises(ExistsError):
        to_swc(store, tmp_path / "one.swc", objects=[1])
    with pytest.raises(InvalidInputError, match="nothing of object 1"):
        to_swc(store, tmp_path / "far.swc", objects=[1], box=((90, 90, 90), (91, 91, 91)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.swc", "in", "one.swc"]


def test_other_skeletons_are_numbered_from_their_root(tmp_path: Path) -> None:
    store = zvview.create({}, kind="skeleton")
    batch = Skeletons.from_parents(
        np.arange(12.0).reshape(4, 3),
        [2, 2, -1, 0],
        attributes={"label": ["soma", "glia", "9", "glia"], "age": np.ones(4)},
    )
    store.write(batch, {"name": ["a:b"]})
    with pytest.warns(UserWarning, match="age"):
        out = to_swc(store, tmp_path / "out")
    assert [p.name for p in out.iterdir()] == ["a_b.swc"]
    text = (out / "a_b.swc").read_text()
    assert text.startswith("# label 10: glia\n")
    assert rows_of(text) == [
        (1, 9, 6, 7, 8, 0, -1),
        (2, 1, 0, 1, 2, 0, 1),
        (3, 10, 9, 10, 11, 0, 2),
        (4, 10, 3, 4, 5, 0, 1),
    ]


POINTS, ABOVE = np.arange(18.0).reshape(6, 3), [-1, -1, 1, -1, 3, 4]


@pytest.mark.parametrize("ids", [[-2, 5, 9], [-3, -2, -1], [-(2**63), 0, 2**63 - 1]])
def test_objects_of_any_id_are_written(tmp_path: Path, ids: list[int]) -> None:
    store = zvview.create({}, kind="skeleton")
    store.write(Skeletons.from_parents(POINTS, ABOVE, offsets=[0, 1, 3, 6], object_ids=ids))
    out = to_swc(store, tmp_path / "out")
    assert {p.stem: len(rows_of(p.read_text())) for p in out.iterdir()} == {str(i): n + 1 for n, i in enumerate(ids)}
    assert len(rows_of(to_swc(store, tmp_path / "one.swc", objects=ids[:1]).read_text())) == 1


def test_a_name_does_not_make_an_object_another_one(tmp_path: Path) -> None:
    store = zvview.create({}, kind="skeleton")
    batch = Skeletons.from_parents(POINTS, ABOVE, offsets=[0, 1, 3, 6], object_ids=[5, 6, 7])
    store.write(batch, {"name": ["7", "5", None]})
    level = to_store(to_swc(store, tmp_path / "out")).level(0)
    sizes = dict(zip(level.object_ids.tolist(), level.object_attribute("name").tolist(), strict=True))
    assert sizes == {0: "5_6", 1: "7_5", 7: None}
    assert int((level.read().vertex_object_ids == 7).sum()) == 3


def test_options_that_cannot_be(tmp_path: Path) -> None:
    folder = write(tmp_path, n1=PLAIN)
    for options in ({"kind": "mesh"}, {"axes": ("x", "y")}):
        with pytest.raises(InvalidInputError):
            open_swc(folder, ReadOptions(**options))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        list(open_swc(folder, ReadOptions(cancel=token)).batches())


def test_naviss_neurons_come_back(package_data: Callable[..., Path], tmp_path: Path) -> None:
    folder = package_data("navis", "data", "swc")
    convert(Source(str(folder)), tmp_path / "store.zv")
    convert(str(tmp_path / "store.zv"), tmp_path / "out", to="swc")
    paths = sorted(folder.glob("*.swc"))
    assert len(paths) == 5
    for path in paths:
        before, after = path.read_text(), (tmp_path / "out" / path.name).read_text()
        assert rows_of(after) == rows_of(before)
        assert SwcText.of(after.encode()).comment == SwcText.of(before.encode()).comment
