"""Batches of one kind made into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines

__all__ = ["concatenate"]

AnyBatch = TypeVar("AnyBatch", bound=Batch)


def concatenate(batches: Sequence[AnyBatch]) -> AnyBatch:
    """All vertices, pieces and links of `batches`, in their order; far ends of links come last.

    Raises
    ------
    InvalidInputError
        No batch, batches of several kinds, or with different attributes or labels.
    """
    if not batches:
        raise InvalidInputError("there is no batch to concatenate")
    first = batches[0]
    if len(batches) == 1:
        return first
    for other in batches[1:]:
        if type(other) is not type(first):
            raise InvalidInputError(f"a {type(other).__name__} cannot join a {type(first).__name__}")
        if set(other.attributes) != set(first.attributes) or dict(other.categories) != dict(first.categories):
            raise InvalidInputError(
                f"attributes {sorted(other.attributes)} and {sorted(first.attributes)} or their labels differ"
            )
    changes: dict[str, Any] = {"notes": tuple(dict.fromkeys(n for b in batches for n in b.notes))}
    if isinstance(first, Points):
        changes["object_ids"] = _join_ids([b.object_ids for b in batches])  # type: ignore[attr-defined]
        rows = None
    else:
        pieces: list[Pieces] = list(batches)  # type: ignore[arg-type]
        rows = _join_pieces(pieces, changes)
    positions = np.concatenate([b.positions for b in batches])
    changes["positions"] = positions if rows is None else positions.take(rows, axis=0)
    changes["attributes"] = {}
    for name in first.attributes:
        values = np.concatenate([b.attributes[name] for b in batches])
        changes["attributes"][name] = values if rows is None else values.take(rows, axis=0)
    return replace(first, **changes)


def _join_pieces(batches: Sequence[Pieces], changes: dict[str, Any]) -> NDArray[np.int64] | None:
    """Fill in offsets, ids and links; returns the order of rows that brings far ends last, None for as is."""
    shifts = np.cumsum([0] + [len(b) for b in batches])
    inner = np.cumsum([0] + [int(b.offsets[-1]) for b in batches])
    changes["offsets"] = np.concatenate(
        [np.zeros(1, np.int64), *[b.offsets[1:] + s for b, s in zip(batches, inner.tolist(), strict=False)]]
    )
    changes["object_ids"] = _join_ids([b.object_ids for b in batches])
    name = "faces" if isinstance(batches[0], Mesh) else "edges" if isinstance(batches[0], Graph) else "bridges"
    links = np.concatenate([getattr(b, name) + s for b, s in zip(batches, shifts.tolist(), strict=False)])
    if isinstance(batches[0], Graph | Mesh):
        per_link = [b.link_attributes for b in batches if isinstance(b, Graph | Mesh)]
        changes["link_attributes"] = {n: np.concatenate([v[n] for v in per_link]) for n in per_link[0]}
    if inner[-1] == shifts[-1]:
        changes[name] = links
        return None
    is_far = np.concatenate([np.arange(len(b)) >= b.offsets[-1] for b in batches])
    rows = np.concatenate((np.flatnonzero(~is_far), np.flatnonzero(is_far)))
    place = np.empty(len(rows), np.int64)
    place[rows] = np.arange(len(rows))
    changes[name] = place[links]
    assert isinstance(batches[0], Graph | Mesh | Polylines)
    return rows


def _join_ids(ids: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    if any(i is None for i in ids):
        if all(i is None for i in ids):
            return None
        raise InvalidInputError("some batches have object ids and some have none")
    return np.concatenate([i for i in ids if i is not None])
