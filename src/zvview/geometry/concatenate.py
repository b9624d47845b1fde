"""Batches of one kind made into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zvview.errors import InvalidInputError
from zvview.format.sequences import offsets_of
from zvview.geometry.arguments import as_list, check_type
from zvview.geometry.batches import Batch, Graph, Mesh, Pieces, Points, Polylines

__all__ = ["concatenate"]

AnyBatch = TypeVar("AnyBatch", bound=Batch)


def concatenate(batches: Sequence[AnyBatch]) -> AnyBatch:
    """All vertices, pieces and links of `batches`, in their order; far ends of links come last.

    Raises
    ------
    InvalidInputError
        No batch, batches of several kinds, numbers of axes or corners, or with different attributes or labels.
    """
    given: Sequence[AnyBatch] = as_list(batches, "batches", "a list of batches")
    for batch in given:
        check_type(batch, "batch", Batch, "one of zvview.Points, zvview.Mesh and the like")
    if not given:
        raise InvalidInputError("there is no batch to concatenate")
    first = given[0]
    if len(given) == 1:
        return first
    for other in given[1:]:
        if type(other) is not type(first):
            raise InvalidInputError(f"a {type(other).__name__} cannot join a {type(first).__name__}")
        if set(other.attributes) != set(first.attributes) or dict(other.categories) != dict(first.categories):
            raise InvalidInputError(
                f"attributes {sorted(other.attributes)} and {sorted(first.attributes)} or their labels differ"
            )
    changes: dict[str, Any] = {"notes": tuple(dict.fromkeys(n for b in given for n in b.notes))}
    if isinstance(first, Points):
        changes["object_ids"] = _join_ids([b.object_ids for b in given])  # type: ignore[attr-defined]
        rows = None
    else:
        pieces: list[Pieces] = list(given)  # type: ignore[arg-type]
        rows = _join_pieces(pieces, changes)
    positions = _join("positions", [b.positions for b in given])
    changes["positions"] = positions if rows is None else positions.take(rows, axis=0)
    changes["attributes"] = {}
    for name in first.attributes:
        values = _join(f"values of {name!r}", [b.attributes[name] for b in given])
        changes["attributes"][name] = values if rows is None else values.take(rows, axis=0)
    return replace(first, **changes)


def _join_pieces(batches: Sequence[Pieces], changes: dict[str, Any]) -> NDArray[np.int64] | None:
    """Fill in offsets, ids and links; returns the order of rows that brings far ends last, None for as is."""
    shifts = offsets_of([len(b) for b in batches])
    inner = offsets_of([int(b.offsets[-1]) for b in batches])
    changes["offsets"] = np.concatenate(
        [np.zeros(1, np.int64), *[b.offsets[1:] + s for b, s in zip(batches, inner.tolist(), strict=False)]]
    )
    changes["object_ids"] = _join_ids([b.object_ids for b in batches])
    name = "faces" if isinstance(batches[0], Mesh) else "edges" if isinstance(batches[0], Graph) else "bridges"
    links = _join(name, [getattr(b, name) + s for b, s in zip(batches, shifts.tolist(), strict=False)])
    if isinstance(batches[0], Graph | Mesh):
        per_link = [b.link_attributes for b in batches if isinstance(b, Graph | Mesh)]
        if any(set(values) != set(per_link[0]) for values in per_link):
            raise InvalidInputError(
                f"link attributes {sorted({n for v in per_link for n in v})} are not in all batches"
            )
        changes["link_attributes"] = {n: _join(f"values of {n!r}", [v[n] for v in per_link]) for n in per_link[0]}
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


def _join(what: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The rows of all arrays; those without rows may be of any width."""
    full = [a for a in arrays if len(a)] or [*arrays[:1]]
    if len(shapes := {a.shape[1:] for a in full}) > 1:
        raise InvalidInputError(f"{what} have rows of different shapes: {', '.join(map(str, sorted(shapes)))}")
    return np.concatenate(full)


def _join_ids(ids: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    if any(i is None for i in ids):
        if all(i is None for i in ids):
            return None
        raise InvalidInputError("some batches have object ids and some have none")
    return np.concatenate([i for i in ids if i is not None])
