"""Editing a store: the one object that users and viewers call."""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import Protocol, Self

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, InvalidInputError, NotZarrVectorsError, UnreachableError, ZvviewError
from zvview.store.editing.commit_names import make_name
from zvview.store.editing.committed import Committed
from zvview.store.editing.edits import Edits
from zvview.store.editing.history import History
from zvview.store.editing.host import EditHost
from zvview.store.editing.journal_file import JournalFile
from zvview.store.editing.left_behind import find_unsaved, is_in_store
from zvview.store.editing.line_editing import LineEditing
from zvview.store.editing.rebasing import Rebased, rebase
from zvview.store.editing.review import is_empty
from zvview.store.editing.saved_journals import SavedJournal
from zvview.store.editing.schema import Schema
from zvview.store.editing.state import operation
from zvview.store.places.memory import MemorySource
from zvview.store.places.open import Place
from zvview.store.places.source import Source

__all__ = ["CommitEdits", "EditSession", "set_commit"]


class CommitEdits(Protocol):
    """What writes edits, see :mod:`zvview.store.editing.commit`."""

    def __call__(
        self,
        source: Source,
        edits: Edits,
        *,
        to: Place | None = None,
        name: str | None = None,
        cancel: CancelToken | None = None,
    ) -> Committed:
        """Write edits into the store that `source` reads, under a name that it keeps, or into a copy of it."""
        ...


_commit: CommitEdits | None = None


def set_commit(commit: CommitEdits) -> None:
    """Have sessions call `commit`, which opens the store anew and therefore lies above it."""
    global _commit
    _commit = commit


class EditSession(LineEditing):
    """Edits of a store, kept apart from it until they are committed. Made by :meth:`zvview.Store.edit`.

    As a context manager it commits when the block ends well, and discards the edits when it raises.

    Parameters
    ----------
    host : EditHost
        The store.
    source : Source
        Where it is.
    journal : bool
        Whether edits that are not saved are kept on the user's disk, to be offered again after a crash. Those of stores
        in memory never are.

    Notes
    -----
    Positions are world coordinates. Vertices are named by :class:`VertexRefs`, which :meth:`find`, :meth:`vertices_of`
    and :meth:`add` give; these names hold until the edits are committed, discarded or reloaded.
    """

    def __init__(self, host: EditHost, source: Source, *, journal: bool = True) -> None:
        self._is_committing = threading.Lock()
        super().__init__(host)
        self._source = source
        self._is_kept = journal and not isinstance(source, MemorySource)
        self._journal = JournalFile(host.place) if self._is_kept else None
        self._restored: list[SavedJournal] = []
        self._left: list[SavedJournal] = []  # behind when it was closed
        self._tried: tuple[Edits, str] | None = None  # whose commit failed so that it may have been made all the same
        self.on_change(self._keep)

    def __repr__(self) -> str:
        return f"<zvview.EditSession of {self._host.place}: {self.review()}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.commit()
            else:
                self.discard()
        finally:
            self.close()

    @property
    def journal_problem(self) -> str:
        """Why edits that are not saved cannot be kept on the disk; empty where all is well."""
        return "" if self._journal is None else self._journal.problem

    def commit(self, *, to: Place | None = None, cancel: CancelToken | None = None) -> Committed:
        """Write the edits into the store; all of them, durably and at once, or none.

        While it runs, which may be in another thread, the edits cannot be changed. Afterwards there are none, and names
        of vertices that were found before hold no longer.

        Parameters
        ----------
        to : str, path or mapping, optional
            Write them into a copy of the whole store there instead, where nothing may be yet. The store stays as it is
            and so does this session: its edits are still edits of the store.
        cancel : CancelToken, optional

        Raises
        ------
        ConflictError
            Another program changed what the edits rely on: :meth:`reload` applies them to the store as it is now. Or
            another process is changing the store.
        UnreachableError, NotZarrVectorsError
            The store cannot be written, or is no more. The edits are kept.
        """
        assert _commit is not None, "zvview registers it when it is imported"
        if not self._is_committing.acquire(blocking=False):
            raise ConflictError(f"the edits of {self._host.place} are being saved already")
        try:
            with self._lock:  # an operation that began before ends before
                edits = self.edits
            try:
                if to is None:
                    self._take_back()
                    done = self._save(edits, cancel)
                else:
                    done = self._save_copy(edits, to, cancel)
            except (NotZarrVectorsError, UnreachableError) as error:
                raise type(error)(
                    f"{error}. {self._where_kept()}; commit(to=PLACE) writes them into a copy of the store"
                ) from error
            if is_saved := to is None and not is_empty(edits):
                self._begin_anew()
        finally:
            self._is_committing.release()
        if is_saved:
            self._tell(edits, self.edits)
        return done

    def discard(self) -> None:
        """Forget all edits and what could be undone."""
        super().discard()
        with contextlib.suppress(ConflictError):
            self._take_back()
        self._drop_journal()

    def reload(self) -> Rebased:
        """Apply the edits to the store as it is now, after a :class:`zvview.ConflictError`; what was lost comes back.

        Vertices are found again by their position and object in their chunk, lines by all of their vertices.

        Raises
        ------
        InvalidInputError
            Another store lies there now, which the edits do not fit; they stay as they are.
        """
        self._take_back()
        if self._is_in_store(edits := self.edits):
            self._begin_anew()
            self._tell(edits, self.edits)
            return Rebased()
        return self._rebase(self.edits)

    def find_unsaved(self) -> tuple[SavedJournal, ...]:
        """Edits of this store that a session left behind, for example in a crash; the latest first."""
        return find_unsaved(self._host) if self._is_kept else ()

    def restore(self, saved: SavedJournal) -> Rebased:
        """Take up edits that were left behind; what was lost of them comes back.

        The journal in which they were found is thrown away once they are kept in this session's, or were committed or
        discarded.

        Raises
        ------
        InvalidInputError
            They are edits of another store: they do not fit this one's kind, axes or attributes. Or there are edits in
            this session, whose place they would take.
        ConflictError
            Another session took them up, or threw them away, since they were found.
        """
        saved.claim()
        try:
            if self._journal is not None and not self.is_changed:
                self._journal.taken_up = (os.path.basename(saved.path), *saved.taken_up)
            found = self._rebase(saved.edits, is_first=True)
        except BaseException:
            saved.release()
            raise
        if self._journal is not None:
            self._journal.flush()
        is_all_kept = found.is_whole and not saved.taken_up
        if is_all_kept and self._journal is not None and not self._journal.problem:
            saved.remove()
        else:  # until what is left of them was committed or discarded
            self._restored.append(saved)
        return found

    def close(self) -> None:
        """End the session. Edits that are not saved are offered again by :meth:`find_unsaved`."""
        while self._restored:
            self._left.append(self._restored.pop())
            self._left[-1].release()
        if (journal := self._journal) is not None:
            journal.close()
            if os.path.exists(journal.path):
                self._left.append(SavedJournal(journal.path, self._host.place, journal.since, self.edits))
            self._journal = None

    def _take_back(self) -> None:
        """Take up again what was left behind, where a session is used on after it was closed.

        Raises
        ------
        ConflictError
            Another session took it up, or threw it away.
        """
        while self._left:
            self._left[-1].claim()
            self._restored.append(self._left.pop())

    def _save(self, edits: Edits, cancel: CancelToken | None) -> Committed:
        """Write edits into the store, unless that was done already by a try of which nobody heard that it went well."""
        assert _commit is not None
        if self._is_in_store(edits):
            return Committed(note="they were saved already, by the try before, which seemed to fail")
        if is_empty(edits):
            return Committed()
        self._tried = edits, make_name()
        self._note_commit(self._tried[1])
        try:
            return _commit(self._source, edits, name=self._tried[1], cancel=cancel)
        except ZvviewError as error:
            if not isinstance(error, UnreachableError) or self._is_as_it_was():
                self._forget_try()
            raise

    def _save_copy(self, edits: Edits, to: Place, cancel: CancelToken | None) -> Committed:
        """Write edits into a copy of the store, unless the store holds them by a try before, and the copy with it."""
        assert _commit is not None
        if not self._is_in_store(edits):
            return _commit(self._source, edits, to=to, cancel=cancel)
        _commit(self._source, Edits(), to=to, cancel=cancel)
        return Committed(note="they are in the store too: they were saved by the try before, which seemed to fail")

    def _is_in_store(self, edits: Edits) -> bool:
        """Whether the try before, which failed, put edits into the store all the same.

        Raises
        ------
        ConflictError
            It did, and more was edited since.
        """
        if self._tried is None or not is_in_store(self._host, self._tried[1]):
            return False
        if edits is not self._tried[0]:
            raise ConflictError(
                f"{self._host.place}: saving seemed to fail, but what was edited until then is in the store, and what "
                "was edited since is not. Undo back to there and save, then do the rest again"
            )
        return True

    def _is_as_it_was(self) -> bool:
        """Whether the store can be read and does not hold what was tried."""
        try:
            return self._tried is None or not is_in_store(self._host, self._tried[1])
        except ZvviewError:
            return False

    def _forget_try(self) -> None:
        self._tried = None
        self._note_commit(None)

    def _note_commit(self, name: str | None) -> None:
        for kept in (*self._restored, *(() if self._journal is None else (self._journal,))):
            kept.note_commit(name)

    @operation
    def _rebase(self, edits: Edits, *, is_first: bool = False) -> Rebased:
        if is_first and self.is_changed:
            raise InvalidInputError(
                f"there are unsaved edits of {self._host.place} in this session; commit or discard them before those "
                "that were left behind are taken up"
            )
        self._host.retry(lambda: Schema.of(self._host.reader(0))).check_fit(edits)
        kept, told = self._host.retry(lambda: rebase(edits, self._host.reader(0)))
        self._change(lambda: self._start(kept))
        return told

    def _begin_anew(self) -> None:
        """Have no edits: they were saved, and must not be saved again even where reading the store fails now."""
        with self._lock:
            self._history = History()
            self._drop_journal()
            try:
                self._start(Edits())
            except UnreachableError as error:
                raise UnreachableError(f"the edits are saved, but then the store could not be read: {error}") from error

    def _refuse_change(self) -> None:
        if self._is_committing.locked():
            raise ConflictError(f"the edits of {self._host.place} are being saved; wait until that is done")

    def _keep(self, before: Edits, after: Edits) -> None:
        if self._journal is not None:
            self._journal.keep(after)

    def _drop_journal(self) -> None:
        self._tried = None
        while self._restored:
            self._restored.pop().remove()
        if self._journal is not None:
            self._journal.remove()
            self._journal = JournalFile(self._host.place)

    def _where_kept(self) -> str:
        if self._journal is None and self._restored:
            return f"The edits are kept in {self._restored[0].path}"
        if self._journal is None:
            return "The edits are kept in this session"
        self._journal.flush()
        return self._journal.problem or f"The edits are kept in {self._journal.path}"
