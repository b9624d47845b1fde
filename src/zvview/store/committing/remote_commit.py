"""A commit at an address: one object holds the log and all contents; when it is there the commit is final.

Then each object is put, the root's document last, removed ones are deleted, and the log goes. Whoever breaks off
leaves the log to the next writer; a store that is opened meanwhile is read as if all were in its place
(:mod:`zvview.store.places.remote`). One that was open before is read again only if the commit went through its source.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from zvview.errors import ConflictError, UnreachableError, UnsupportedError, ZvviewError
from zvview.store.committing.applied import Applied
from zvview.store.committing.kept import KeptSource
from zvview.store.committing.keys import check_changes
from zvview.store.committing.remote_lock import RemoteLock
from zvview.store.committing.watched import WatchedSource
from zvview.store.places.bucket import Bucket
from zvview.store.places.redo_log import LOG_KEY, Bundle, RedoLog
from zvview.store.places.remote import RemoteSource
from zvview.store.places.source import MAX_OBJECT_BYTES, ROOT_KEY, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["RemoteCommit", "settle_bucket"]

_TOGETHER = 256  # objects between two looks at the lock


class RemoteCommit:
    """Changes the store at an address, whose writer lock the caller holds and at which nothing is pending.

    Parameters
    ----------
    remote : RemoteSource
    bucket : Bucket
    lock : RemoteLock
    """

    def __init__(self, remote: RemoteSource, bucket: Bucket, lock: RemoteLock) -> None:
        self._remote, self._watched = remote, WatchedSource(remote)
        self._kept = KeptSource(self._watched)
        self._bucket, self._lock = bucket, lock

    @property
    def source(self) -> Source:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        return self._kept

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        check_changes(changes)
        if not changes:
            return Applied(0, 0, 0)
        bundle = self._bundle(changes)
        self._lock.renew()
        self._watched.refuse_changed(changes)
        try:
            self._make_final(bundle.encode())
        finally:  # where it is not known whether it is, open stores have to look
            self._remote.note_change()
        note = ""
        try:
            _finish(self._bucket, bundle, self._lock)
        except ZvviewError as error:
            note = (
                f"{self._bucket.place}: the changes are saved, but not all could be put in their place: {error}. "
                "zvview reads them all the same when it opens the store; the next that writes it finishes this"
            )
        self._remote.note_change()
        for source in (self._watched, self._kept):
            source.forget(changes)
        sizes = [entry.size for entry in bundle.log.staged.values()]
        return Applied(len(sizes), len(bundle.log.removed), sum(sizes), note)

    def _bundle(self, changes: Mapping[str, bytes | None]) -> Bundle:
        contents = {key: data for key, data in changes.items() if data is not None and key != ROOT_KEY}
        root = changes.get(ROOT_KEY) or self._kept.get_many([(ROOT_KEY, None)])[0]
        if root is None:
            raise ConflictError(f"{self._bucket.place} has lost its {ROOT_KEY} since it was opened")
        contents[ROOT_KEY] = bytes(root)
        size = sum(map(len, contents.values()))
        if size > MAX_OBJECT_BYTES // 2:
            raise UnsupportedError(
                f"{self._bucket.place}: {size >> 20} MB are too much for one commit at an address; commit more often, "
                "or edit a copy"
            )
        removed = frozenset(key for key, data in changes.items() if data is None)
        return Bundle(RedoLog.describe(secrets.token_hex(8), contents, removed), contents)

    def _make_final(self, encoded: bytes) -> None:
        """Write the log; where the answer is lost, look whether it is there."""
        place = self._bucket.place
        try:
            is_there = self._bucket.create(LOG_KEY, encoded) is not None
        except UnreachableError as error:
            try:
                found = self._bucket.get(LOG_KEY)
            except UnreachableError:
                raise UnreachableError(
                    f"the connection to {place} broke off while the changes were being saved; whether they are shows "
                    f"when the store is opened again: {error}"
                ) from error
            if found is None:
                raise UnreachableError(f"cannot write {place}; it is as it was: {error}") from error
            is_there = False
        if not is_there:
            found = self._bucket.get(LOG_KEY)
            if found is None or found.data != encoded:
                raise ConflictError(f"{place}: another process has begun a commit of its own; nothing was overwritten")


def settle_bucket(bucket: Bucket, lock: RemoteLock) -> bool:
    """Finish the commit that was interrupted at an address, if there is one.

    Returns
    -------
    bool
        Whether there was.

    Raises
    ------
    DamagedError
        The log is not as it was written; nothing was touched.
    UnreachableError
        The bucket does not answer, or refuses.
    """
    found = bucket.get(LOG_KEY)
    if found is None:
        return False
    _finish(bucket, Bundle.parse(found.data), lock)
    return True


def _finish(bucket: Bucket, bundle: Bundle, lock: RemoteLock) -> None:
    """Bring everything to its place; each step may have been taken already."""
    contents: dict[str, Buffer] = dict(bundle.contents)
    root = {key: contents.pop(key) for key in (ROOT_KEY,) if key in contents}
    keys = list(contents)
    for start in range(0, len(keys), _TOGETHER):
        lock.renew_now_and_then()
        bucket.put_many({key: contents[key] for key in keys[start : start + _TOGETHER]})
    lock.renew_now_and_then()
    bucket.remove_many(sorted(bundle.log.removed))
    bucket.put_many(root)
    bucket.remove_many([LOG_KEY])
