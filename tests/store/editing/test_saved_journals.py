from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import zvview
from tests.store.editing.models import needed
from zvview.errors import ConflictError
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.editing import journal_file
from zvview.store.editing.commit import commit_edits
from zvview.store.editing.commit_names import make_name
from zvview.store.editing.journal_file import JournalFile
from zvview.store.editing.recording import are_equal
from zvview.store.editing.saved_journals import find_journals
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of those of which nothing is left
            found = find_journals(store.place)
        assert all(are_equal(saved.edits, edits) for saved in found)


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
        session.add_branch(
            session.find().take(np.arange(1)), [[1.0, 2.0, 3.0], [50.0, 5.0, 5.0]], attributes=needed(session)
        )
    else:
        session.add([[1.0, 2.0, 3.0], [50.0, 5.0, 5.0]], attributes=needed(session))
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
    assert left.commit is not None
    with zvview.open(place) as store, contextlib.closing(store.edit()) as next_session:  # type: ignore[union-attr]
        offered = next_session.find_unsaved()
        assert len(offered) == (not is_final)
    assert len(find_journals(session._host.place)) == (not is_final)


@pytest.mark.parametrize(
    "data", [b"", b"zvview journal 2\nall else", b"zvview journal 1\n", b"zvview journal 1\n" + bytes(60)]
)
def test_a_journal_that_cannot_be_read_is_told_once_and_kept(store: zvview.Store, data: bytes) -> None:
    with store.edit() as session:
        session.delete(session.find().take(np.arange(2)))
        session._journal.flush()  # type: ignore[union-attr]
        path = session._journal.path  # type: ignore[union-attr]
    with open(path, "wb") as file:
        file.write(data)
    with pytest.warns(UserWarning, match="cannot be read") as noticed:
        assert find_journals(store.place) == ()
    assert len(noticed) == 1 and path in str(noticed[0].message)
    assert find_journals(store.place) == ()  # warnings are errors: there is no other
    with open(path, "rb") as file:
        assert file.read() == data


def test_what_was_not_finished_is_cleared_away_and_what_is_being_written_is_not(store: zvview.Store) -> None:
    session = store.edit()
    session.delete(session.find().take(np.arange(2)))
    session._journal.flush()  # type: ignore[union-attr]
    fresh = session._journal.path + ".new"  # type: ignore[union-attr]
    with open(fresh, "wb") as file:
        file.write(b"half")
    find_journals(store.place)
    assert os.path.exists(fresh)
    session.close()
    assert len(find_journals(store.place)) == 1 and not os.path.exists(fresh)
    assert os.listdir(journal_folder()) == [os.path.basename(find_journals(store.place)[0].path)]


def test_edits_that_were_left_behind_are_taken_up_by_one_session_only(store: zvview.Store) -> None:
    left = store.edit()
    left.add([[1.0, 2.0, 3.0]], attributes=needed(left))
    left.close()
    one, other = store.edit(), store.edit(journal=False)
    (mine,), (theirs,) = one.find_unsaved(), one.find_unsaved()
    other.restore(theirs)
    assert one.find_unsaved() == ()
    with pytest.raises(ConflictError, match="taken up"):
        one.restore(mine)
    other.close()
    one.restore(mine)
    with pytest.raises(ConflictError, match="taken up"):
        store.edit().restore(theirs)
    one.commit()
    assert one.find_unsaved() == () and os.listdir(journal_folder()) == []


@pytest.mark.parametrize("is_final", [True, False])
def test_values_that_were_there_already_do_not_hide_that_edits_were_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_final: bool
) -> None:
    store = make_store(str(tmp_path / "many chunks"), "point_cloud", size=300, chunk_shape=(250.0,) * 3)
    session = store.edit()
    found = session.find()
    session.set_attributes(found, {"intensity": found.attributes["intensity"]})
    session.move(found.take(np.arange(3, 6)), found.positions[3:6])
    session.add(found.positions[:3], attributes=needed(session))  # where others stand already
    monkeypatch.setattr(EditSession, "_begin_anew", lambda self: None)  # the process ends before
    if is_final:
        session.commit()
    else:  # another one saves what makes the store another one
        session.delete(found.take(np.arange(6, 9)))
        session._journal.note_commit("another one")  # type: ignore[union-attr]
        with store.edit(journal=False) as other:
            other.add(found.positions[-1:], attributes=needed(other))  # in another chunk
    session.close()
    assert len(store.edit().find_unsaved()) == (not is_final)


NEW = {"type": "presynaptic"}


def end_here(session: EditSession) -> None:
    """What is left of a session whose process ends."""
    journal = session._journal
    assert journal is not None
    journal.flush()
    if journal._lock is not None:
        journal._lock.release()
    journal._lock, session._journal = None, None


@pytest.mark.parametrize("is_rewritten", [False, True])
def test_edits_after_a_commit_of_which_nobody_heard_do_not_bring_it_a_second_time(
    store: zvview.Store, monkeypatch: pytest.MonkeyPatch, is_rewritten: bool
) -> None:
    session = store.edit()
    session.add([[1.0, 2.0, 3.0]], NEW)
    name = make_name()
    session._journal.note_commit(name)  # type: ignore[union-attr]
    commit_edits(store.place, session.edits, name=name)  # and the answer is lost
    if is_rewritten:
        monkeypatch.setattr(journal_file, "_MOST_WASTE", -(1 << 30))
    session.add([[5.0, 2.0, 3.0]], NEW)
    path = session._journal.path  # type: ignore[union-attr]
    end_here(session)
    with zvview.open(store.place) as opened, contextlib.closing(opened.edit()) as following:  # type: ignore[union-attr]
        with pytest.warns(UserWarning, match="in it in part"):
            assert following.find_unsaved() == ()
        assert following.find_unsaved() == () and os.path.exists(path)
        assert len(following.find()) == 301


def test_edits_after_a_commit_that_was_not_made_are_offered_and_undone_ones_are_not_told_of(
    store: zvview.Store,
) -> None:
    session = store.edit()
    session.add([[1.0, 2.0, 3.0]], NEW)
    name = make_name()
    session._journal.note_commit(name)  # type: ignore[union-attr]
    session.add([[5.0, 2.0, 3.0]], NEW)
    session._journal.flush()  # type: ignore[union-attr]
    session.undo()
    edits = session.edits
    end_here(session)
    (left,) = store.edit().find_unsaved()
    assert left.commit == name and not left.is_edited_since and are_equal(left.edits, edits)
    commit_edits(store.place, edits, name=name)
    assert store.edit().find_unsaved() == () and not os.path.exists(left.path)


def test_a_session_that_is_used_on_after_a_conflict_leaves_nothing_behind_that_is_saved(store: zvview.Store) -> None:
    session = store.edit()
    session.delete(session.find().take(np.arange(150)))
    session.add([[1.0, 2.0, 3.0]], NEW)
    with zvview.open(store.place).edit() as other:  # type: ignore[union-attr]
        other.delete(other.find().take(np.arange(150, 300)))
    with pytest.raises(ConflictError), session:
        assert session.is_changed
    session.close()
    assert len(find_journals(store.place)) == 1
    session.reload()
    assert find_journals(store.place) == ()  # it is taken up
    session.commit()
    assert os.listdir(journal_folder()) == [] and len(store.edit(journal=False).find()) == 1


def test_what_another_took_up_after_the_end_of_a_session_is_not_saved_by_it_as_well(store: zvview.Store) -> None:
    session = store.edit()
    session.add([[1.0, 2.0, 3.0]], NEW)
    session.close()
    other = store.edit()
    other.restore(other.find_unsaved()[0])
    with pytest.raises(ConflictError, match="thrown away"):
        session.commit()
    other.commit()
    session.discard()
    assert len(store.edit(journal=False).find()) == 301


def test_edits_that_a_session_without_a_journal_took_up_and_saved_are_not_offered_again(
    store: zvview.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = store.edit()
    left.add([[1.0, 2.0, 3.0]], NEW)
    path = left._journal.path  # type: ignore[union-attr]
    left.close()
    with open(path, "ab") as file:
        file.write(b"torn")
    session = store.edit(journal=False)
    (saved,) = session.find_unsaved() or find_journals(store.place)
    session.restore(saved)
    monkeypatch.setattr(EditSession, "_begin_anew", lambda self: None)  # the process ends before
    session.commit()
    saved.release()
    (found,) = find_journals(store.place)
    assert found.commit is not None and not found.is_edited_since
    assert store.edit().find_unsaved() == () and os.listdir(journal_folder()) == []


@pytest.mark.parametrize("is_saved", [True, False])
def test_what_was_kept_in_part_is_not_offered_twice_after_another_crash(store: zvview.Store, is_saved: bool) -> None:
    first = store.edit()
    first.delete(first.find().take(np.arange(2)))
    first.add([[1.0, 2.0, 3.0]], NEW)
    first.close()
    with store.edit(journal=False) as other:
        other.delete(other.find().take(np.arange(1)))
    second = store.edit()
    (saved,) = second.find_unsaved()
    assert second.restore(saved).lost_vertices == 1
    end_here(second)
    saved.release()
    with contextlib.closing(store.edit()) as third:
        (left,) = third.find_unsaved()
        assert left.path != saved.path and third.restore(left).is_whole
        assert find_journals(store.place) == ()  # all are taken up
        if is_saved:
            third.commit()
    assert len(find_journals(store.place)) == (not is_saved)
    assert len(os.listdir(journal_folder())) == (0 if is_saved else 3)
    assert len(store.edit(journal=False).find()) == 299
