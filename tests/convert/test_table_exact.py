"""Whole numbers of tables are kept to the last digit or refused with their line; long lines are read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.convert import Source, convert
from zvview.errors import BadFileError


@pytest.mark.parametrize("column", ["object_id", "segment"])
@pytest.mark.parametrize("other", ["3.0", "1e3", "2.5", "18446744073709551616"])
def test_ids_that_floats_would_round_name_their_line(column: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"x,y,{column}\n1,2,{other}\n1,2,9007199254740992\n\n1,2,9007199254740993\n")
    with pytest.raises(BadFileError, match=f"{column!r} holds 9007199254740993, .*--drop") as caught:
        convert(tmp_path / "a.csv", tmp_path / "store")
    assert caught.value.where == "line 5"
    assert not (tmp_path / "store").exists()


@given(
    st.lists(st.integers(-(2**63), 2**64) | st.integers(2**53 - 2, 2**53 + 2), min_size=1, max_size=5),
    st.sampled_from(["", "3.0", "-7", "0.5", "1e20"]),
)
@settings(max_examples=40, deadline=None)
def test_whole_numbers_are_kept_exactly_or_refused(numbers: list[int], other: str) -> None:
    texts = [*map(str, numbers), *([other] if other else [])]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.csv").write_text("x,y,n\n" + "".join(f"{i},0,{text}\n" for i, text in enumerate(texts)))
        try:
            convert(folder / "a.csv", folder / "store")
        except BadFileError:
            assert max(map(abs, numbers)) > 2**53
            return
        batch = zvview.open(folder / "store").level(0).read()
    found = dict(zip(batch.positions[:, 0].tolist(), batch.attributes["n"].tolist(), strict=True))
    assert [int(found[row]) for row in range(len(numbers))] == numbers


def test_files_of_a_folder_that_would_be_rounded_together_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, value in (("a", "9007199254740993"), ("b", "0.5")):
        (tmp_path / "in" / f"{name}.csv").write_text(f"x,y,n\n1,2,{value}\n")
    with pytest.raises(BadFileError, match=r"a\.csv: column 'n' holds whole numbers from 9007199254740993"):
        convert(tmp_path / "in", tmp_path / "store")


def test_headers_and_lines_longer_than_a_block_are_read(tmp_path: Path) -> None:
    names = [f"gene_{i:07d}" for i in range(9000)]  # more than the beginning of a file that is looked at first
    rows = "".join(f"{i},0,{','.join('1' * len(names))}\n" for i in range(3))
    (tmp_path / "a.csv").write_text(f"x,y,{','.join(names)}\n{rows}")
    convert(Source(str(tmp_path / "a.csv"), drop=names[5:]), tmp_path / "store")
    assert sorted(zvview.open(tmp_path / "store").level(0).attribute_names) == names[:5]
    (tmp_path / "b.csv").write_text("x,y,note\n1,2," + "n" * 3_000_000 + "\n3,4,m\n")
    convert(Source(str(tmp_path / "b.csv"), drop=["note"], batch_bytes=1), tmp_path / "other")
    level = zvview.open(tmp_path / "other").level(0)
    np.testing.assert_array_equal(np.sort(level.read().positions[:, 0]), [1, 3])
