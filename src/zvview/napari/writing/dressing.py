"""A store that is copied with the look that its layer has now: one document is another, all else is byte for byte."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from zvview.format import documents, names
from zvview.napari.looks import LOOK_KEY, encode_look
from zvview.samples import Look
from zvview.store.hierarchy import document_key, parse_document
from zvview.store.places.source import Sink

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["DressedSink", "dress_folder"]


class DressedSink:
    """Writes with another sink, and puts a look into the root of one store on the way.

    Parameters
    ----------
    sink : Sink
    look : Look
    under : str
        Path of the store in the sink.
    """

    def __init__(self, sink: Sink, look: Look, under: str) -> None:
        self._sink, self._look, self._key = sink, look, document_key(under)
        self.place, self.is_local = sink.place, sink.is_local

    def put_many(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> None:
        """See :meth:`zvview.store.places.source.Sink.put_many`."""
        self._sink.put_many(self._dressed(items))

    def commit(self) -> None:
        """See :meth:`zvview.store.places.source.Sink.commit`."""
        self._sink.commit()

    def abort(self) -> None:
        """See :meth:`zvview.store.places.source.Sink.abort`."""
        self._sink.abort()

    def _dressed(self, items: Iterable[tuple[str, Sequence[Buffer]]]) -> Iterator[tuple[str, Sequence[Buffer]]]:
        for key, pieces in items:
            yield key, (_dress_root(b"".join(pieces), self._look),) if key == self._key else pieces


def dress_folder(folder: str, look: Look) -> None:
    """Put a look into the root of the store in a folder, which nobody else knows yet."""
    path = os.path.join(folder, document_key(""))
    with open(path, "rb") as file:
        data = _dress_root(file.read(), look)
    os.unlink(path)  # it may be a link to the one of another store
    with open(path, "wb") as file:
        file.write(data)


def _dress_root(data: bytes, look: Look) -> bytes:
    document = parse_document(data, "")
    attributes = document["attributes"]
    own = attributes.get(names.USER_METADATA)
    kept = own if isinstance(own, dict) else {}
    attributes[names.USER_METADATA] = kept | {LOOK_KEY: encode_look(look)}
    return documents.encode_document(document)
