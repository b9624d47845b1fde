"""Streamlines of a store as TRK files: those that came from a TRK file get its header and its very numbers back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.rounding import add_steps, map_back
from zvview.convert.streamline_output import Frame, Target, entries_of, find_targets, frame_of, read_lines
from zvview.convert.trk_plan import ROUNDING, Origin, Plan
from zvview.convert.trk_records import Records, encode_records
from zvview.errors import InvalidInputError
from zvview.geometry.batches import Polylines

__all__ = ["write_trk"]

_BATCH_BYTES = 64 << 20


def write_trk(path: Path, outgoing: Outgoing) -> None:
    """Write one TRK file, or a folder with one for each group where `path` has no such suffix.

    Raises
    ------
    InvalidInputError
        The store's axes are no millimetres and cannot become such, or a folder is asked for without groups.
    MissingError
        There are no such objects or groups.
    ExistsError, UnreachableError, Cancelled
    """
    kept = outgoing.store.headers.get("trk", {})
    if kept.get("space") == "voxmm":
        raise InvalidInputError(
            f"{outgoing.store.place}: positions are in voxel millimetres of a TRK file, not in RAS+ mm"
        )
    entries = entries_of(kept)
    frame = frame_of(outgoing)
    place = outgoing.store.place
    origins = [Origin.of(entry, place) for entry in entries]
    fallback = Origin.of_fields(kept, place)
    with appear(path) as aside:
        for target in find_targets(path, outgoing, entries, ".trk"):
            origin = fallback if target.entry is None else origins[entries.index(target.entry)]
            plan = Plan.of(target, origin, origins)
            alike = [other for other in origins if np.array_equal(other.inverse, origin.inverse)]
            destination = aside / target.path
            destination.parent.mkdir(parents=True, exist_ok=True)
            with destination.open("xb") as file:
                _write_file(file, target, frame, plan, origin, alike)


def _write_file(
    file: BinaryIO, target: Target, frame: Frame, plan: Plan, origin: Origin, alike: Sequence[Origin]
) -> None:
    header = plan.header
    file.write(header.raw)
    total, left = 0, plan.without_points
    for batch in read_lines(target, _BATCH_BYTES):
        ids = np.full(len(batch.offsets) - 1, -1, np.int64) if batch.object_ids is None else batch.object_ids
        counts = np.diff(batch.offsets)
        empty, left = np.split(left, [np.searchsorted(left, ids[-1])])
        if empty.size:
            order = np.argsort(np.concatenate((ids, empty)), kind="stable")
            ids, counts = (np.concatenate(pair)[order] for pair in ((ids, empty), (counts, np.zeros_like(empty))))
        positions = frame.apply(batch.positions[: batch.offsets[-1]])
        points = plan.points(_restore(batch, positions, origin, alike), batch)
        _write_records(file, counts, points, target, plan, ids)
        total += len(counts)
    _write_records(
        file, np.zeros(len(left), np.int64), np.empty((0, header.values_per_point), np.float32), target, plan, left
    )
    total += len(left)
    if not (target.is_original and header.declared_count == 0):
        file.seek(0)
        file.write(header.with_count(total).raw)


def _write_records(
    file: BinaryIO,
    counts: NDArray[np.int64],
    points: NDArray[np.float32],
    target: Target,
    plan: Plan,
    ids: NDArray[np.int64],
) -> None:
    rows = np.searchsorted(target.ids, ids) if plan.properties.shape[1] else np.zeros(len(ids), np.int64)
    properties = plan.properties[rows] if plan.properties.shape[1] else np.empty((len(ids), 0), np.float32)
    file.write(encode_records(Records(counts, points, properties), plan.header.byte_order).data)


def _restore(
    batch: Polylines, positions: NDArray[np.float32], origin: Origin, alike: Sequence[Origin]
) -> NDArray[np.float32]:
    """Coordinates of the file: mapped back, and the steps added of vertices that came from a file with the same map."""
    if (origin.header.to_rasmm == np.eye(4)).all():
        return positions
    back = map_back(positions, origin.inverse)
    steps = batch.attributes.get(ROUNDING)
    if steps is None or batch.object_ids is None or steps.shape != back.shape or steps.dtype.kind not in "iu":
        return back
    limits = np.zeros(len(batch.object_ids))
    for other in alike:
        limits[(batch.object_ids >= other.start) & (batch.object_ids < other.stop)] = other.limit
    return add_steps(back, steps, np.repeat(limits, np.diff(batch.offsets))[:, None])
