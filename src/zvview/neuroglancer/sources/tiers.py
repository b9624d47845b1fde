"""Which objects of a store are drawn in which spatial level: whole objects, each in one level, the coarse ones first.

Spatial levels add up, so that an object is in exactly one of them, with the geometry of one level of the store. What
the store's coarse levels hold is drawn from early on, and then also at the closest look. So it is drawn as finely as a
first view can afford to read: by a finer level than the coarsest that holds it, and exactly where the store is small.
All else is drawn exactly as it is stored, and comes in steps, by a hash.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zvview.format import names
from zvview.format.grid import sort_chunks
from zvview.format.sequences import distinct, is_among
from zvview.neuroglancer.sources.cells import finest_step
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.pyramid.hashing import hash_ids
from zvview.stream.facts import LevelFacts

__all__ = ["Tier", "TierTable", "plan_tiers", "rank_names"]

FIRST_VERTICES = 50_000
"""About how many vertices the first spatial level has."""

READ_VERTICES = 1_000_000
"""About how many vertices are read for the first spatial level, all in all: half a second."""

_GROWTH = 8  # times as many in the next one
_SLACK = 1.5  # times as many as wished are no reason for a level more
_MOST_SPLITS = 8
_ALL = 1 << 32
_SEED = 0x6E67  # another one than pyramids take, whose choice would else come first here too
_SAMPLE = 2000  # objects by which those of a level are estimated
_FEW = 0.02  # share of the objects below which looking up where they are saves reading


def rank_names(names: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """What decides which annotations come first, (n,): a hash of their ids."""
    return hash_ids(names.view(np.int64), _SEED) if len(names) else np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True, eq=False)
class Tier:
    """The objects of one spatial level.

    Attributes
    ----------
    level : int
        The level of the store, counted from the finest, whose geometry they have.
    factors : (D,) int64 array
        Chunks along each edge of a cell.
    ids : (n,) int64 array or None
        Ascending ids of those that it takes, as far as no tier before it did; None for all.
    below : int
        It takes those whose rank is below.
    share : float
        Estimate of how many of that level's vertices are in it.
    """

    level: int
    factors: NDArray[np.int64]
    ids: NDArray[np.int64] | None
    below: int
    share: float

    def takes(self, ids: NDArray[np.int64], ranks: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Whether it takes each of some objects, (n,), if no tier before it did."""
        found = ranks.astype(np.int64) < self.below
        return found if self.ids is None else found & is_among(ids, self.ids)


class TierTable:
    """The tiers of a store, the first drawn first.

    Parameters
    ----------
    chunks : Chunks
    tiers : sequence of Tier
        The last takes all that is left, from the finest level.
    by_object : bool
        Whether what is of one object is in one tier.
    """

    def __init__(self, chunks: Chunks, tiers: tuple[Tier, ...], *, by_object: bool = True) -> None:
        self._chunks, self.tiers, self._by_object = chunks, tiers, by_object
        self._touched: dict[int, NDArray[np.bool_] | None] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.tiers)

    def choose(self, number: int, ids: NDArray[np.int64], annotations: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which of some annotations, (n,), of objects, -1 for none or several, are in a tier.

        What tells no object of its own is in the last tier, where no chunk is passed over.
        """
        ranks = rank_names(ids.view(np.uint64) if self._by_object else annotations)
        if self._by_object:
            ranks[ids == names.OWNER_NONE] = _ALL - 1
        kept = self.tiers[number].takes(ids, ranks)
        for tier in self.tiers[:number]:
            kept &= ~tier.takes(ids, ranks)
        return kept

    def facts(self, number: int) -> LevelFacts:
        """The level of the store on the grid of a tier's cells; chunks stand in their order."""
        tier = self.tiers[number]
        level = self._chunks.levels[tier.level]
        chunks = level.chunks.copy()
        chunks[:, -len(tier.factors) :] //= tier.factors
        return replace(level, chunk_shape=level.chunk_shape * tier.factors, chunks=chunks)

    def rows_with_any(self, number: int, rows: list[int]) -> list[int]:
        """Those of some chunks of a tier's level that may hold anything of it."""
        with self._lock:
            if number not in self._touched:
                self._touched[number] = self._find_touched(number)
            touched = self._touched[number]
        return rows if touched is None else [row for row in rows if touched[row]]

    def _find_touched(self, number: int) -> NDArray[np.bool_] | None:
        """Which chunks the few objects of a tier are in; None where that is not told, or not worth the reading."""
        tier = self.tiers[number]
        if (tier.factors == 1).all() or tier.share > _FEW or not self._by_object:
            return None
        level = self._chunks.levels[tier.level]
        objects = self._chunks.store.reader(level.number).objects
        if objects is None:
            return None
        ids = objects.ids
        rows = np.flatnonzero(self.choose(number, ids, ids.view(np.uint64)))
        at = self._chunks.tables[tier.level].find(sort_chunks(objects.manifests(rows).chunks))
        out = np.zeros(len(level.chunks), bool)
        out[at[at >= 0]] = True
        return out


def plan_tiers(chunks: Chunks, *, is_nested: bool = True, by_object: bool = True) -> TierTable:
    """The tiers of a store of objects; reads the object indexes of coarse levels, and no geometry.

    Parameters
    ----------
    chunks : Chunks
    is_nested : bool
        Whether the store's coarse levels hold whole objects of the finest; otherwise all is drawn as that has it.
    by_object : bool
        Whether what is of one object is in one tier.
    """
    by_object &= chunks.store.reader(chunks.levels[0].number).objects is not None
    tiers = _coarse_tiers(chunks) if is_nested and by_object else []
    tiers += _finest_tiers(chunks, tiers)
    step = finest_step(chunks.levels[0].chunks[:, -chunks.facts.ndim :], chunks.facts.is_spatial)
    widened = np.where(chunks.facts.is_spatial, 1 << step, 1)
    return TierTable(chunks, tuple(replace(t, factors=t.factors * widened) for t in tiers), by_object=by_object)


def _coarse_tiers(chunks: Chunks) -> list[Tier]:
    """The objects of the store's coarse levels, those of the coarsest first."""
    levels, store = chunks.levels, chunks.store
    tiers: list[Tier] = []
    taken = np.empty(0, np.int64)
    for k in range(len(levels) - 1, 0, -1):
        if k == 1 and not levels[0].is_added:
            break  # the finest level tells of all that is left
        present = store.level(levels[k].number).present_object_ids
        if present is None:
            continue
        level = _choose_geometry(chunks, k, len(tiers))
        fresh = present[~is_among(present, taken)]
        fresh = fresh[_are_in(chunks, level, fresh)] if level != k else fresh
        if not len(fresh):
            continue
        total = _count(chunks, level)
        each = total / max(1.0, len(present) if level == k else _guess_present(chunks, level))
        wished = FIRST_VERTICES * float(_GROWTH) ** len(tiers)
        if len(fresh) * each > _SLACK * wished:
            ranks = rank_names(fresh.view(np.uint64))
            fresh = fresh[ranks <= np.sort(ranks)[int(wished / each)]]
        factors = np.rint(levels[max(k - 1, level)].chunk_shape / levels[level].chunk_shape).astype(np.int64)
        tiers.append(Tier(level, np.maximum(factors, 1), fresh, _ALL, min(1.0, len(fresh) * each / max(total, 1.0))))
        taken = distinct(np.concatenate((taken, fresh)))
    return tiers


def _choose_geometry(chunks: Chunks, k: int, step: int) -> int:
    """The level as which objects of level `k` are drawn: the finest that can be read whole, but finer than that one."""
    levels = chunks.levels
    if levels[k - 1].is_added:
        return k
    least = max([g + 1 for g in range(k) if levels[g].is_added], default=0)
    told = [g for g in range(least, k) if not g or not _has_shared_pieces(chunks, g)]
    most = READ_VERTICES * float(_GROWTH) ** step
    return next((g for g in told if _count(chunks, g) <= most), told[-1] if told else k)


def _has_shared_pieces(chunks: Chunks, level: int) -> bool:
    """Whether of a piece of several objects nobody tells of which."""
    return chunks.store.reader(chunks.levels[level].number).layout.metadata.shared_fragments


def _count(chunks: Chunks, level: int) -> float:
    return float(chunks.store.count_vertices(chunks.levels[level].number).sum())


def _are_in(chunks: Chunks, level: int, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a level of the store holds something of each of some objects."""
    objects = chunks.store.reader(chunks.levels[level].number).objects
    if objects is None:
        return np.zeros(len(ids), bool)
    rows = objects.find_rows(ids)
    out = rows >= 0
    out[out] = np.diff(objects.manifests(rows[out]).offsets) > 0
    return out


def _guess_present(chunks: Chunks, level: int) -> float:
    """About how many objects a level of the store holds something of."""
    objects = chunks.store.reader(chunks.levels[level].number).objects
    if objects is None or not len(objects):
        return 0.0
    rows = distinct(np.linspace(0, len(objects) - 1, _SAMPLE).astype(np.int64))
    return len(objects) * float((np.diff(objects.manifests(rows).offsets) > 0).mean())


def _finest_tiers(chunks: Chunks, before: list[Tier]) -> list[Tier]:
    """What is left, in as many steps as its vertices need; of several the first on the widest grid."""
    total = _count(chunks, 0)
    objects = chunks.store.reader(chunks.levels[0].number).objects
    taken = sum(len(tier.ids) for tier in before if tier.ids is not None)
    left = total if objects is None else total * max(0.0, 1 - taken / max(1, len(objects)))
    wished, shares = FIRST_VERTICES * float(_GROWTH) ** len(before), list[float]()
    while left * (1 - sum(shares)) > _SLACK * wished and len(shares) < _MOST_SPLITS:
        shares.append(wished / left)
        wished *= _GROWTH
    shares.append(1 - sum(shares))
    bounds = [*(int((_ALL - 1) * share) for share in np.cumsum(shares[:-1]).tolist()), _ALL]
    out = []
    for i, (below, share) in enumerate(zip(bounds, shares, strict=True)):
        factors = np.where(chunks.facts.is_spatial, 1 << (len(shares) - 1 - i), 1)
        out.append(Tier(0, factors, None, below, share * left / max(total, 1.0)))
    return out
