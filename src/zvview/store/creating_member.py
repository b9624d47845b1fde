"""The sink of one member of a collection: what is written waits aside until the member is whole."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, TYPE_CHECKING

from zvview.store.places.prefixed import PrefixedSink
from zvview.store.places.source import Sink

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["MemberSink"]

_MEMORY_BYTES = 64 << 20  # more than this waits in a temporary file


class MemberSink(PrefixedSink):
    """Writes under `path` of `sink` on commit only, so that a member that fails leaves nothing in the whole.

    Places such as zip files cannot take back what was put; hence a failed member is never put at all.

    Parameters
    ----------
    sink : Sink
        Of the collection.
    path : str
    admit : callable
        Given `path`, a context in which everything is put; it refuses on entry, by raising, what must not be put.
    """

    def __init__(self, sink: Sink, path: str, admit: Callable[[str], AbstractContextManager[None]]) -> None:
        super().__init__(sink, path)
        self._path, self._admit = path, admit
        self._file: IO[bytes] | None = None
        self._sizes: list[tuple[str, int]] = []

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        if self._file is None:
            self._file = tempfile.SpooledTemporaryFile(_MEMORY_BYTES, prefix="zvview-")  # noqa: SIM115
        for key, pieces in items:
            self._sizes.append((key, sum(self._file.write(piece) for piece in pieces)))

    def commit(self) -> None:
        """Put everything; the collection's sink commits all its members."""
        try:
            with self._admit(self._path):
                super().put_many(self._staged())
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what waits."""
        file, self._file, self._sizes = self._file, None, []
        if file is not None:
            file.close()

    def _staged(self) -> Iterator[tuple[str, Sequence[Buffer]]]:
        if self._file is not None:
            self._file.seek(0)
            for key, size in self._sizes:
                yield key, (self._file.read(size),)
