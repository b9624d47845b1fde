"""Names of files: those that the client asks for, and none that leads elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import InvalidInputError
from zvview.neuroglancer.exporting.file_names import check_folders, content_names, is_content_name, plain_name
from zvview.neuroglancer.sources.contract import Section


def test_cells_and_ids_have_the_names_that_the_client_asks_for() -> None:
    cells = Section("spatial0", (4, 3, 1), ("spatial", 0))
    assert content_names(cells, np.array([0, 1, 2, 8], np.uint64)) == ["0_0_0", "1_0_0", "0_1_0", "0_2_0"]
    assert content_names(Section("by_id"), np.array([7, 2**64 - 1], np.uint64)) == ["7", str(2**64 - 1)]


@pytest.mark.parametrize("name", ["0_0_0", "12", "12.index", "0.shard", "0af.shard"])
def test_names_of_contents_are_known(name: str) -> None:
    assert is_content_name(name)


@pytest.mark.parametrize("name", ["info", "state.json", "README", "12.txt", ".zvview-export", "1_", "A.shard", "a"])
def test_other_names_are_left_alone(name: str) -> None:
    assert not is_content_name(name)


@given(st.lists(st.text(max_size=12), max_size=8))
def test_members_get_folders_of_their_own_on_every_system(names: list[str]) -> None:
    taken: list[str] = []
    for name in names:
        taken.append(plain_name(name, taken))
    check_folders(taken)
    assert len({name.casefold() for name in taken}) == len(names)


@pytest.mark.parametrize(("name", "expected"), [("../../x", "x"), ("CON", "CON_"), ("a:b", "a_b"), ("", "store")])
def test_hostile_names_become_plain_ones(name: str, expected: str) -> None:
    assert plain_name(name, []) == expected


@pytest.mark.parametrize(
    "folders", [["../x"], ["a/../b"], ["/a"], ["a/"], ["a.b"], ["nul"], ["a/COM1"], ["é"], ["x", "X"], [".."], ["a\\b"]]
)
def test_hostile_folders_are_refused(folders: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        check_folders(folders)
