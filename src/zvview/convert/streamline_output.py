"""Streamlines of a store on their way to files: which objects go into which file, in RAS+ millimetres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Outgoing
from zvview.convert.file_sets import safe_names
from zvview.convert.selecting import member_ids, read_selected, selected_ids
from zvview.errors import InvalidInputError
from zvview.geometry.batches import Polylines

__all__ = ["Entry", "Frame", "Target", "entries_of", "find_targets", "frame_of", "read_lines"]

_METERS = {"nanometer": 1e-9, "micrometer": 1e-6, "micron": 1e-6, "millimeter": 1e-3, "centimeter": 1e-2, "meter": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A file that objects of the store came from.

    Attributes
    ----------
    name : str
    start, stop : int
        Ids of its objects.
    kept : mapping
        What was kept of it.
    """

    name: str
    start: int
    stop: int
    kept: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A file to be written.

    Attributes
    ----------
    path : Path
        Below the path of the output; empty where that is the file.
    outgoing : Outgoing
        What goes into it.
    ids : (n,) int64
        Its objects, ascending.
    entry : Entry or None
        The file that (the first of) its objects came from.
    is_original : bool
        Whether exactly the objects of `entry` are meant.
    """

    path: Path
    outgoing: Outgoing
    ids: NDArray[np.int64]
    entry: Entry | None
    is_original: bool


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Columns of x, y and z among the axes, and what their numbers are multiplied with to be millimetres."""

    columns: tuple[int, ...]
    factor: float

    def apply(self, positions: NDArray[np.floating]) -> NDArray[np.float32]:
        """The positions as (N, 3) float32 in RAS+ mm."""
        if self.factor == 1 and self.columns == (0, 1, 2):
            return np.ascontiguousarray(positions, np.float32)
        return np.ascontiguousarray(positions[:, self.columns] * self.factor, np.float32)


def frame_of(outgoing: Outgoing) -> Frame:
    """How the store's coordinates become RAS+ millimetres.

    Raises
    ------
    InvalidInputError
        Not three axes of space, or a unit that is no length. Axes without a unit are not guessed to be millimetres.
    """
    axes = outgoing.store.axes
    columns = [i for i, axis in enumerate(axes) if axis.type == "space"]
    if len(axes) != 3 or len(columns) != 3:
        raise InvalidInputError(f"axes {[axis.name for axis in axes]}: tractograms have three axes of space")
    labels = [axis.name.lower() for axis in axes]
    if set(labels) == set("xyz"):
        columns = [labels.index(name) for name in "xyz"]
    units = {axis.unit for axis in axes}
    unit = next(iter(units))
    if len(units) > 1 or unit is None:
        raise InvalidInputError(
            f"{outgoing.store.place}: axes have the units {sorted(map(str, units))}; tractograms are in millimetres, "
            "so give the store the unit of its axes"
        )
    if unit not in _METERS:
        raise InvalidInputError(f"unit {unit!r} is none of {', '.join(_METERS)}; tractograms are in millimetres")
    return Frame(tuple(columns), round(_METERS[unit] * 1e3, 12))


def entries_of(header: Mapping[str, Any]) -> list[Entry]:
    """The files that a header kept by :class:`~zvview.convert.tractograms.TractogramInput` tells of."""
    files = header.get("files")
    out = []
    for kept in files if isinstance(files, Sequence) else ():
        objects = kept.get("objects") if isinstance(kept, Mapping) else None
        if isinstance(objects, Sequence) and len(objects) == 2 and all(type(n) is int for n in objects):
            out.append(Entry(str(kept.get("name", "")), objects[0], objects[1], kept))
    return out


def find_targets(path: Path, outgoing: Outgoing, entries: Sequence[Entry], suffix: str) -> list[Target]:
    """The files to be written: `path` itself where it has the suffix of the format, else one for each group below it.

    Objects that are in no group go to ``ungrouped``, unless groups were named.

    Raises
    ------
    MissingError
        There are no such objects or groups.
    InvalidInputError
        A folder is asked for and nothing is in a group.
    """
    ids = selected_ids(outgoing)
    known = outgoing.level.object_ids
    if ids is None:
        ids = np.empty(0, np.int64) if known is None else known
    if path.suffix.lower() == suffix:
        return [_target(Path(), outgoing, np.sort(ids), entries)]
    groups = outgoing.level.groups
    if groups is None or not len(groups):
        raise InvalidInputError(
            f"{path}: give a path that ends in {suffix}; a folder has a file for each group, and the store has none"
        )
    labels = [*groups.names] or [str(number) for number in range(len(groups))]
    wanted = labels if outgoing.groups is None else list(outgoing.groups)
    members = [np.intersect1d(member_ids(outgoing.level, [label]), ids) for label in wanted]
    if outgoing.groups is None and (rest := np.setdiff1d(ids, np.concatenate(members))).size:
        wanted, members = [*wanted, "ungrouped"], [*members, rest]
    files = safe_names(wanted, suffix, can_nest=True)
    out = []
    for label, file, own in zip(wanted, files, members, strict=True):
        part = replace(outgoing, objects=own.tolist(), groups=None)
        named = [entry for entry in entries if entry.name == label]
        out.append(_target(Path(file), part, own, named or entries))
    return out


def _target(path: Path, outgoing: Outgoing, ids: NDArray[np.int64], entries: Sequence[Entry]) -> Target:
    holding = [e for e in entries if ids.size and ((ids >= e.start) & (ids < e.stop)).any()] or list(entries[:1])
    entry = holding[0] if holding else None
    is_original = entry is not None and outgoing.box is None and np.array_equal(ids, np.arange(entry.start, entry.stop))
    return Target(path, outgoing, ids, entry, is_original)


def read_lines(target: Target, batch_bytes: int = 64 << 20) -> Iterator[Polylines]:
    """The lines of a file in the order of their objects' ids; in a box each stay inside is a line."""
    for batch in read_selected(target.outgoing, batch_bytes):
        assert isinstance(batch, Polylines)
        yield _in_order(batch)


def _in_order(batch: Polylines) -> Polylines:
    """The pieces by ascending id."""
    ids = batch.object_ids
    if ids is None or (np.diff(ids) >= 0).all():
        return batch
    order = np.argsort(ids, kind="stable")
    counts = np.diff(batch.offsets)[order]
    ends = np.cumsum(counts)
    rows = np.arange(counts.sum()) + np.repeat(batch.offsets[:-1][order] - (ends - counts), counts)
    return replace(
        batch,
        positions=batch.positions[rows],
        attributes={name: values[rows] for name, values in batch.attributes.items()},
        offsets=np.concatenate(([0], ends)),
        object_ids=ids[order],
    )
