"""Journals that sessions left behind, to be offered again.

A last record that was torn is dropped, and so is all behind the first that is not as it was written.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass
from typing import Any

from zvview.errors import ConflictError, DamagedError, UnreachableError
from zvview.store.editing.edits import Edits
from zvview.store.editing.journal_records import (
    COMMIT,
    ENDING,
    FRESH_ENDING,
    HEAD,
    LOCK_ENDING,
    TAKEN_UP,
    key_of,
    measure_record,
    seal_record,
    split_records,
)
from zvview.store.editing.packing import pack, unpack
from zvview.store.editing.recording import are_equal, replay_changes
from zvview.store.editing.review import is_empty
from zvview.store.editing.state_folder import journal_folder
from zvview.store.places.lock_file import LockFile

__all__ = ["SavedJournal", "find_journals", "find_places", "warn_once"]

_claims: dict[str, LockFile] = {}  # journals that this process took up
_warned: set[str] = set()


@dataclass(frozen=True, slots=True)
class SavedJournal:
    """Edits that were left behind.

    Attributes
    ----------
    path : str
    place : str
        Of the store.
    since : str
        When the session began to keep them: ISO 8601, UTC.
    edits : Edits
    commit : str or None
        Name of the commit of these edits that was tried; None where none was.
    is_edited_since : bool
        Whether more was edited after that commit was tried.
    taken_up : tuple of str
        Names of other journals of the store that hold these edits as well, and such as could not be kept.
    """

    path: str
    place: str
    since: str
    edits: Edits
    commit: str | None = None
    is_edited_since: bool = False
    taken_up: tuple[str, ...] = ()

    def claim(self) -> None:
        """Take it up: until it is removed or released nobody else is offered it.

        Raises
        ------
        ConflictError
            Another session took it up, or threw it away, since it was found.
        """
        if self.path in _claims:
            raise ConflictError(f"the edits of {self.since} were taken up already, by another session of this program")
        for path in self._files:
            lock = LockFile(path + LOCK_ENDING)
            if lock.is_held and os.path.exists(path):
                _claims[path] = lock
                continue
            lock.release()
            if path == self.path:
                raise ConflictError(
                    f"the edits of {self.since} were taken up, or thrown away, by another program meanwhile"
                )

    def release(self) -> None:
        """Leave it to be offered again, if it was taken up."""
        for path in self._files:
            lock = _claims.pop(path, None)
            if lock is not None:
                lock.release()

    def note_commit(self, name: str | None) -> None:
        """Have it tell, once it was taken up, that its edits are about to be saved by the commit of that name.

        None takes that back. Where the file cannot be written all stays as it is.
        """
        with contextlib.suppress(OSError), open(self.path, "r+b") as file:
            file.seek(_measure_sound(file.read()))
            file.write(seal_record(pack({COMMIT: name})))
            file.truncate()
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Throw it away, and those that it took up."""
        for path in self._files:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)
        self.release()

    @property
    def _files(self) -> tuple[str, ...]:
        folder = os.path.dirname(self.path)
        return (self.path, *(os.path.join(folder, name) for name in self.taken_up))


def find_journals(place: str) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those of running sessions are left out.

    Files that hold nothing are passed over, and those that another one took up. Of those that cannot be read a warning
    tells, once; they stay as they are. What a session that was killed had not finished writing is cleared away.
    """
    journals = []
    for path in _paths(f"{key_of(place)}-"):
        try:
            told, written = _read(path), os.path.getmtime(path)
        except FileNotFoundError:  # another program took it up meanwhile
            continue
        except (OSError, DamagedError) as error:
            warn_once(path, _tell_unreadable(path, error))
            continue
        if not is_empty(told.edits):
            journals.append((written, told))
    taken_up = {name for _, journal in journals for name in journal.taken_up}
    latest_first = sorted(journals, key=lambda pair: pair[0], reverse=True)
    return tuple(journal for _, journal in latest_first if os.path.basename(journal.path) not in taken_up)


def find_places(folder: str) -> tuple[str, ...]:
    """Places below a folder, or an address, of stores of which journals were left behind; there need be none any more.

    Those that were named relative to another working folder than today's are not among them.
    """
    top = _whole(folder)
    found = set()
    for path in _paths(""):
        with contextlib.suppress(OSError, DamagedError):
            place = _read(path).place
            if os.path.basename(path).startswith(f"{key_of(place)}-") and _whole(place).startswith(f"{top}/"):
                found.add(place)
    return tuple(sorted(found))


def _whole(place: str) -> str:
    """A place as others are compared with it, links resolved."""
    return place.rstrip("/") if "://" in place else os.path.realpath(place).replace(os.sep, "/")


def _paths(start: str) -> list[str]:
    """The journals whose names begin so, without those of running sessions; what was not finished is cleared away."""
    try:
        found = sorted(entry.path for entry in os.scandir(journal_folder()) if entry.name.startswith(start))
    except OSError:
        return []
    for path in found:
        if path.endswith(ENDING + FRESH_ENDING):
            _clear(path)
    return [path for path in found if path.endswith(ENDING) and not _is_in_use(path)]


def _clear(path: str) -> None:
    """Remove a file that was being written, unless its session runs: that holds the lock as long as it writes."""
    try:
        lock = LockFile(path.removesuffix(FRESH_ENDING) + LOCK_ENDING)
    except UnreachableError:
        return
    if lock.is_held:
        with contextlib.suppress(OSError):
            os.remove(path)
    lock.release()


def warn_once(path: str, text: str) -> None:
    """Warn of a journal, if this process did not yet."""
    if path not in _warned:
        _warned.add(path)
        warnings.warn(text, stacklevel=3)


def _tell_unreadable(path: str, error: Exception) -> str:
    why = f"found {error.found}, expected {error.expected}" if isinstance(error, DamagedError) else str(error)
    return (
        f"unsaved edits in {path} cannot be read: {why}. The file is kept: a newer zvview may read it; "
        "delete it if the edits are not wanted"
    )


def _read(path: str) -> SavedJournal:
    """A journal, as far as it is as it was written.

    Raises
    ------
    DamagedError
        It is not so up to the first edits, or of another version.
    """
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(HEAD):
        raise DamagedError("journal", found=f"a file that begins with {data[: len(HEAD)]!r}", expected=repr(HEAD))
    told: Any = None
    edits, tried, commit = Edits(), Edits(), None
    for record in split_records(data):
        tree = unpack(record)
        if told is None:
            told = tree
        elif isinstance(tree, dict) and COMMIT in tree:
            tried, commit = edits, tree[COMMIT] if isinstance(tree[COMMIT], str) else None
        else:
            edits = replay_changes(edits, tree)
    if not isinstance(told, dict) or not isinstance(told.get("place"), str) or not isinstance(told.get("since"), str):
        raise DamagedError("journal", found="no word on its store", expected="place and time")
    if _measure_sound(data) < len(data) and is_empty(edits):
        raise DamagedError("journal", found="a torn or changed record", expected="edits")
    is_edited_since = commit is not None and edits is not tried and not are_equal(edits, tried)
    start, others = f"{key_of(told['place'])}-", told.get(TAKEN_UP) or ()
    taken_up = tuple(n for n in others if isinstance(n, str) and n.startswith(start) and n == os.path.basename(n))
    return SavedJournal(path, told["place"], told["since"], edits, commit, is_edited_since, taken_up)


def _measure_sound(data: bytes) -> int:
    """Bytes of a journal up to the first record that is torn or changed."""
    return len(HEAD) + sum(map(measure_record, split_records(data)))


def _is_in_use(path: str) -> bool:
    """Whether a running session holds the journal."""
    if not os.path.exists(path + LOCK_ENDING):
        return False
    try:
        lock = LockFile(path + LOCK_ENDING)
    except UnreachableError:
        return True
    in_use = not lock.is_held
    lock.release()
    return in_use
