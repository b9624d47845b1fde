from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.editing.journal_file import JournalFile, find_journals
from zvview.store.editing.recording import are_equal
from zvview.store.editing.session import EditSession
from zvview.store.editing.state_folder import journal_folder
from zvview.testing import make_store


@pytest.fixture
def store(tmp_path: Path) -> zvview.Store:
    return make_store(str(tmp_path / "a.zarrvectors"), "point_cloud", size=300)


def some_edits(store: zvview.Store, count: int = 3) -> zvview.Edits:
    session = store.edit(journal=False)
    session.delete(session.find().take(np.arange(count)))
    return session.edits


def test_edits_that_were_left_behind_are_found_and_others_are_not(store: zvview.Store) -> None:
    edits = some_edits(store)
    journal = JournalFile(store.place)
    journal.keep(edits)
    journal.flush()
    assert find_journals(store.place) == ()  # its session is running
    journal.close()
    (found,) = find_journals(store.place)
    assert are_equal(found.edits, edits) and found.place == store.place
    assert find_journals(store.place + "x") == ()
    found.remove()
    assert find_journals(store.place) == () and os.listdir(journal_folder()) == []


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


@pytest.mark.parametrize("cut", [1, 10, 60])
def test_a_torn_last_record_is_dropped(store: zvview.Store, cut: int) -> None:
    session = store.edit(journal=False)
    found, journal = session.find(), JournalFile(store.place)
    values = []
    for i in range(3):
        session.delete(found.take(np.array([i])))
        journal.keep(session.edits)
        journal.flush()
        values.append(session.edits)
    journal.close()
    os.truncate(journal.path, os.path.getsize(journal.path) - cut)
    assert are_equal(find_journals(store.place)[0].edits, values[1])


def test_a_journal_with_changed_bytes_is_believed_up_to_these(store: zvview.Store) -> None:
    edits, journal = some_edits(store), JournalFile(store.place)
    journal.keep(edits)
    journal.close()
    data = Path(journal.path).read_bytes()
    for at in range(0, len(data), 29):
        changed = bytearray(data)
        changed[at] ^= 0x10
        Path(journal.path).write_bytes(changed)
        assert all(are_equal(found.edits, edits) for found in find_journals(store.place))
    Path(journal.path).write_bytes(b"")
    assert find_journals(store.place) == ()


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


def test_edits_of_a_process_that_was_killed_are_offered_again(store: zvview.Store) -> None:
    code = (
        "import sys, time, numpy as np, zvview\n"
        "session = zvview.open(sys.argv[1]).edit()\n"
        "session.delete(session.find().take(np.arange(5)))\n"
        "session._journal.flush()\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, store.place], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    session = store.edit()
    assert session.find_unsaved() == ()
    process.kill()
    process.wait()
    process.stdout.close()
    (saved,) = session.find_unsaved()
    told = session.restore(saved)
    assert told.is_whole and session.review().deleted == 5 and session.find_unsaved() == ()
    session.undo()
    assert not session.is_changed
    session.discard()


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "skeleton"])
@pytest.mark.parametrize("is_final", [True, False])
def test_edits_that_were_saved_before_the_crash_are_not_offered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, is_final: bool
) -> None:
    place = str(tmp_path / "store")
    session = make_store(place, kind).edit()
    if kind == "streamline":
        session.add_line([[1.0, 2.0, 3.0], [50.0, 5.0, 5.0]])
    elif kind == "skeleton":
        session.add_branch(session.find().take(np.arange(1)), [[1.0, 2.0, 3.0], [50.0, 5.0, 5.0]])
    else:
        session.add([[1.0, 2.0, 3.0], [50.0, 5.0, 5.0]])
    if is_final:  # the process ends between the commit and what comes after it
        monkeypatch.setattr(EditSession, "_begin_anew", lambda self: None)
        session.commit()
    else:  # and here, before anything is final

        def end(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(FolderCommit, "apply", end)
        with pytest.raises(KeyboardInterrupt):
            session.commit()
    journal = session._journal
    assert journal is not None and journal._lock is not None
    journal._lock.release()
    journal._lock, session._journal = None, None
    (left,) = find_journals(session._host.place)
    assert left.witness is not None
    with zvview.open(place) as store, contextlib.closing(store.edit()) as next_session:  # type: ignore[union-attr]
        offered = next_session.find_unsaved()
        assert len(offered) == (not is_final)
    assert len(find_journals(session._host.place)) == (not is_final)
