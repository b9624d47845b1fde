"""Journals that sessions left behind, without those whose edits are in the store already.

A process may end between the moment at which a commit counts and the one at which it throws its journal away. What was
moved or deleted is not found again then, but new vertices and lines would be added a second time. So a journal tells
how the store looked just before the commit was tried.
"""

from __future__ import annotations

import json
from hashlib import blake2b

import numpy as np

from zvview.format.grid import locate_chunks, sort_chunks
from zvview.store.editing.bases import read_bases
from zvview.store.editing.digests import digest_chunks
from zvview.store.editing.edits import Edits
from zvview.store.editing.host import EditHost
from zvview.store.editing.journal_file import SavedJournal, find_journals
from zvview.store.editing.rebasing import digest_line, stored_line
from zvview.store.reading.reader import LevelReader

__all__ = ["find_unsaved", "witness_of"]

_DIGEST_BYTES = 16


def find_unsaved(host: EditHost) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those that are saved are thrown away."""
    out = []
    for saved in find_journals(host.place):
        if host.retry(lambda saved=saved: _is_saved(saved, host.reader(0))):  # type: ignore[misc]
            saved.remove()
        else:
            out.append(saved)
    return tuple(out)


def witness_of(host: EditHost) -> str:
    """What is another one after any commit that adds vertices, as far as it takes none away."""
    return host.retry(lambda: _witness(host.reader(0)))


def _witness(reader: LevelReader) -> str:
    told = json.dumps(reader.hierarchy.attributes(reader.layout.path), sort_keys=True)
    return blake2b(told.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _is_saved(saved: SavedJournal, reader: LevelReader) -> bool:
    """Whether a commit of these edits was tried, the store is another one since, and holds all that is new in them."""
    edits, new_lines = saved.edits, sorted(saved.edits.lines.keys() & saved.edits.new_objects)
    if saved.witness is None or (edits.added is None and not new_lines):
        return False
    if edits.bases:
        coords = np.array(sorted(edits.bases), np.int64)
        digests = digest_chunks(reader, coords)
        if any(now == edits.bases[tuple(key)] for key, now in zip(coords.tolist(), digests, strict=True)):
            return False
    elif _witness(reader) == saved.witness:
        return False
    return _holds_added(edits, reader) and all(_holds_line(edits, number, reader) for number in new_lines)


def _holds_added(edits: Edits, reader: LevelReader) -> bool:
    """Whether there is a vertex at the place of each new one."""
    if edits.added is None:
        return True
    if reader.layout.metadata.sid_ndim != reader.root.ndim:
        return False
    wanted = edits.added.positions
    bases = read_bases(reader, sort_chunks(locate_chunks(wanted, reader.layout.metadata.chunk_shape)))
    there = {row.tobytes() for base in bases for row in base.positions.astype(np.float64)}
    return all(row.tobytes() in there for row in wanted)


def _holds_line(edits: Edits, number: int, reader: LevelReader) -> bool:
    line = edits.lines[number]
    if line is None or reader.objects is None or number not in reader.objects.ids:
        return False
    stored = stored_line(reader, number)
    return stored is not None and digest_line(stored) == digest_line(line)
