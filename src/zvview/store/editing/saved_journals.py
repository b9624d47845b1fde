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
    key_of,
    measure_record,
    split_records,
)
from zvview.store.editing.packing import unpack
from zvview.store.editing.recording import replay_changes
from zvview.store.editing.review import is_empty
from zvview.store.editing.state_folder import journal_folder
from zvview.store.places.lock_file import LockFile

__all__ = ["SavedJournal", "find_journals", "find_places"]

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
    """

    path: str
    place: str
    since: str
    edits: Edits
    commit: str | None = None

    def claim(self) -> None:
        """Take it up: until it is removed or released nobody else is offered it.

        Raises
        ------
        ConflictError
            Another session took it up, or threw it away, since it was found.
        """
        if self.path in _claims:
            raise ConflictError(f"the edits of {self.since} were taken up already, by another session of this program")
        lock = LockFile(self.path + LOCK_ENDING)
        if not lock.is_held or not os.path.exists(self.path):
            lock.release()
            raise ConflictError(
                f"the edits of {self.since} were taken up, or thrown away, by another program meanwhile"
            )
        _claims[self.path] = lock

    def release(self) -> None:
        """Leave it to be offered again, if it was taken up."""
        lock = _claims.pop(self.path, None)
        if lock is not None:
            lock.release()

    def remove(self) -> None:
        """Throw it away."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path)
        self.release()


def find_journals(place: str) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those of running sessions are left out.

    Files that hold nothing are passed over. Of those that cannot be read a warning tells, once; they stay as they are.
    What a session that was killed had not finished writing is cleared away.
    """
    journals = []
    for path in _paths(f"{key_of(place)}-"):
        try:
            told, written = _read(path), os.path.getmtime(path)
        except FileNotFoundError:  # another program took it up meanwhile
            continue
        except (OSError, DamagedError) as error:
            _warn(path, error)
            continue
        if not is_empty(told.edits):
            journals.append((written, told))
    return tuple(journal for _, journal in sorted(journals, key=lambda pair: pair[0], reverse=True))


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


def _warn(path: str, error: Exception) -> None:
    if path not in _warned:
        _warned.add(path)
        why = f"found {error.found}, expected {error.expected}" if isinstance(error, DamagedError) else str(error)
        warnings.warn(
            f"unsaved edits in {path} cannot be read: {why}. The file is kept: a newer zvview may read it; "
            "delete it if the edits are not wanted",
            stacklevel=3,
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
    edits, commit, at = Edits(), None, len(HEAD)
    for record in split_records(data):
        tree = unpack(record)
        at += measure_record(record)
        if told is None:
            told = tree
        elif isinstance(tree, dict) and isinstance(tree.get(COMMIT), str):
            commit = tree[COMMIT]
        else:
            edits, commit = replay_changes(edits, tree), None
    if not isinstance(told, dict) or not isinstance(told.get("place"), str) or not isinstance(told.get("since"), str):
        raise DamagedError("journal", found="no word on its store", expected="place and time")
    if at < len(data) and is_empty(edits):
        raise DamagedError("journal", found="a torn or changed record", expected="edits")
    return SavedJournal(path, told["place"], told["since"], edits, commit)


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
