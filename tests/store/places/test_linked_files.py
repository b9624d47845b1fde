"""What lies behind links to folders is read, listed, checked and copied alike; links without end are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert import convert
from zvview.errors import UnreachableError, UnsupportedError
from zvview.pyramid import PyramidOptions, plan_pyramid
from zvview.store.places.folder import FolderSource
from zvview.testing import make_store


def make_moved(folder: Path, kind: str, name: str) -> tuple[Path, Path]:
    """A store, and its twin of which the folder `name` lies elsewhere."""
    plain, linked, away = folder / "plain", folder / "moved", folder / "away"
    for place in (plain, linked):
        make_store(place, kind, size=400).close()
    (linked / name).rename(away)
    (linked / name).symlink_to(away)
    return plain, linked


@pytest.mark.parametrize("name", ["0", "0/vertices", "0/vertices/c", "0/links"])
def test_a_linked_folder_is_as_good_as_a_plain_one(tmp_path: Path, name: str) -> None:
    plain, linked = make_moved(tmp_path, "skeleton", name)
    sources = [FolderSource(str(place)) for place in (plain, linked)]
    keys = sources[0].list_keys("")
    assert sources[1].list_keys("") == keys
    assert sources[1].list_keys("0") == sources[0].list_keys("0")
    assert sources[1].stat_many(keys) == sources[0].stat_many(keys)
    assert zvview.check(linked).ok


@pytest.mark.parametrize("name", ["0", "0/vertices/c"])
@pytest.mark.parametrize("target", ["copy", "copy.zip"])
def test_copies_lack_nothing_that_lies_behind_links(tmp_path: Path, name: str, target: str) -> None:
    plain, linked = make_moved(tmp_path, "streamline", name)
    convert([linked], tmp_path / target)
    batches = []
    for place in (plain, tmp_path / target):
        with zvview.open(place) as store:
            assert isinstance(store, zvview.Store)
            batches.append(store.level(0).read())
    original, copied = batches
    assert np.array_equal(copied.positions, original.positions)
    assert np.array_equal(copied.object_ids, original.object_ids)  # type: ignore[attr-defined]


def test_levels_are_planned_of_what_lies_behind_links(tmp_path: Path) -> None:
    plain, linked = make_moved(tmp_path, "point_cloud", "0")
    plans = [plan_pyramid(place, PyramidOptions(levels=1)) for place in (plain, linked)]
    assert [[level.vertex_count for level in plan] for plan in plans] == [[plans[0][0].vertex_count]] * 2


def test_cells_behind_links_count_as_there_before_they_are_listed(tmp_path: Path) -> None:
    _, linked = make_moved(tmp_path, "point_cloud", "0/vertices/c/0")
    found = zvview.check(linked)
    assert found.ok
    (linked / "0/vertices/c/0").unlink()
    (linked / "0/vertices/c/0").symlink_to("nowhere")
    assert any("c/0 is a link to nothing" in finding.message for finding in zvview.check(linked))


@pytest.mark.parametrize(
    "links", [{"a/up": ".."}, {"a/self": "self/"}, {"a/b": "../c", "c/d": "../a"}, {"a/x": "/"}, {"a/here": "."}]
)
def test_links_without_end_are_refused(tmp_path: Path, links: dict[str, str]) -> None:
    for link, target in links.items():
        (tmp_path / link).parent.mkdir(exist_ok=True)
        (tmp_path / link).symlink_to(target)
    with pytest.raises(UnsupportedError, match=r"is a link (that leads back to itself|to nothing)"):
        FolderSource(str(tmp_path)).list_keys("")


def test_links_that_double_at_each_step_are_refused(tmp_path: Path) -> None:
    for step in range(30):
        (tmp_path / f"{step}").mkdir()
        for name in "ab":
            (tmp_path / f"{step}" / name).symlink_to(f"../{step + 1}")
    (tmp_path / "30").mkdir()
    with pytest.raises(UnsupportedError, match="more than 16384 links to folders"):
        FolderSource(str(tmp_path)).list_keys("")


def test_links_are_those_of_the_place_that_the_caller_named(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to("nowhere")
    with pytest.raises(UnsupportedError, match=r"^my place: lost is a link to nothing"):
        FolderSource(str(tmp_path), "my place").list_keys("")


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: str) -> object:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UnreachableError, match=r"cannot list .*Permission denied"):
        FolderSource(str(tmp_path)).list_keys("")


_NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


@given(files=st.sets(_NAMES, max_size=6), links=st.dictionaries(_NAMES, _NAMES, max_size=4))
@settings(max_examples=80)
def test_keys_are_those_of_a_walk_that_follows_links(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], links: dict[str, str]
) -> None:
    top = tmp_path_factory.mktemp("walk")
    for name in sorted(files):
        if not any((top / parent).is_file() for parent in _parents(name)) and not (top / name).exists():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).touch()
    for name, target in links.items():
        if not os.path.lexists(top / name) and not any(os.path.isfile(top / parent) for parent in _parents(name)):
            try:
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).symlink_to(top / target)
            except OSError:  # a link to nothing, or a ring of links, on the way
                continue
    source = FolderSource(str(top))
    try:
        keys = source.list_keys("")
    except UnsupportedError:
        assert any(os.path.islink(top / name) for name in links)
        return
    walked = [
        os.path.relpath(os.path.join(folder, n), top) for folder, _, ns in os.walk(top, followlinks=True) for n in ns
    ]
    assert keys == sorted(walked)
    assert None not in source.get_many([(key, None) for key in keys])


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:i]) for i in range(1, len(parts) + 1)]
