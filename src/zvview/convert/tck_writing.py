"""Streamlines of a store as TCK files: those that came from a TCK file get its header and its very bytes back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from zvview.convert.appearing import appear
from zvview.convert.contract import Outgoing
from zvview.convert.streamline_output import Entry, Frame, Target, entries_of, find_targets, frame_of, read_lines
from zvview.convert.tck_header import TckHeader, separators
from zvview.convert.trk_plan import ROUNDING
from zvview.errors import BadFileError

__all__ = ["write_tck"]

_WIDEST = 10**10 - 1  # a count that holds the place of any other


def write_tck(path: Path, outgoing: Outgoing) -> None:
    """Write one TCK file, or a folder with one for each group where `path` has no such suffix.

    Raises
    ------
    InvalidInputError
        The store's axes are no millimetres and cannot become such, or a folder is asked for without groups.
    MissingError
        There are no such objects or groups.
    ExistsError, UnreachableError, Cancelled
    """
    entries = entries_of(outgoing.store.headers.get("tck", {}))
    frame = frame_of(outgoing)
    level = outgoing.level
    left_out = [n for n in (*level.attribute_names, *level.object_attribute_names) if n != ROUNDING]
    if left_out:
        warnings.warn(f"TCK holds positions only; left out: {', '.join(left_out)}", stacklevel=2)
    with appear(path) as aside:
        for target in find_targets(path, outgoing, entries, ".tck"):
            destination = aside / target.path
            destination.parent.mkdir(parents=True, exist_ok=True)
            with destination.open("xb") as file:
                _write_file(file, target, frame, entries)


def _write_file(file: BinaryIO, target: Target, frame: Frame, entries: Sequence[Entry]) -> None:
    header, (behind, end) = _origin(target)
    if not target.is_original:
        header = header.with_count(_WIDEST)
    file.write(header.raw)
    left = np.empty(0, np.int64) if target.outgoing.box is not None else _without_points(target, entries)
    total = 0
    for batch in read_lines(target):
        counts = np.diff(batch.offsets)
        positions = frame.apply(batch.positions[: batch.offsets[-1]])
        if batch.object_ids is not None and len(batch.object_ids):
            empty, left = np.split(left, [np.searchsorted(left, batch.object_ids[-1])])
            order = np.argsort(np.concatenate((batch.object_ids, empty)), kind="stable")
            counts = np.concatenate((counts, np.zeros(len(empty), np.int64)))[order]
        file.write(_encode(positions, counts, behind, header.byte_order).data)
        total += len(counts)
    file.write(behind * len(left) + end)
    total += len(left)
    if target.is_original and header.declared_count is not None and header.declared_count < total:
        return  # a count that was too small before is part of the file
    file.seek(0)
    file.write(header.with_count(total).raw)


def _origin(target: Target) -> tuple[TckHeader, tuple[bytes, bytes]]:
    """The header and the separators of the file that streamlines came from, or new ones."""
    if target.entry is None:
        header = TckHeader.empty()
        return header, separators(header.byte_order)
    place = f"{target.outgoing.store.place}, header of {target.entry.name or 'a TCK file'}"
    kept = target.entry.kept
    try:
        header = TckHeader.parse(str(kept.get("header", "")).encode("latin1"), place)
        given = [bytes.fromhex(text) for text in kept.get("separators", [])]
    except (TypeError, ValueError) as error:
        if isinstance(error, BadFileError):
            raise
        raise BadFileError(place, f"what was kept of the file cannot be read: {error}") from error
    behind, end = separators(header.byte_order)
    if len(given) == 2:
        is_nan = len(given[0]) == 12 and np.isnan(np.frombuffer(given[0], f"{header.byte_order}f4")).all()
        is_inf = len(given[1]) == 12 and np.isinf(np.frombuffer(given[1], f"{header.byte_order}f4")).all()
        behind, end = given[0] if is_nan else behind, given[1] if is_inf else end
    return header, (behind, end)


def _without_points(target: Target, entries: Sequence[Entry]) -> NDArray[np.int64]:
    """Ids of the target's streamlines without a point, ascending."""
    lists = [
        [entry.start + n for n in kept if type(n) is int]
        for entry in entries
        if isinstance(kept := entry.kept.get("without_points"), Sequence)
    ]
    return np.intersect1d(np.array([i for ids in lists for i in ids], np.int64), target.ids)


def _encode(
    positions: NDArray[np.float32], counts: NDArray[np.int64], behind: bytes, byte_order: str
) -> NDArray[np.uint8]:
    """Points of streamlines, each followed by the separator."""
    rows = np.empty((len(positions) + len(counts), 3), f"{byte_order}f4")
    is_point = np.ones(len(rows), bool)
    ends = np.cumsum(counts + 1) - 1
    is_point[ends] = False
    rows[is_point] = positions
    rows[ends] = np.frombuffer(behind, f"{byte_order}f4")
    return rows.reshape(-1).view(np.uint8)
