from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.store.editing.journal_file import JournalFile
from zvview.store.editing.recording import are_equal
from zvview.store.editing.saved_journals import find_journals
from zvview.store.editing.state_folder import journal_folder
from zvview.testing import make_store


@pytest.fixture
def store(tmp_path: Path) -> zvview.Store:
    return make_store(str(tmp_path / "a.zarrvectors"), "point_cloud", size=300)


def some_edits(store: zvview.Store, count: int = 3) -> zvview.Edits:
    session = store.edit(journal=False)
    session.delete(session.find().take(np.arange(count)))
    return session.edits


def test_a_change_is_on_the_disk_within_a_second(store: zvview.Store) -> None:
    journal = JournalFile(store.place)
    assert not os.path.exists(journal_folder())
    journal.keep(some_edits(store))
    until = time.monotonic() + 10
    while not os.path.exists(journal.path) and time.monotonic() < until:
        time.sleep(0.02)
    assert os.path.getsize(journal.path) > 100
    journal.remove()
    assert os.listdir(journal_folder()) == []


def test_a_journal_grows_by_what_changed_and_is_written_anew_before_it_is_mostly_waste(
    store: zvview.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zvview.store.editing.journal_file._MOST_WASTE", 0)
    session = store.edit(journal=False)
    found = session.find()
    journal = JournalFile(store.place)
    sizes = []
    for i in range(40):
        session.move(found.take(np.arange(10)), np.full((10, 3), float(i)))
        journal.keep(session.edits)
        journal.flush()
        sizes.append(os.path.getsize(journal.path))
    assert max(sizes) <= 4 * sizes[0] and min(sizes[1:]) <= 1.1 * sizes[0] and len(set(sizes)) > 3
    journal.close()
    assert are_equal(find_journals(store.place)[0].edits, session.edits)


def test_the_name_of_a_new_journal_outlives_a_loss_of_power(
    store: zvview.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, steps = JournalFile(store.place), []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (steps.append(new), replace(old, new)))
    monkeypatch.setattr("zvview.store.editing.journal_file.sync_path", steps.append)
    journal.keep(some_edits(store))
    journal.flush()
    assert steps == [journal.path, journal_folder()] and not journal.problem
    journal.remove()


def test_a_journal_that_someone_removed_is_written_anew(store: zvview.Store) -> None:
    session = store.edit()
    session.delete(session.find().take(np.arange(2)))
    journal = session._journal
    assert journal is not None
    journal.flush()
    os.remove(journal.path)
    session.delete(session.find().take(np.arange(3)))
    journal.flush()
    assert not session.journal_problem
    session.close()
    (saved,) = find_journals(store.place)
    assert are_equal(saved.edits, session.edits)
    saved.remove()


def test_no_edits_leave_no_journal(store: zvview.Store) -> None:
    with store.edit() as session:
        session.delete(session.find().take(np.arange(2)))
        session.undo()
    assert not os.path.exists(journal_folder()) or os.listdir(journal_folder()) == []


def test_a_folder_that_cannot_be_written_is_told_and_stops_nobody(
    store: zvview.Store, state_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (state_folder / "file").write_text("")
    monkeypatch.setenv("ZVVIEW_STATE", str(state_folder / "file"))
    session = store.edit()
    session.delete(session.find().take(np.arange(2)))
    assert session._journal is not None
    session._journal.flush()
    assert "cannot be kept" in session.journal_problem
    assert session.review().deleted == 2
    session.discard()
