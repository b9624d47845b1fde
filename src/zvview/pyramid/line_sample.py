"""Some lines of a level and some of its chunks, from which is told how vertices and objects fall with each bin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError
from zvview.geometry.batches import Polylines
from zvview.pyramid.line_geometry import measure_significance
from zvview.pyramid.object_choice import ALL
from zvview.pyramid.object_ranks import hash_objects, rank_objects
from zvview.pyramid.passes import Passes, Places, Segments, count_steps, find_passes, measure_lengths
from zvview.store.level import Level

__all__ = ["LineSample", "Pieces", "find_owners", "sample_lines"]

_WHOLE = 1 << 17  # vertices of a level that is looked at as a whole
_VERTICES = 1 << 16  # of the chunks
_MOST_CHUNKS = 64
_GOLDEN = 0.6180339887498949  # multiples of it lie evenly between whole numbers, however many there are
_LINE_VERTICES = 1 << 15
_LEAST_LINES = 16
_MOST_SAMPLES = 1 << 20  # of segments: with more of them bins are so small that hardly two lines share one
_FRAME_VERTICES = 4  # vertices that share a moment, on average, from which on moments are frames


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Stretches of lines, and of which objects.

    Attributes
    ----------
    positions : (N, D)
    segments : (S, 2) int64
    ids : (n,) int64
        Objects, ascending.
    hashes : (n,) uint32
    ranks : (n,) int64
        By hash.
    owners : (N,) int64
        Row in `ids`, or -1.
    """

    positions: NDArray[np.floating]
    segments: NDArray[np.int64]
    ids: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    ranks: NDArray[np.int64]
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, batch: Polylines, known: NDArray[np.int64], seed: int, chunk_shape: NDArray[np.float64]) -> Pieces:
        """Of a batch, given all ids of its level, ascending.

        Segments to vertices beyond end where they leave their chunk: beyond, other lines were not seen.
        """
        ids, owners = find_owners(batch, known)
        hashes = hash_objects(ids, seed)
        positions, segments = batch.positions, batch.segments
        leaving = np.flatnonzero((segments >= batch.offsets[-1]).any(axis=1))
        inner, outer = np.sort(segments[leaving], axis=1).T
        ends = _cut_at_chunk(positions[inner], positions[outer], chunk_shape)
        segments[leaving] = np.stack((inner, len(positions) + np.arange(len(leaving))), axis=1)
        positions = np.concatenate((positions, ends))
        owners = np.concatenate((owners, np.full(len(leaving), -1)))
        return cls(positions, segments, ids, hashes, rank_objects(hashes), owners)


def _cut_at_chunk(
    inner: NDArray[np.floating], outer: NDArray[np.floating], chunk_shape: NDArray[np.float64]
) -> NDArray[np.floating]:
    """Where segments leave the chunks that they begin in, (n, D)."""
    corner = np.floor(inner / chunk_shape) * chunk_shape
    step = outer.astype(np.float64) - inner
    side = np.where(step > 0, corner + chunk_shape, corner)
    share = np.divide(side - inner, step, out=np.ones_like(step), where=step != 0).min(axis=1, initial=1)
    ends: NDArray[np.floating] = (inner + np.clip(share, 0, 1)[:, None] * step).astype(inner.dtype)
    return ends


def find_owners(batch: Polylines, known: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Objects of the pieces of a batch, ascending, and the row among them of each vertex, -1 for none.

    Raises
    ------
    DamagedError
        A position is not finite.
    """
    if not np.isfinite(batch.positions).all():
        raise DamagedError("vertices", found="a position that is not finite", expected="finite positions")
    given = np.empty(0, np.int64) if batch.object_ids is None else batch.object_ids
    ids, of_piece = np.unique(given, return_inverse=True)
    at = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
    is_known = known[at] == ids if len(known) else np.zeros(len(ids), bool)
    row = np.where(is_known, np.cumsum(is_known) - 1, -1)
    owners = np.full(len(batch), -1, np.int64)
    if len(given):
        owners[: batch.offsets[-1]] = np.repeat(row[of_piece], np.diff(batch.offsets))
    return ids[is_known], owners


@dataclass(frozen=True, eq=False)
class LineSample:
    """What is known of a level.

    Attributes
    ----------
    lines : Polylines
        Whole lines.
    pieces : Pieces
        All that is in some chunks.
    growth : float
        How many times more vertices an object has on the whole than in these chunks.
    is_space : (D,) bool
    """

    lines: Polylines
    pieces: Pieces
    growth: float
    is_space: NDArray[np.bool_]

    @property
    def can_simplify(self) -> bool:
        """Whether lines have vertices between their ends."""
        return bool((np.diff(self.lines.offsets) > 2).any())

    def find_instants(self, bin_shape: NDArray[np.float64]) -> NDArray[np.float64]:
        """How near two moments are the same, by axis: half the least gap of frames, else the bin; 0 in space."""
        out = np.zeros(len(self.is_space))
        for axis in np.flatnonzero(~self.is_space):
            times = np.unique(self.lines.positions[:, axis].astype(np.float64))
            is_framed = len(times) > 1 and len(times) * _FRAME_VERTICES <= len(self.lines)
            out[axis] = np.diff(times).min() / 2 if is_framed else bin_shape[axis]
        return out

    def share_of_vertices(self, tolerance: float) -> float:
        """The share of the vertices that simplification leaves."""
        if tolerance <= 0 or not len(self.lines):
            return 1.0
        return 1 - float(np.searchsorted(self._worth, tolerance, side="right")) / len(self._worth)

    def tolerance_for(self, share: float) -> float:
        """The least tolerance that leaves such a share of the vertices; infinite where none does."""
        if share >= 1 or not len(self.lines):
            return 0.0
        return float(self._worth[min(int((1 - share) * len(self._worth)), len(self._worth) - 1)])

    def share_needed(self, selection: NDArray[np.float64]) -> float:
        """The share of the vertices whose objects stay so that no bin becomes empty."""
        passes = self._find_passes(selection)
        if passes is None:
            return 1.0
        lost = float(self._weights[~passes.winners(len(self._weights))].sum()) / max(1.0, float(self._weights.sum()))
        # as if each stretch of this length had a chance of its own: right within a third, measured on bundles and walks
        return 1 - float(lost**self.growth)

    def share_covered(self, threshold: int, selection: NDArray[np.float64]) -> float:
        """The share of the bins that objects with hashes below a threshold pass."""
        passes = self._find_passes(selection)
        return 0.0 if passes is None else passes.covered(np.sort(self.pieces.hashes) < threshold)

    def fill(self, selection: NDArray[np.float64], share: float) -> tuple[int, float]:
        """The threshold with which a share of the vertices stays, and the share that stays then."""
        passes, needed = self._find_passes(selection), self.share_needed(selection)
        if passes is None or needed >= 1:
            return ALL, 1.0
        rest = np.flatnonzero(~passes.winners(len(self._weights)))  # ranks: by hash
        if needed >= share or not len(rest):
            return 0, needed
        below = np.cumsum(self._weights[rest])
        at = int(np.searchsorted(below, (share - needed) / (1 - needed) * below[-1]))
        return int(np.sort(self.pieces.hashes)[rest[min(at, len(rest) - 1)]]), share

    @cached_property
    def _worth(self) -> NDArray[np.float64]:
        """Significance of the vertices of the lines, ascending."""
        return np.sort(measure_significance(self.lines.positions, self.lines.offsets, 0.0, self.is_space))

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        """Vertices of each object in the pieces, by rank."""
        owners = self.pieces.owners
        return np.bincount(self.pieces.ranks[owners[owners >= 0]], minlength=len(self.pieces.ids)).astype(np.float64)

    @cached_property
    def _known_passes(self) -> dict[tuple[float, ...], Passes | None]:
        return {}

    def _find_passes(self, selection: NDArray[np.float64]) -> Passes | None:
        """Of all bins; None where they are so small that lines hardly meet in one."""
        key = tuple(selection.tolist())
        if key not in self._known_passes:
            self._known_passes[key] = _count_passes(self.pieces, selection, self.is_space)
        return self._known_passes[key]


def _count_passes(pieces: Pieces, selection: NDArray[np.float64], is_space: NDArray[np.bool_]) -> Passes | None:
    first, second = np.ascontiguousarray(pieces.segments.T)
    owner = np.maximum(pieces.owners[first], pieces.owners[second])
    owned = np.flatnonzero(owner >= 0)
    first, second, owner = first[owned], second[owned], owner[owned]
    lengths = measure_lengths(pieces.positions, first, second, is_space)
    segments = Segments(first, second, np.zeros(len(owner), np.int64), pieces.ranks[owner], lengths)
    if count_steps(pieces.positions, segments, selection, is_space).sum() > _MOST_SAMPLES:
        return None
    rows = np.flatnonzero(pieces.owners >= 0)
    vertices = Places(rows, np.zeros(len(rows), np.int64), pieces.ranks[pieces.owners[rows]])
    return find_passes(pieces.positions, vertices, segments, selection, is_space)


def sample_lines(fine: Level, is_space: NDArray[np.bool_], seed: int) -> LineSample:
    """A level of few vertices as a whole; else some chunks, dense as most vertices have it, and lines that pass them.

    Raises
    ------
    MissingError
        The level has no object index.
    """
    known = fine.present_object_ids
    known = np.empty(0, np.int64) if known is None else known
    if fine.vertex_count <= _WHOLE:
        lines = fine.read_objects(known, [])
        assert isinstance(lines, Polylines)
        return LineSample(lines, Pieces.of(lines, known, seed, fine.chunk_shape), 1.0, is_space)
    batch = fine.read_chunks(fine.chunks[_pick_chunks(fine.chunk_vertex_counts)], [])
    assert isinstance(batch, Polylines)
    pieces = Pieces.of(batch, known, seed, fine.chunk_shape)
    held = np.bincount(pieces.owners[pieces.owners >= 0], minlength=len(pieces.ids))
    wanted = np.argsort(pieces.ranks)[: max(_LEAST_LINES, int(_LINE_VERTICES / max(1.0, held.mean())))]
    lines = fine.read_objects(pieces.ids[wanted], [])
    assert isinstance(lines, Polylines)
    return LineSample(lines, pieces, max(1.0, len(lines) / max(1, int(held[wanted].sum()))), is_space)


def _pick_chunks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Some chunks that hold enough together, taken where every vertex is as likely, evenly over the level."""
    ends = np.cumsum(counts)
    shares = (0.5 + _GOLDEN * np.arange(_MOST_CHUNKS)) % 1
    picked, order = np.unique(np.searchsorted(ends, shares * ends[-1], side="right"), return_index=True)
    picked = picked[np.argsort(order)]
    return np.sort(picked[: 1 + int(np.searchsorted(np.cumsum(counts[picked]), _VERTICES))])
