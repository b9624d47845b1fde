"""One intake becomes one run: rows sorted by chunk, cut into fragments, links filed under the chunks they lie in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.format.cells import FARTHEST_CHUNK, spread
from zvview.format.grid import locate_chunks
from zvview.format.links import LinkSegment, file_links
from zvview.format.sequences import offsets_of
from zvview.store.writing.intake import NO_PARENT, Intake
from zvview.store.writing.runs import LinkRun, Run
from zvview.store.writing.sorting import invert, rank_rows, run_starts, stable_order

__all__ = ["LINE_KINDS", "Tiling", "check_reach", "locate_in_bins", "partition"]

LINE_KINDS = (names.LINE, names.POLYLINE, names.STREAMLINE)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a level is cut.

    Attributes
    ----------
    kind : str
    chunk_shape : D floats
        Edge lengths of the level's chunks.
    bins : D integers or None
        Bins along each axis of a chunk, where each bin is a fragment: points without objects at level 0 (4.3).
    """

    kind: str
    chunk_shape: tuple[float, ...]
    bins: tuple[int, ...] | None = None

    @property
    def fragments_per_chunk(self) -> int | None:
        """Fragments of every chunk, where their number is fixed."""
        return None if self.bins is None else int(np.prod(self.bins))


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Rows in the order of the run: source row of each, and where chunks and fragments begin."""

    order: NDArray[np.int64]
    chunk_starts: NDArray[np.int64]
    fragment_starts: NDArray[np.int64]
    keys: NDArray[np.int64] | None = None
    ranks: NDArray[np.int64] | None = None


def check_reach(lo: NDArray[np.float64], hi: NDArray[np.float64], chunk_shape: Sequence[float]) -> None:
    """Refuse chunks so small that their coordinates leave what floats can count.

    Raises
    ------
    InvalidInputError
    """
    if (np.abs([lo, hi]) / chunk_shape > FARTHEST_CHUNK).any():
        raise InvalidInputError(
            f"chunks of {list(chunk_shape)} are too small for positions {lo.tolist()} to {hi.tolist()}"
        )


def partition(intake: Intake, tiling: Tiling) -> Run:
    """Sort an intake.

    Returns
    -------
    Run
        Points with one fragment for each bin or object of a chunk that holds any, lines with one for each stretch of
        consecutive vertices in a chunk, other kinds with one for each object in a chunk (skeletons: and for each root
        behind the first row).
    """
    numbers = np.empty(0, np.int64)
    if tiling.bins is None:
        coords = locate_chunks(intake.positions, tiling.chunk_shape)
    else:
        coords, numbers = locate_in_bins(intake.positions, tiling)
    chunk_keys, limit = rank_rows(coords)
    if tiling.kind in LINE_KINDS:
        done = _sort_stretches(chunk_keys, limit, intake.objects)
    elif tiling.bins is not None:
        done = _sort_bins(chunk_keys, limit, numbers)
    else:
        done = _sort_objects(chunk_keys, limit, intake)
    return _make_run(intake, done, coords, tiling)


def _sort_stretches(chunks: NDArray[np.int64], limit: int, objects: NDArray[np.int64] | None) -> _Sorted:
    """Sort stretches of consecutive rows in one chunk, not rows: there are fewer."""
    assert objects is not None
    starts = run_starts(chunks, objects)
    counts = np.diff(np.append(starts, len(chunks)))
    order = stable_order(chunks[starts], limit)
    first, owner, local = spread(counts[order])
    return _Sorted(starts[order][owner] + local, first[run_starts(chunks[starts[order]])], first[:-1], ranks=order)


def locate_in_bins(positions: NDArray[np.floating], tiling: Tiling) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Chunk of each position, (N, D), and the row-major number of its bin inside it, (N,)."""
    assert tiling.bins is not None
    if all(n & (n - 1) == 0 for n in tiling.bins):
        # floor(p / bin) // n equals floor(p / chunk) where n is a power of two: one division instead of two
        bins = locate_chunks(positions, np.divide(tiling.chunk_shape, tiling.bins))
        coords = bins >> np.array([n.bit_length() - 1 for n in tiling.bins])
    else:
        coords = locate_chunks(positions, tiling.chunk_shape)
        bins = coords
    number = np.zeros(len(coords), np.int64)
    for axis, count in enumerate(tiling.bins):
        if bins is coords:  # rounding may put floor(p / bin) into the neighbour of the chunk; the chunk decides
            edge = tiling.chunk_shape[axis] / count
            inside = np.floor(positions[:, axis].astype(np.float64) / edge).astype(np.int64) - coords[:, axis] * count
            inside = np.clip(inside, 0, count - 1)
        else:
            inside = bins[:, axis] - coords[:, axis] * count
        number *= count
        number += inside
    return coords, number


def _sort_bins(chunks: NDArray[np.int64], limit: int, numbers: NDArray[np.int64]) -> _Sorted:
    count = int(numbers.max(initial=0)) + 1
    if limit * count < 1 << 62:
        keys = chunks * count + numbers
        order = stable_order(keys, limit * count)
        ordered = keys[order]
        starts = run_starts(ordered)
        leads = ordered[starts] // count
    else:
        order = stable_order(numbers, count)
        order = order[stable_order(chunks[order], limit)]
        starts = run_starts(chunks[order], numbers[order])
        leads = chunks[order][starts]
    return _Sorted(order, starts[run_starts(leads)], starts, keys=numbers[order[starts]])


def _sort_objects(chunks: NDArray[np.int64], limit: int, intake: Intake) -> _Sorted:
    objects = intake.objects
    if objects is None:
        order = stable_order(chunks, limit)
        starts = run_starts(chunks[order])
        return _Sorted(order, starts, starts, keys=np.zeros(len(starts), np.int64))
    if not len(objects) or (objects[1:] >= objects[:-1]).all():
        order = stable_order(chunks, limit)  # rows come by object: that order is kept inside each chunk
    else:
        by_object, count = rank_rows(objects[:, None])
        if limit * count < 1 << 62:
            order = stable_order(chunks * count + by_object, limit * count)
        else:
            order = stable_order(by_object, count)
            order = order[stable_order(chunks[order], limit)]
    ordered = chunks[order]
    chunk_starts = run_starts(ordered)
    starts = run_starts(ordered, objects[order])
    if (
        intake.parents is not None
    ):  # inside a fragment a row without parent would be taken for a child of the row before
        starts = np.union1d(starts, np.flatnonzero(intake.parents[order] == NO_PARENT))
        return _Sorted(order, chunk_starts, starts)
    return _Sorted(order, chunk_starts, starts, keys=objects[order[starts]] if intake.links is None else None)


def _make_run(intake: Intake, done: _Sorted, coords: NDArray[np.int64], tiling: Tiling) -> Run:
    total = len(done.order)
    rows = np.append(done.chunk_starts, total)
    fragments = np.append(np.searchsorted(done.fragment_starts, done.chunk_starts), len(done.fragment_starts))
    chunks = coords[done.order[done.chunk_starts]]
    links, inside = None, None
    if tiling.kind not in (names.POINT_CLOUD,):
        places = _Places(chunks, rows, fragments, done.fragment_starts, invert(done.order))
        links, inside = _file_all(intake, places, done, tiling.kind)
    objects = None if intake.objects is None else intake.objects[done.order[done.fragment_starts]]
    return Run(
        chunks=chunks,
        rows=rows,
        fragments=fragments,
        counts=np.diff(np.append(done.fragment_starts, total)),
        positions=intake.positions.take(done.order, axis=0),
        columns={name: values.take(done.order, axis=0) for name, values in intake.columns.items()},
        keys=done.keys if tiling.kind == names.POINT_CLOUD else None,
        objects=objects,
        ranks=done.ranks,
        fragment_links=inside,
        links=links,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where rows of the intake went."""

    chunks: NDArray[np.int64]
    rows: NDArray[np.int64]
    fragments: NDArray[np.int64]
    fragment_starts: NDArray[np.int64]
    place: NDArray[np.int64]

    def chunk_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        table = np.repeat(np.arange(len(self.chunks)), np.diff(self.rows))
        return table[places]

    def fragment_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        counts = np.diff(np.append(self.fragment_starts, self.rows[-1]))
        return np.repeat(np.arange(len(counts)), counts)[places]


def _file_all(
    intake: Intake, places: _Places, done: _Sorted, kind: str
) -> tuple[LinkRun | None, NDArray[np.int64] | None]:
    """Links of the run, and how many lie inside each fragment (None for lines, whose fragments need none)."""
    if kind in LINE_KINDS:
        pairs = _bridges(intake, places, done)
    elif intake.parents is not None:
        pairs = _explicit_parents(intake.parents, places, done)
    else:
        assert intake.links is not None
        pairs = places.place[intake.links]
    columns = intake.link_columns
    chunk = places.chunk_of(pairs)
    is_inside = (chunk == chunk[:, :1]).all(axis=1)
    inner, outer = np.flatnonzero(is_inside), np.flatnonzero(~is_inside)
    local = pairs - places.rows[chunk]
    segments = [replace(s, order=outer[s.order]) for s in file_links(places.chunks[chunk[outer]], local[outer])]
    if kind in LINE_KINDS:
        return _collect(segments, None, None, columns, places.chunks.shape[1], 2), None

    # One slot for each fragment and, behind those of a chunk, one for what lies between them.
    chunk, fragment = chunk[inner, 0], places.fragment_of(pairs[inner])
    is_loose = (fragment != fragment[:, :1]).any(axis=1)
    slot = np.where(is_loose, places.fragments[chunk + 1], fragment[:, 0]) + chunk
    slots = len(places.fragment_starts) + len(places.chunks)
    order = stable_order(slot, max(slots, 1))
    counts = np.bincount(slot, minlength=slots).astype(np.int64)
    loose_slots = places.fragments[1:] + np.arange(len(places.chunks))
    is_fragment = np.ones(slots, bool)
    is_fragment[loose_slots] = False
    loose = counts[loose_slots]
    per_chunk = np.bincount(chunk, minlength=len(places.chunks)).astype(np.int64)
    full = np.flatnonzero(per_chunk)
    width = pairs.shape[1]
    intra = LinkSegment(
        np.zeros((width - 1, places.chunks.shape[1]), np.int64),
        places.chunks[full],
        per_chunk[full],
        local[inner[order]],
        inner[order],
    )
    links = _collect(segments, intra, loose[full], columns, places.chunks.shape[1], width)
    return links, counts[is_fragment]


def _bridges(intake: Intake, places: _Places, done: _Sorted) -> NDArray[np.int64]:
    """Last row of each stretch and first of the next one of the same line, (B, 2) places."""
    assert intake.objects is not None and done.ranks is not None
    starts = np.sort(done.order[done.fragment_starts])
    after = starts[1:][intake.objects[starts[1:]] == intake.objects[starts[1:] - 1]]
    pairs: NDArray[np.int64] = places.place[np.stack((after - 1, after), axis=1)]
    return pairs


def _explicit_parents(parents: NDArray[np.int64], places: _Places, done: _Sorted) -> NDArray[np.int64]:
    """[child, parent] of every row whose parent is not the row before it in its fragment, (E, 2) places."""
    above = parents[done.order]
    has_parent = above >= 0
    above[has_parent] = places.place[above[has_parent]]
    is_implied = above == np.arange(len(above)) - 1
    is_implied[done.fragment_starts] = False
    child = np.flatnonzero(has_parent & ~is_implied)
    pairs: NDArray[np.int64] = np.stack((child, above[child]), axis=1)
    return pairs


def _collect(
    crossing: Sequence[LinkSegment],
    intra: LinkSegment | None,
    loose: NDArray[np.int64] | None,
    columns: Mapping[str, NDArray[Any]],
    sid_ndim: int,
    width: int,
) -> LinkRun:
    segments = list(crossing) if intra is None or not len(intra.coords) else [intra, *crossing]
    cells = offsets_of([len(s.coords) for s in segments])
    counts = np.concatenate([np.empty(0, np.int64), *(s.counts for s in segments)])
    between = np.zeros(len(counts), np.int64)
    records = [s.rows for s in segments]
    if intra is not None and len(intra.coords):
        assert loose is not None
        between[: len(loose)] = loose
        records[0] = np.concatenate((np.zeros((len(intra.rows), 1), np.int64), intra.rows), axis=1)
    order = np.concatenate([np.empty(0, np.int64), *(s.order for s in segments)])
    return LinkRun(
        offsets=np.concatenate([np.empty((0, width - 1, sid_ndim), np.int64), *(s.offsets[None] for s in segments)]),
        cells=cells,
        sources=np.concatenate([np.empty((0, sid_ndim), np.int64), *(s.coords for s in segments)]),
        first=offsets_of(counts),
        loose=between,
        records=np.concatenate([np.empty((0, width + 1), np.int64), *records]),
        columns={name: values.take(order, axis=0) for name, values in columns.items()},
    )
