"""The edits that are measured: what is found first, the operations, and which cells of tables they touch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from clusters import Cluster
from edited_stores import GROUPS, LINE_VERTICES
from numpy.typing import NDArray

import zvview

__all__ = [
    "CHUNKS",
    "EDITED",
    "Case",
    "Edit",
    "PickedLines",
    "Touching",
    "edit_lines",
    "edit_points",
    "pick_evenly",
    "pick_lines",
    "set_points",
    "weigh_lines",
]

CHUNKS = 100
MOVED, DELETED, ADDED = 600, 200, 200
EDITED = MOVED + DELETED + ADDED

Ints = NDArray[np.int64]
Edit = Callable[[zvview.EditSession], None]


@dataclass(frozen=True, slots=True)
class Touching:
    """What of a store counts as touched beside the chunks that the edits rely on and those they lead to."""

    arrays: str = ""
    rows: Mapping[str, Ints] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """Edits of a store; `prepare` finds what is edited, which is not timed, and gives the operations."""

    place: Path
    prepare: Callable[[zvview.EditSession], tuple[Edit, Touching]]


def edit_points(session: zvview.EditSession, cluster: Cluster) -> tuple[Edit, Touching]:
    """As many points of every chunk moved, deleted and added."""
    found = pick_evenly(session.find(cluster.box), EDITED)
    edge = (cluster.box[1] - cluster.box[0]) / _extent(cluster.chunks)
    rng = np.random.default_rng(1)
    places = _near(rng, found.positions, edge, cluster)
    moved, deleted, beside = np.split(np.arange(EDITED), [MOVED, MOVED + DELETED])
    ids = found.object_ids
    values = {name: column[beside] for name, column in found.attributes.items()}

    def edit(session: zvview.EditSession) -> None:
        session.move(found.take(moved), places[moved])
        session.delete(found.take(deleted))
        session.add(places[beside], values, None if ids is None else ids[beside])

    return edit, Touching(rows={} if ids is None else {"object_index/manifests": np.unique(ids)})


def set_points(session: zvview.EditSession, cluster: Cluster, attribute: str) -> tuple[Edit, Touching]:
    """One attribute of points of every chunk."""
    found = pick_evenly(session.find(cluster.box), EDITED)
    values = {attribute: np.linspace(0, 1, EDITED, dtype=np.float32)}
    return lambda session: session.set_attributes(found, values), Touching(f"vertex_attributes/{attribute}")


def pick_evenly(found: zvview.Selection, count: int) -> zvview.Selection:
    """As many of every chunk, one chunk after the other, so that each part has some of all."""
    chunks = np.unique(found.refs.chunks, axis=0, return_inverse=True)[1].ravel()
    order = np.lexsort((np.random.default_rng(0).random(len(found)), chunks))
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found)) - np.searchsorted(chunks[order], chunks[order])
    return found.take(np.argsort(rank, kind="stable")[:count])


def _extent(chunks: Ints) -> Ints:
    return np.asarray(chunks.max(axis=0) + 1 - chunks.min(axis=0))


def _near(
    rng: np.random.Generator, positions: NDArray[np.float64], edge: NDArray[np.float64], cluster: Cluster
) -> NDArray[np.float64]:
    """Positions nearby, in the box of the cluster."""
    moved = positions + rng.normal(0, 0.05, positions.shape) * edge
    return np.asarray(np.clip(moved, *cluster.box))


@dataclass(frozen=True, slots=True, eq=False)
class PickedLines:
    """Lines that lie in the chunks of a cluster, in no order.

    Attributes
    ----------
    ids : (n,) int64
    positions : (n, 20, 3) float64
    total : int
        Lines of the store; ids count from zero.
    """

    ids: Ints
    positions: NDArray[np.float64]
    total: int


def pick_lines(store: zvview.Store, cluster: Cluster) -> PickedLines:
    """As many as are edited."""
    lo, hi = cluster.box
    found = store.level(0).read(cluster.box, clip="objects")
    assert isinstance(found, zvview.Streamlines)
    positions = found.positions.reshape(-1, LINE_VERTICES, 3).astype(np.float64)
    inside = np.flatnonzero(((positions >= lo) & (positions <= hi)).all(axis=(1, 2)))
    at = np.random.default_rng(0).permutation(inside)[:EDITED]
    if len(at) < EDITED:
        raise SystemExit(f"only {len(at)} lines lie in {CHUNKS} chunks")
    return PickedLines(found.object_ids[at], positions[at], len(store.level(0).object_ids))


def edit_lines(session: zvview.EditSession, lines: PickedLines, *, is_at_once: bool) -> tuple[Edit, Touching]:
    """Lines of which one vertex is moved, such that are deleted, and beside others new ones.

    One operation for all that is moved and one for all that is new, or one for each line.
    """
    session.read_lines(lines.ids)
    rng = np.random.default_rng(1)
    moved, deleted, beside = np.split(lines.ids, [MOVED, MOVED + DELETED])
    rows = rng.integers(0, LINE_VERTICES, MOVED)
    places = lines.positions[np.arange(MOVED), rows] + rng.normal(0, 1, (MOVED, 3))
    new = lines.positions[MOVED + DELETED :] + rng.normal(0, 1, (ADDED, 1, 3))
    group = beside * GROUPS // lines.total

    def edit(session: zvview.EditSession) -> None:
        if is_at_once:
            session.move_line_vertices(moved, rows, places)
            session.delete_objects(deleted)
            made = session.add_lines(zvview.Streamlines.from_list(new))
        else:
            for number, row, place in zip(moved.tolist(), rows.tolist(), places, strict=True):
                session.move_line_vertices(number, [row], place[None])
            session.delete_objects(deleted)
            made = np.array([session.add_line(line) for line in new])
        for number in np.unique(group).tolist():
            session.add_to_group(number, made[group == number])

    fresh = np.arange(lines.total, lines.total + ADDED)
    touched = {
        "object_index/manifests": np.concatenate((moved, deleted, fresh)),
        "object_index/object_ids": fresh,
        "object_attributes": np.concatenate((deleted, fresh)),
        "groups": np.concatenate((group, deleted * GROUPS // lines.total)),
    }
    return edit, Touching(rows=touched)


def weigh_lines(session: zvview.EditSession, lines: PickedLines) -> tuple[Edit, Touching]:
    """One attribute of lines of every chunk."""
    values = {"weight": np.linspace(0, 1, EDITED, dtype=np.float32)}
    touching = Touching("-", {"object_attributes/weight": lines.ids})
    return lambda session: session.set_object_attributes(lines.ids, values), touching
