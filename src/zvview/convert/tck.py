"""MRtrix streamlines (TCK), in and out.

nibabel reads the header; streamlines are found past it, all separators of a part of the file in one go. Coordinates are
RAS+ millimetres and stored as they are, the header is kept as it is, so that a file comes back with the same bytes.
Streamlines without a point, which nibabel leaves out, keep their place, since weights are counted by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Format, ReadOptions, Skipped
from zvview.convert.file_sets import FoundFile
from zvview.convert.tck_header import TckHeader
from zvview.convert.tck_writing import write_tck
from zvview.convert.tractograms import Columns, Part, TractogramInput, check_finite, map_file, open_tractograms
from zvview.errors import BadFileError
from zvview.format import names

__all__ = ["FORMATS", "TckSource", "open_tck", "scan_tck"]

_SUFFIXES = (".tck",)
_POINT_BYTES = 12


@dataclass(frozen=True, slots=True, eq=False)
class TckSource:
    """A TCK file that was looked through; a :class:`~zvview.convert.tractograms.Source`.

    Attributes
    ----------
    file : FoundFile
    header : TckHeader
    counts : (P,) int64
        Points of each streamline.
    separators : tuple of bytes
        What stands behind a streamline and at the end of the file; empty where not all separators are alike.
    left_out : sequence of Skipped
    """

    file: FoundFile
    header: TckHeader
    counts: NDArray[np.int64]
    separators: tuple[bytes, ...]
    left_out: Sequence[Skipped]

    @property
    def count(self) -> int:
        """Streamlines of the file."""
        return len(self.counts)

    @property
    def columns(self) -> Columns:
        """None: TCK files hold positions only."""
        return {}

    @property
    def object_columns(self) -> Columns:
        """None."""
        return {}

    def parts(self, batch_bytes: int) -> Iterator[Part]:
        """All streamlines in their order."""
        points = _points(map_file(self.file), self.header)
        ends = np.cumsum(self.counts + 1)  # with the separator
        most = max(1, batch_bytes // _POINT_BYTES)
        first = begin = 0
        while first < len(self.counts):
            stop = max(first + 1, int(np.searchsorted(ends, begin + most, "right")))
            end = int(ends[stop - 1])
            counts = self.counts[first:stop]
            is_point = np.ones(end - begin, bool)
            is_point[np.cumsum(counts + 1) - 1] = False
            yield Part(points[begin:end][is_point].astype(np.float32, copy=False), counts)
            first, begin = stop, end

    def entry(self) -> Mapping[str, Any]:
        """The text of the header, and how streamlines are set apart."""
        out: dict[str, Any] = {"header": self.header.raw.decode("latin1")}
        if self.separators:
            out["separators"] = [separator.hex() for separator in self.separators]
        if not self.counts.all():
            out["without_points"] = np.flatnonzero(self.counts == 0).tolist()
        return out | ({"notes": list(self.header.notes)} if self.header.notes else {})

    def document(self) -> Mapping[str, Any]:
        """The header for people."""
        return {"format_name": "tck", "fields": dict(self.header.fields)}


def open_tck(path: Path, options: ReadOptions) -> TractogramInput:
    """TCK files as an input; see :func:`~zvview.convert.tractograms.open_tractograms`."""
    return open_tractograms(path, options, suffixes=_SUFFIXES, scan=scan_tck, header="tck")


def scan_tck(file: FoundFile, options: ReadOptions, room: int = 0) -> TckSource:
    """Look through a TCK file; nothing of it is kept, whatever `room` there is, since reading again is as fast.

    Raises
    ------
    BadFileError
        Names the file and the streamline.
    """
    data = map_file(file)
    header = TckHeader.parse(data, file.place)
    points = _points(data, header)
    if (len(data) - header.data_offset) % _POINT_BYTES:
        raise BadFileError(file.place, "ends within a point: it was cut off")
    if not len(points) or not np.isinf(points[-1]).all():
        raise BadFileError(file.place, "ends without the mark 'inf inf inf': it was cut off")
    ends = []
    for start in range(0, len(points) - 1, block := max(1, options.batch_bytes // _POINT_BYTES)):
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        part = points[start : min(start + block, len(points) - 1)]
        at = np.flatnonzero(np.isnan(part[:, 0]))
        ends.append(start + at[np.isnan(part[at, 1]) & np.isnan(part[at, 2])])
    found = np.concatenate([*ends, np.empty(0, np.int64)])
    counts = np.diff(found, prepend=-1) - 1
    if (last := int(found[-1]) + 1 if found.size else 0) != len(points) - 1:
        raise BadFileError(
            file.place, f"{len(points) - 1 - last} points are not followed by a separator", f"streamline {len(counts)}"
        )
    source = TckSource(file, header, counts, _separators(points, found, header), _left_out(file, header, len(counts)))
    first = 0
    for whole in source.parts(options.batch_bytes):
        check_finite(whole.positions, whole.counts, first, file.place)
        first += len(whole.counts)
    return source


def _points(data: Any, header: TckHeader) -> NDArray[Any]:
    """All that stands behind the header as (n, 3), separators included."""
    count = max(0, len(data) - header.data_offset) // _POINT_BYTES
    values = np.frombuffer(data, f"{header.byte_order}f4", 3 * count, min(header.data_offset, len(data)))
    return values.reshape(-1, 3)


def _separators(points: NDArray[Any], found: NDArray[np.int64], header: TckHeader) -> tuple[bytes, ...]:
    """The bytes of the separator, if there is but one, and of the mark at the end."""
    end = points[-1].tobytes()
    if not found.size:
        return (b"", end)
    bits = points[found].view(f"{header.byte_order}u4")
    return (points[found[0]].tobytes(), end) if (bits == bits[0]).all() else ()


def _left_out(file: FoundFile, header: TckHeader, count: int) -> list[Skipped]:
    declared = header.declared_count
    if declared is None or declared <= count:
        return []
    reason = f"the header counts them, the file ends after {count}"
    return [Skipped(f"{file.place}, streamlines {count} to {declared - 1}", reason)]


FORMATS: tuple[Format, ...] = (
    Format("tck", "MRtrix streamlines", _SUFFIXES, (names.STREAMLINE, names.POLYLINE, names.LINE), open_tck, write_tck),
)
