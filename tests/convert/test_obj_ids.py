"""Names and ids of objects come back from OBJ files, also where the names do not lead to the ids."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert import convert
from zvview.convert.obj_ids import needed_ids, read_first, split_comments, tell_ids
from zvview.convert.object_files import number_names

NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=8)
TITLES = NAMES.map(lambda text: " ".join(text.split()).rstrip("\\").rstrip()).filter(
    lambda text: text not in ("", "default")
)


def triangles(ids: list[int]) -> zvview.Mesh:
    """A triangle for each object, in a place that tells its id's place among them."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    shifts = np.arange(len(ids), dtype=np.float32)[:, None, None] * 5
    faces = np.arange(3 * len(ids)).reshape(-1, 3)
    offsets = np.arange(0, 3 * len(ids) + 1, 3)
    return zvview.Mesh((corners + shifts).reshape(-1, 3), offsets=offsets, object_ids=np.array(ids), faces=faces)


def told(place: Path) -> dict[int, tuple[str, float]]:
    """Name and least x of each object of a store."""
    level = zvview.open(place).level(0)
    ids = level.object_ids.tolist()
    names = ["" for _ in ids]
    if "name" in level.object_attribute_names:
        names = np.ma.filled(level.object_attribute("name"), "").tolist()
    places = [float(level.read_objects([i]).positions[:, 0].min()) for i in ids]
    return dict(zip(ids, zip(names, places, strict=True), strict=True))


def make(folder: Path, objects: dict[int, str]) -> Path:
    names = np.array([name or None for name in objects.values()], object)
    given = {"name": names} if any(objects.values()) else None
    zvview.create(folder / "made", kind="mesh").write(triangles(list(objects)), given)
    return folder / "made"


@given(st.dictionaries(st.integers(0, 30) | st.integers(0, 2**63 - 1), TITLES | st.just(""), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_names_and_ids_come_back_from_one_file(objects: dict[int, str]) -> None:
    named = [name for name in objects.values() if name]
    assume(len({*named, *map(str, objects)}) == len(named) + len(objects))  # others get an addition to their name
    with TemporaryDirectory() as name:
        folder = Path(name)
        made = make(folder, objects)
        convert(made, folder / "a.obj")
        convert(folder / "a.obj", folder / "back")
        assert told(folder / "back") == told(made)
        convert(folder / "back", folder / "b.obj")
        assert (folder / "b.obj").read_bytes() == (folder / "a.obj").read_bytes()


@pytest.mark.parametrize("target", ["a.obj", "folder"])
def test_names_in_any_order_with_any_ids(tmp_path: Path, target: str) -> None:
    objects = {7: "b", 2: "a", 12: "", 9: "größe µ 2", 3: "1", 2**62: "z:x"}
    made = make(tmp_path, objects)
    convert(made, tmp_path / target, to="obj")
    convert(tmp_path / target, tmp_path / "back")
    assert told(tmp_path / "back") == told(made)
    assert zvview.open(tmp_path / "back").headers.get("obj", {}).get("comments", []) == []


def test_files_whose_names_lead_to_their_ids_have_no_comment(tmp_path: Path) -> None:
    made = make(tmp_path, {0: "left", 1: "right", 17: ""})
    convert(made, tmp_path / "a.obj")
    text = (tmp_path / "a.obj").read_text()
    assert "zvview" not in text and [line for line in text.split("\n") if line[:1] == "o"] == [
        "o left",
        "o right",
        "o 17",
    ]


def test_comments_that_lie_lose_no_object(tmp_path: Path) -> None:
    body = "".join(f"o {n}\nv 0 0 {i}\nv 1 0 {i}\nv 0 1 {i}\nf -3 -2 -1\n" for i, n in enumerate("abc"))
    told_ids = [(4, "a"), (4, "b"), (2**63, "c"), (8, "none")]
    head = "".join(f"# zvview object_id {number}: {name}\n" for number, name in told_ids)
    (tmp_path / "a.obj").write_text(f"{head}# other\n{body}")
    convert(tmp_path / "a.obj", tmp_path / "store")
    assert {number: name for number, (name, _) in told(tmp_path / "store").items()} == {4: "a", 0: "b", 1: "c"}
    kept = zvview.open(tmp_path / "store").headers["obj"]["comments"]
    assert [entry["text"] for entry in kept] == [f" zvview object_id {2**63}: c\n other"]


@given(st.dictionaries(st.integers(0, 2**63 - 1), TITLES, max_size=5, min_size=1), st.text("ab \n#", max_size=20))
def test_what_is_told_is_read(titles: dict[int, str], rest: str) -> None:
    found, left = split_comments("\n".join([*tell_ids(titles), rest]))
    assert found == {name: number for number, name in titles.items()}
    assert left == rest
    unique = {number: name for number, name in titles.items() if found[name] == number}
    needed = needed_ids(unique)
    ids = [needed and next((n for n, t in needed.items() if t == title), None) for title in unique.values()]
    assert number_names(list(unique.values()), [i if type(i) is int else None for i in ids]) == list(unique)


def test_a_file_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert read_first(tmp_path / "none.obj") is None
    (tmp_path / "a.obj").write_bytes(b"\xef\xbb\xbf# zvview object_id 5: \xff\r\n")
    assert read_first(tmp_path / "a.obj") == 5
