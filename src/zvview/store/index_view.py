"""Reading zvview's own index: what is known of a store before its arrays are opened.

The index is a hint. Another writer makes it stale, so that it may steer plans, counts and colour limits, but what it
says of metadata is compared with the real documents before anything read with it is handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import ZvviewError
from zvview.format import names
from zvview.format.sequences import distinct
from zvview.format.values import as_int, as_mapping, as_str, wrong
from zvview.store.array_codecs import parse_codecs
from zvview.store.codecs import decode_wave
from zvview.store.hierarchy import document_key, parse_document
from zvview.store.index import (
    ATTRIBUTE,
    ATTRIBUTES,
    BIT,
    BITS,
    FINGERPRINTS,
    LEVELS,
    METADATA,
    SAME_CHUNKS,
    SETS,
    SID_NDIM,
    VERSION,
    WITH_SETS,
)
from zvview.store.places.source import Request, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["INDEX_REQUESTS", "IndexView", "parse_index", "read_index"]

_PART = "zvview index"
_CHUNKS_PATH = f"{names.INDEX}/{names.INDEX_CHUNKS}"

INDEX_REQUESTS: tuple[Request, ...] = (
    (document_key(names.INDEX), None),
    (document_key(_CHUNKS_PATH), None),
    (f"{_CHUNKS_PATH}/c/0/0", None),
)
"""What to ask for to read the index; it goes with the request for the root's document, as one wave."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexView:
    """The index of a store.

    Attributes
    ----------
    documents : mapping of str to dict
        Copies of the documents of all nodes but the root, by path.
    fingerprints : mapping of str to str
        Of the exact bytes of each of these documents.
    chunks : mapping of int to (K, sid) int64 array
        Chunks of each level, in numeric order.
    counts : mapping of int to (K,) int64 array
        Vertices of each of these chunks.
    statistics : mapping of int to mapping
        By level, by attribute: ``min``, ``max``, ``quantiles``, ``counts`` of categories.
    """

    documents: Mapping[str, dict[str, Any]]
    fingerprints: Mapping[str, str]
    chunks: Mapping[int, NDArray[np.int64]]
    counts: Mapping[int, NDArray[np.int64]]
    statistics: Mapping[int, Mapping[str, Any]]


def read_index(source: Source) -> IndexView | None:
    """The index of the store at `source`, or None when it has none that can be read."""
    return parse_index(source.get_many(INDEX_REQUESTS))


def parse_index(answers: list[Buffer | None]) -> IndexView | None:
    """The index from the answers to :data:`INDEX_REQUESTS`; None where there is none, or a damaged one."""
    group, array, cell = answers
    if group is None or array is None:
        return None
    try:
        return _parse(parse_document(group, names.INDEX), parse_document(array, _CHUNKS_PATH), cell)
    except ZvviewError:
        return None


def _parse(group: Mapping[str, Any], array: Mapping[str, Any], cell: Buffer | None) -> IndexView | None:
    own = as_mapping(group["attributes"].get(ATTRIBUTE), _PART, ATTRIBUTE)
    if as_int(own.get("version"), _PART, "version") not in (VERSION, WITH_SETS):
        return None
    codecs = parse_codecs(array.get("codecs") or [], array=_CHUNKS_PATH)
    # a store that holds nothing has no rows, and so no cell
    data = None if cell is None else decode_wave([cell], [codecs.chain])[0]
    columns = as_int(as_mapping({"n": array["shape"][-1]}, _PART, "shape")["n"], _PART, "shape", minimum=3)
    bits = as_int(own.get(SETS, 0), _PART, SETS, minimum=0)
    if bits > columns - 3:
        return None
    rows = as_int(array["shape"][0], _PART, "shape", minimum=0)
    table = np.frombuffer(memoryview(data), "<i8") if data is not None else np.empty(0, "<i8")
    if rows * columns > len(table):
        return None
    table = table[: rows * columns].reshape(-1, columns)
    levels = as_mapping(own.get(LEVELS) or {}, _PART, LEVELS)
    chunks, counts, sets = {}, {}, {}
    named = {int(text) for text in levels if text.isascii() and text.isdigit()}  # also those that hold nothing
    for level in sorted(named.union(distinct(table[:, 0]).tolist())):
        of_level = table[table[:, 0] == level]
        told = as_mapping(levels.get(str(level)) or {}, _PART, LEVELS)
        width = as_int(told.get(SID_NDIM, columns - 2 - bits), _PART, SID_NDIM, minimum=1)
        chunks[level], counts[level] = of_level[:, 2 : 2 + width], of_level[:, 1]
        sets[level] = of_level[:, columns - bits :]
    documents = {}
    for path, document in as_mapping(own.get(METADATA), _PART, METADATA).items():
        document = dict(as_mapping(document, _PART, path))
        attributes = dict(as_mapping(document.get("attributes") or {}, _PART, path))
        level_text = path.split("/", 1)[0]
        if names.NONEMPTY_CHUNKS in attributes and level_text.isascii() and level_text.isdigit():
            level = int(level_text)
            known = chunks.get(level, np.empty((0, columns - 2 - bits), np.int64)), sets.get(level, table[:0, :0])
            attributes[names.NONEMPTY_CHUNKS] = _spell_out(attributes[names.NONEMPTY_CHUNKS], *known, path)
        document["attributes"] = attributes
        documents[path] = document
    fingerprints = {
        path: as_str(value, _PART, path)
        for path, value in as_mapping(own.get(FINGERPRINTS), _PART, FINGERPRINTS).items()
    }
    statistics = {
        int(k): as_mapping(as_mapping(v, _PART, k).get(ATTRIBUTES) or {}, _PART, k)
        for k, v in levels.items()
        if k.isascii() and k.isdigit()
    }
    return IndexView(documents, fingerprints, chunks, counts, statistics)


def _spell_out(told: Any, chunks: NDArray[np.int64], sets: NDArray[np.int64], path: str) -> Any:
    """The chunks that the index tells of an array: all of its level's, a set of them, or a list."""
    if told is SAME_CHUNKS:
        return chunks
    if not isinstance(told, dict):
        return told
    bit = as_int(told.get(BIT), _PART, path, minimum=0)
    if bit >= BITS * sets.shape[1]:
        raise wrong(_PART, path, told, f"one of {BITS * sets.shape[1]} bits")
    return chunks[sets[:, bit // BITS] >> bit % BITS & 1 == 1]
