"""Edits of lines become cells of level 0: old pieces of these lines go, new ones come, cut as a writer cuts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.grid import ChunkTable, format_chunk_keys, sort_chunks
from zvview.format.sequences import distinct, is_among
from zvview.store.editing.edits import EditedLine, Edits
from zvview.store.editing.host import check_editable
from zvview.store.editing.level_zero import own_nodes, put_documents, put_level_document
from zvview.store.editing.renewable import check_arrays, check_renewable
from zvview.store.editing.touched import Touched
from zvview.store.index import IndexedLevel
from zvview.store.level import Level
from zvview.store.patching.cell_patch import grid_of
from zvview.store.patching.chunk_objects import OwnedPieces, find_pieces
from zvview.store.patching.columns import describe_columns
from zvview.store.patching.level_patch import LevelPatch
from zvview.store.patching.line_pieces import LinePieces
from zvview.store.patching.line_splice import splice_lines
from zvview.store.patching.nodes import read_nodes
from zvview.store.patching.object_tables import ChangedObjects, ObjectTables
from zvview.store.patching.overlay import Overlay
from zvview.store.patching.replacement import Replacement
from zvview.store.reading.piece_buffer import PieceBuffer
from zvview.store.reading.reader import LevelReader
from zvview.store.store import Store
from zvview.store.writing.intake import Intake
from zvview.store.writing.partition import Tiling, partition
from zvview.store.writing.runs import Run

__all__ = ["put_line_edits"]

Ints = NDArray[np.int64]


def put_line_edits(overlay: Overlay, edits: Edits) -> Touched:
    """Write the edits of a store of lines into an overlay over it: level 0, and what is told of its objects.

    Only chunks are made anew in which a piece of a line comes, goes or becomes another one. There fragments keep their
    numbers where they can, so that few manifests change. Coarse levels, and zvview's index, are not looked at.

    Parameters
    ----------
    overlay : Overlay
        Nothing else is written.
    edits : Edits

    Raises
    ------
    InvalidInputError
        A vertex outside of the bounds, of which the grid must grow before; a line of too few or too many vertices.
    UnsupportedError
        A store whose parts cannot be kept true; tells what to do.
    """
    store = Store(overlay)
    check_editable(store)
    return _LineCommit(overlay, store, edits).run()


class _LineCommit:
    def __init__(self, overlay: Overlay, store: Store, edits: Edits) -> None:
        self._overlay, self._edits, self._level = overlay, edits, store.level(0)
        self._reader = store.reader(0)
        self._nodes, _ = read_nodes(overlay, "0")
        if not self._reader.is_sequence or self._reader.objects is None:
            raise UnsupportedError(f"{store.place} holds {self._reader.kind}, which is not edited line by line")

    def run(self) -> Touched:
        level, edits = self._level, self._edits
        ids = np.array(sorted(edits.lines), np.int64)
        if not len(ids):  # nothing but what is told of objects: no chunk is made anew
            none = self._reader.layout.vertices.chunks[:0]
            return Touched(self._put(Replacement(none, []), ids, 0), ids)
        check_arrays(self._nodes)
        check_renewable(self._reader, self._nodes)
        lines = [(number, line) for number in ids.tolist() if (line := edits.lines[number]) is not None]
        runs = [_cut(level, self._reader.kind, lines)] if lines else []
        for run in runs:
            self._check_inside(run.chunks)
        pieces = LinePieces.of(level, ids)
        deleted = np.array([number for number in ids.tolist() if edits.lines[number] is None], np.int64)
        gone = distinct(pieces.owners[is_among(pieces.owners, deleted)])
        dirty = [pieces.chunks[is_among(pieces.owners, gone)]]
        buffer = pieces.read_around(runs)
        dirty += [pieces.compare(run, buffer).chunks for run in runs]
        chunks = sort_chunks(np.concatenate(dirty))
        there = chunks[ChunkTable.of(level.chunks).find(chunks) >= 0]
        held = find_pieces(self._reader, there)
        before = self._count_owned(pieces, held, buffer, there)
        replacement = splice_lines(pieces, held, buffer, chunks, runs, gone, has_links=_has_links(self._reader))
        after = sum(len(run.positions) for run in replacement.runs)
        return Touched(self._put(replacement, deleted, after - before), ids)

    def _check_inside(self, chunks: Ints) -> None:
        origin, shape, _ = grid_of(self._nodes[f"0/{names.VERTICES}"])
        is_outside = ((chunks < origin) | (chunks >= origin + shape)).any(axis=1)
        if is_outside.any():
            (text,) = format_chunk_keys(chunks[is_outside][:1])
            raise InvalidInputError(f"chunk {text} lies outside the grid of the store: let its grid grow first")

    def _count_owned(self, pieces: LinePieces, held: OwnedPieces, buffer: PieceBuffer, chunks: Ints) -> int:
        """Vertices that some chunks hold. Refuses those of no line, or of several ones: they would be lost, or doubled.

        Raises
        ------
        UnsupportedError
        """
        _, counts = pieces.locate(buffer, held.chunks, held.numbers)
        rows = np.diff(buffer.offsets[buffer.first])
        total, owned = int(rows[buffer.chunks.find(chunks)].sum()), int(counts.sum())
        if total != owned:
            raise UnsupportedError(
                f"the chunks to be edited hold {total} vertices, their lines {owned}: some belong to no line, or to "
                "several; 'zvview convert' makes a store that can be edited"
            )
        return total

    def _put(self, replacement: Replacement, deleted: Ints, grown: int) -> Ints:
        """Put what stands in the place of some chunks, and what is told of objects; gives the chunks that changed."""
        there = self._reader.layout.vertices.chunks

        def put_tables(tables: ObjectTables, changed: ChangedObjects) -> None:
            tables.put_index(changed)
            tables.put_attributes(self._edits.object_attributes)
            tables.put_groups(self._edits.groups, deleted)

        patch = LevelPatch(
            self._overlay,
            self._level,
            own_nodes(self._nodes),
            IndexedLevel(0, there, np.zeros(len(there), np.int64), {}),
            self._reader.kind,
            lambda runs: describe_columns(self._level, runs),
            put_tables,
            keeps_empty=True,
        )
        if len(replacement.chunks):
            patch.put(replacement)
        else:
            patch.put_objects()
        put_level_document(self._overlay, put_documents(self._overlay, self._nodes, patch.nodes), grown)
        return patch.touched


def _cut(level: Level, kind: str, lines: list[tuple[int, EditedLine]]) -> Run:
    """Whole lines as a run: stretches of vertices by chunk, with positions as they are stored."""
    least, most = (2, 2) if kind == names.LINE else (2, None)
    counts = [len(line.positions) for _, line in lines]
    for (number, _), count in zip(lines, counts, strict=True):
        if count < least or (most is not None and count > most):
            raise InvalidInputError(f"line {number} has {count} vertices, expected {least}{'' if most else ' or more'}")
    positions = np.concatenate([line.positions for _, line in lines]).astype(level.dtype.newbyteorder("<"))
    if not np.isfinite(positions).all():
        raise InvalidInputError("positions must be finite")
    columns = {
        name: np.concatenate([line.columns[name] for _, line in lines]).astype(attribute.dtype, copy=False)
        for name, attribute in level.attributes.items()
    }
    owners = np.repeat(np.array([number for number, _ in lines], np.int64), counts)
    return partition(Intake(positions, columns, owners), Tiling(kind, tuple(level.chunk_shape.tolist())))


def _has_links(reader: LevelReader) -> bool:
    """Whether lines that go from chunk to chunk are linked there: always, but in a store where none of them is."""
    if reader.layout.links(0) is not None:
        return True
    assert reader.objects is not None
    return not (np.diff(reader.objects.manifests().offsets) > 1).any()
