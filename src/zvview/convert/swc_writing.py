"""Skeletons of a store as SWC files, one for each object."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.file_sets import safe_names
from zvview.convert.object_files import (
    chosen_ids,
    common_unit,
    distinct_titles,
    kept_comments,
    object_names,
    with_unit,
)
from zvview.convert.selecting import read_selected
from zvview.convert.swc_text import Nodes, format_nodes
from zvview.errors import InvalidInputError
from zvview.geometry.batches import Skeletons
from zvview.geometry.trees import depth_first_order
from zvview.store.writing.sorting import run_starts

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
    unit = common_unit(outgoing, "SWC")
    ids = chosen_ids(outgoing)
    is_file = path.suffix.lower() == ".swc"
    if is_file and len(ids) != 1:
        raise InvalidInputError(f"{path} holds one object, {len(ids)} are selected: choose one, or give a folder")
    titles = distinct_titles(ids.tolist(), object_names(outgoing))
    files = dict(zip(titles, safe_names(list(titles.values()), ".swc", can_nest=True), strict=True))
    comments = kept_comments(outgoing, "swc")
    if left_out := [name for name in outgoing.level.attribute_names if name not in _KNOWN]:
        warnings.warn(f"SWC files cannot hold the attributes {', '.join(left_out)}: left out", stacklevel=2)
    with appear(path) as aside:
        if not is_file:
            aside.mkdir()
        for batch in read_selected(outgoing):
            assert isinstance(batch, Skeletons)
            numbers, made_up = _label_numbers(batch)
            for object_id, nodes in _split(batch, numbers):
                if object_id not in files:  # nodes of no object
                    continue
                place = aside if is_file else aside / files[object_id]
                place.parent.mkdir(parents=True, exist_ok=True)
                lines = with_unit(comments.get(object_id, ""), unit)
                lines += [f" label {number}: {name}" for number, name in made_up.items()]
                place.write_bytes(format_nodes("\n".join(lines), nodes, batch.positions.dtype))
        if is_file and not aside.exists():
            raise InvalidInputError(f"{path}: nothing of object {ids[0]} is selected")


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
    starts = run_starts(owner[order])
    ids = owner[order][starts]
    radii = batch.attributes.get("radius")
    radii = np.zeros(len(batch)) if radii is None or radii.ndim != 1 else radii.astype(np.float64)
    place = np.empty(len(batch), np.int64)
    out = []
    for object_id, rows in zip(ids.tolist(), np.split(order, starts[1:]), strict=True):
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
