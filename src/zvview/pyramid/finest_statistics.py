"""What zvview's index says of the attributes of level 0, kept true where some of its chunks became others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.format.grid import ChunkTable
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions
from zvview.store.writing.statistics import AttributeStatistics, widen_statistics

__all__ = ["renew_statistics"]


def renew_statistics(
    known: Mapping[str, Any], reader: LevelReader, before: LevelReader | None, chunks: NDArray[np.int64]
) -> dict[str, Any]:
    """Statistics of the attributes of a level of which some chunks were changed.

    Least and greatest value widen to those of the chunks. How often labels occur is counted anew where it is known what
    the chunks held before; else they never occur less often than in the chunks.

    Parameters
    ----------
    known : mapping
        By attribute, as the index told it. Of attributes that are not among them nothing is known afterwards either.
    reader : LevelReader
        The level as it is now.
    before : LevelReader or None
        As it was when the index was true, where that can still be read.
    chunks : (n, sid) int64 array
        Those that were changed, in numeric order.
    """
    fresh = _describe(reader, chunks, tuple(known))
    counted = tuple(name for name, entry in fresh.items() if entry["counts"])
    was = _describe(before, chunks, counted) if before is not None and counted else {}
    out = dict(known)
    for name, entry in fresh.items():
        own = known.get(name)
        if not isinstance(own, Mapping):
            continue
        out[name] = widen_statistics(own, entry)
        counts, gone = own.get("counts"), was.get(name, {}).get("counts")
        if gone is not None and isinstance(counts, Mapping) and all(type(counts.get(label)) is int for label in gone):
            out[name]["counts"] = {
                label: max(n + entry["counts"].get(label, 0) - gone.get(label, 0), 0) for label, n in counts.items()
            }
    return out


def _describe(reader: LevelReader, chunks: NDArray[np.int64], wanted: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Statistics of some chunks by attribute, of those that are there; what is damaged counts nowhere."""
    there, metadata = reader.layout.vertices.chunks, reader.attributes
    found = ChunkTable.of(there).find(chunks)
    families = reader.families(ReadOptions(tuple(name for name in wanted if name in metadata), object_ids=False))
    try:
        buffer, _ = read_pieces(reader.hierarchy, families, there[found[found >= 0]], skip_damage=True)
    except DamagedError:
        return {}
    out = {}
    for name, values in buffer.attributes.items():
        own = AttributeStatistics(metadata[name])
        own.add(values)
        out[name] = own.document()
    return out
