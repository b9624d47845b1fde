"""A store made anew with most of its objects as they were: what is common to all that replaces a store as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zvview.format import names
from zvview.store.hierarchy import document_key, fingerprint, parse_document
from zvview.store.index_view import IndexView, read_index
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.folder_tree import survey_folder
from zvview.store.places.source import Sink, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["carry", "read_documents", "true_index"]

_WAVE_KEYS = 256


def read_documents(source: Source, keys: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, bytes]]:
    """Every document of a store by path, and its bytes; those of zvview's own index are left out.

    Parameters
    ----------
    source : Source
    keys : sequence of str
        All keys of the store.
    """
    paths = [k.removesuffix(names.ZARR_JSON).rstrip("/") for k in keys if k.rpartition("/")[2] == names.ZARR_JSON]
    paths = [p for p in paths if p.split("/", 1)[0] != names.INDEX]
    answers = source.get_many([(document_key(p), None) for p in paths])
    encoded = {p: bytes(data) for p, data in zip(paths, answers, strict=True) if data is not None}
    return {p: parse_document(data, p) for p, data in encoded.items()}, encoded


def true_index(source: Source, encoded: Mapping[str, bytes]) -> IndexView | None:
    """The index of a store, if it is still that of the store whose documents have these bytes."""
    index = read_index(source)
    if index is None:
        return None
    found = {path: fingerprint(data) for path, data in encoded.items() if path}
    return index if found == dict(index.fingerprints) else None


def carry(source: Source, sink: Sink, moves: Sequence[tuple[str, str]]) -> None:
    """Let objects of `source` stand in `sink`: links to the files of a folder, copies elsewhere.

    Parameters
    ----------
    source : Source
    sink : Sink
    moves : sequence of (old key, new key)

    Raises
    ------
    UnsupportedError
        A folder with links inside, what they point to being no key of it.
    """
    if isinstance(source, FolderSource) and isinstance(sink, FolderSink):
        survey_folder(source)
        sink.link_many((new, source.path_of(old)) for old, new in moves)
        return
    for start in range(0, len(moves), _WAVE_KEYS):
        wave = moves[start : start + _WAVE_KEYS]
        answers = source.get_many([(old, None) for old, _ in wave])
        sink.put_many(_pairs(wave, answers))


def _pairs(
    wave: Sequence[tuple[str, str]], answers: Sequence[Buffer | None]
) -> Iterable[tuple[str, tuple[Buffer, ...]]]:
    return [(new, (data,)) for (_, new), data in zip(wave, answers, strict=True) if data is not None]
