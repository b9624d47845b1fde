"""Skeletons of a store as SWC files, one for each object."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.file_sets import safe_names
from zvview.convert.selecting import read_selected, selected_ids
from zvview.convert.swc_text import Nodes, format_nodes, stated_unit
from zvview.errors import InvalidInputError
from zvview.geometry.batches import Skeletons
from zvview.geometry.trees import depth_first_order

__all__ = ["LABELS", "write_swc"]

LABELS: Mapping[int, str] = {0: "undefined", 1: "soma", 2: "axon", 3: "basal dendrite", 4: "apical dendrite"}
"""Names of structure identifiers; all others keep their number as name."""

_NUMBERS = {name: number for number, name in LABELS.items()}
_FIRST_CUSTOM = 10  # below are identifiers that one convention or another gives a meaning
_KNOWN = frozenset({"radius", "label", "swc_id"})


def write_swc(path: Path, outgoing: Outgoing) -> None:
    """Write the one object that is selected to a file, or a folder of files where `path` has no such suffix.

    Coordinates are written as the store has them; a comment states their unit. Without radii those are 0, without
    labels ``undefined``. Nodes are numbered as in the file they came from, else from 1 on, parents first.

    Raises
    ------
    InvalidInputError
        Several objects, or none, for one file; a store that does not have three axes of space, one unit for all.
    MissingError
        There are no such objects or groups.
    ExistsError, UnreachableError, Cancelled
    """
    unit = _unit_of(outgoing)
    known = outgoing.level.object_ids
    chosen = selected_ids(outgoing)
    ids = chosen if chosen is not None else np.empty(0, np.int64) if known is None else known
    is_file = path.suffix.lower() == ".swc"
    if is_file and len(ids) != 1:
        raise InvalidInputError(f"{path} holds one object, {len(ids)} are selected: choose one, or give a folder")
    files = dict(zip(ids.tolist(), safe_names(_titles(outgoing, ids), ".swc", can_nest=True), strict=True))
    comments = _comments(outgoing)
    if left_out := [name for name in outgoing.level.attribute_names if name not in _KNOWN]:
        warnings.warn(f"SWC files cannot hold the attributes {', '.join(left_out)}: left out", stacklevel=2)
    with appear(path) as aside:
        if not is_file:
            aside.mkdir()
        for batch in read_selected(outgoing):
            assert isinstance(batch, Skeletons)
            numbers, made_up = _label_numbers(batch)
            for object_id, nodes in _split(batch, numbers):
                place = aside if is_file else aside / files[object_id]
                place.parent.mkdir(parents=True, exist_ok=True)
                comment = _with_lines(comments.get(object_id, ""), unit, made_up)
                place.write_bytes(format_nodes(comment, nodes, batch.positions.dtype))
        if is_file and not aside.exists():
            raise InvalidInputError(f"{path}: nothing of object {ids[0]} is selected")


def _unit_of(outgoing: Outgoing) -> str | None:
    axes = outgoing.store.axes
    units = {axis.unit for axis in axes}
    if len(axes) != 3 or {axis.type for axis in axes} != {"space"} or len(units) > 1:
        told = ", ".join(f"{axis.name} ({axis.type}, {axis.unit or 'no unit'})" for axis in axes)
        raise InvalidInputError(f"axes {told}: SWC files have three axes of space in one unit")
    return next(iter(units))


def _titles(outgoing: Outgoing, ids: NDArray[np.int64]) -> list[str]:
    """The name of each object, or its id."""
    level = outgoing.level
    titles = {int(i): str(i) for i in ids}
    if "name" in level.object_attribute_names and level.object_ids is not None:
        given = level.object_attribute("name")
        if given.ndim == 1 and given.dtype.kind in "UO":
            found = zip(level.object_ids.tolist(), given.tolist(), strict=True)
            titles |= {i: str(name) for i, name in found if i in titles and name}
    return [titles[int(i)] for i in ids]


def _comments(outgoing: Outgoing) -> dict[int, str]:
    """The comment of each object, as the files had it."""
    kept = outgoing.store.headers.get("swc", {}).get("comments")
    out: dict[int, str] = {}
    for entry in kept if isinstance(kept, Sequence) else ():
        if isinstance(entry, Mapping) and isinstance(objects := entry.get("objects"), Sequence):
            out |= {i: str(entry.get("text", "")) for i in objects if type(i) is int}
    return out


def _with_lines(comment: str, unit: str | None, made_up: Mapping[int, str]) -> str:
    lines = [comment] if comment else []
    if unit is not None and stated_unit(comment) != unit:
        lines.append(f" units: {unit}")
    lines += [f" label {number}: {name}" for number, name in made_up.items()]
    return "\n".join(lines)


def _label_numbers(batch: Skeletons) -> tuple[NDArray[np.int64], dict[int, str]]:
    """Structure identifier of each node, and the numbers that were made up for names that are none."""
    values = batch.attributes.get("label")
    if values is None or values.ndim != 1 or values.dtype.kind not in "iu":
        return np.zeros(len(batch), np.int64), {}
    if "label" not in batch.categories:
        return values.astype(np.int64), {}
    labels = batch.categories["label"].labels
    made_up: dict[int, str] = {}
    table: list[int] = []
    for label in labels:
        if label in _NUMBERS:
            table.append(_NUMBERS[label])
        elif label.removeprefix("-").isdecimal() and abs(int(label)) < 1 << 63:
            table.append(int(label))
        else:
            table.append(_FIRST_CUSTOM + len(made_up))
            made_up[table[-1]] = label
    is_there = (values >= 0) & (values < len(labels))
    return np.array([*table, 0], np.int64)[np.where(is_there, values, len(labels))], made_up


def _split(batch: Skeletons, labels: NDArray[np.int64]) -> list[tuple[int, Nodes]]:
    """The nodes of each object, numbered as in its file."""
    owner, parents = batch.vertex_object_ids, batch.parents
    parents = np.where((parents >= 0) & (owner[parents] == owner), parents, -1)
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.diff(owner[order], prepend=-2))
    ids = owner[order][starts]
    radii = batch.attributes.get("radius")
    radii = np.zeros(len(batch)) if radii is None or radii.ndim != 1 else radii.astype(np.float64)
    place = np.empty(len(batch), np.int64)
    out = []
    for object_id, rows in zip(ids.tolist(), np.split(order, starts[1:]), strict=True):
        if object_id < 0:
            continue
        place[rows] = np.arange(len(rows))
        above = parents[rows]
        above = np.where(above < 0, -1, place[above])
        numbers = _node_numbers(batch.attributes.get("swc_id"), rows)
        sequence = depth_first_order(above) if numbers is None else np.argsort(numbers, kind="stable")
        if numbers is None:
            numbers = np.empty(len(rows), np.int64)
            numbers[sequence] = np.arange(1, len(rows) + 1)
        parent_numbers = np.where(above < 0, -1, numbers[above])
        chosen = rows[sequence]
        xyz = np.ascontiguousarray(batch.positions[chosen], np.float64)
        nodes = Nodes(numbers[sequence], labels[chosen], xyz, radii[chosen], parent_numbers[sequence])
        out.append((object_id, nodes))
    return out


def _node_numbers(kept: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The numbers that nodes had, where they still are different ones that a parent can be told by."""
    if kept is None or kept.ndim != 1 or kept.dtype.kind not in "iu":
        return None
    numbers = kept[rows].astype(np.int64)
    ordered = np.sort(numbers)
    return None if (ordered[1:] == ordered[:-1]).any() or (numbers == -1).any() else numbers
