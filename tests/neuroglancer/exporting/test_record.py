"""The record of an export: what a run did is known to the next one, however it ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zvview.errors import UnsupportedError
from zvview.neuroglancer.exporting.record import RECORD, Entry, Record

A, B = Entry(3, 10, "aa"), Entry(4, 11, "bb")


def test_a_whole_run_is_remembered(tmp_path: Path) -> None:
    record = Record.read(str(tmp_path))
    assert not record.is_whole and record.files == {}
    record.begin("goal")
    record.note("unit", {"a": A, "b": B})
    record.drop("b")
    assert not record.is_whole
    record.finish({"about": 1})
    again = Record.read(str(tmp_path))
    assert again.is_whole and again.header["about"] == 1 and again.files == {"a": A}
    assert [path.name for path in (tmp_path / RECORD).iterdir()] == ["export.json"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.integers(0, 400))
def test_a_run_that_was_killed_is_known_up_to_its_last_whole_line(tmp_path: Path, cut: int) -> None:
    record = Record(str(tmp_path), files={"old": B})
    record.begin("goal")
    for number in range(3):
        record.note(f"unit{number}", {f"file{number}": A})
    record.close()
    log = tmp_path / RECORD / "log.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:cut])
    ends = [k for k, byte in enumerate(whole) if byte == ord("\n")]
    lines = sum(end <= cut for end in ends)  # the last byte of a line is no part of what it tells
    found = Record.read(str(tmp_path))
    assert not found.is_whole
    assert found.done == {f"unit{n}": [f"file{n}"] for n in range(lines - 1)}
    assert found.files == ({} if not lines else {"old": B, **{f"file{n}": A for n in range(lines - 1)}})
    assert found.goal == ("goal" if lines else None)


def test_a_run_to_another_goal_begins_anew_and_keeps_what_is_known_of_files(tmp_path: Path) -> None:
    record = Record.read(str(tmp_path))
    record.begin("goal")
    record.note("unit", {"a": A})
    record.close()
    same = Record.read(str(tmp_path))
    same.begin("goal")
    same.close()
    assert Record.read(str(tmp_path)).done == {"unit": ["a"]}
    other = Record.read(str(tmp_path))
    other.begin("another goal")
    other.close()
    found = Record.read(str(tmp_path))
    assert found.done == {} and found.files == {"a": A}


def test_what_a_run_that_broke_off_had_found_is_known(tmp_path: Path) -> None:
    record = Record.read(str(tmp_path))
    record.begin("goal")
    record.note("one", {"a": A}, ["damage", "more"])
    record.note("two", {"b": B}, ["damage"])
    record.close()
    again = Record.read(str(tmp_path))
    assert list(again.notes) == ["damage", "more"]
    again.begin("goal")
    again.close()
    other = Record.read(str(tmp_path))
    assert list(other.notes) == ["damage", "more"]
    other.begin("another goal")
    other.close()
    assert not Record.read(str(tmp_path)).notes


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "another"}', "\0"])
def test_a_damaged_record_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).mkdir()
    (tmp_path / RECORD / "export.json").write_text(text)
    assert not Record.read(str(tmp_path)).is_whole


def test_damaged_entries_are_not_believed(tmp_path: Path) -> None:
    (tmp_path / RECORD).mkdir()
    document = {"format": "zvview-export", "version": 1, "files": {"a": [1, 2]}}
    (tmp_path / RECORD / "export.json").write_text(json.dumps(document))
    assert Record.read(str(tmp_path)).files == {}


def test_a_record_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECORD).mkdir()
    (tmp_path / RECORD / "export.json").write_text(json.dumps({"format": "zvview-export", "version": 2}))
    with pytest.raises(UnsupportedError, match="newer"):
        Record.read(str(tmp_path))
