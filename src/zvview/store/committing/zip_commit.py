"""A commit in a zip: the file is written anew beside itself, with the changes, and takes its own place."""

from __future__ import annotations

from collections.abc import Mapping

from zvview.store.committing.applied import Applied
from zvview.store.committing.keys import check_changes
from zvview.store.places.source import Source
from zvview.store.remaking import Remaking, carry

__all__ = ["ZipCommit"]


class ZipCommit:
    """Changes the store in a zip, which is locked.

    Whether another program changed the file since it was opened is looked at for the file as a whole.

    Parameters
    ----------
    remaking : Remaking
    """

    def __init__(self, remaking: Remaking) -> None:
        self._remaking = remaking

    @property
    def source(self) -> Source:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        return self._remaking.source

    def apply(self, changes: Mapping[str, bytes | None]) -> Applied:
        """See :class:`~zvview.store.committing.applied.Commit`."""
        check_changes(changes)
        if not changes:
            return Applied(0, 0, 0)
        written = {key: data for key, data in changes.items() if data is not None}
        with self._remaking.replace() as sink:
            carry(self.source, sink, [(key, key) for key in self._remaking.keys if key not in changes])
            sink.put_many((key, (data,)) for key, data in written.items())
        return Applied(len(written), len(changes) - len(written), sum(map(len, written.values())))
