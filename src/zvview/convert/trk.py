"""TrackVis streamlines (TRK), in and out.

nibabel reads the header and says what it means; the records are read past it, many at a time. Positions are stored as
nibabel gives them, RAS+ in millimetres as float32. What that rounds off is kept in the attribute ``trk_rounding``, so
that a file comes back with the same bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Format, ReadOptions, Skipped
from zvview.convert.file_sets import FoundFile
from zvview.convert.rounding import find_steps, smallest_dtype
from zvview.convert.tractograms import Columns, Part, TractogramInput, check_finite, map_file, open_tractograms
from zvview.convert.trk_header import HEADER_BYTES, TrkHeader
from zvview.convert.trk_plan import ROUNDING
from zvview.convert.trk_records import Records, count_records, decode_records, find_records, split_records
from zvview.convert.trk_writing import write_trk
from zvview.format import names
from zvview.store.writing.options import AttributeSpec

__all__ = ["FORMATS", "TrkSource", "open_trk", "scan_trk"]

_BLOCK = 1 << 14  # rows of a product; larger ones go to threads, which on a busy machine takes 20 times as long
_SUFFIXES = (".trk",)
_SPECS = {
    ROUNDING: AttributeSpec(
        description="float32 steps that lead from the position mapped back to TRK's own space to the file's number"
    )
}


@dataclass(frozen=True, slots=True, eq=False)
class TrkSource:
    """A TRK file that was looked through; a :class:`~zvview.convert.tractograms.Source`.

    Attributes
    ----------
    file : FoundFile
    header : TrkHeader
    counts : (P,) int64
        Points of each streamline.
    left_out : sequence of Skipped
    rounding : dtype or None
        Of the steps; None where all are 0.
    limit : float
        The greatest distance in mm that steps lead.
    kept : deque of Part
        The content of a small file, which then is not read again.
    """

    file: FoundFile
    header: TrkHeader
    counts: NDArray[np.int64]
    left_out: Sequence[Skipped]
    rounding: np.dtype[Any] | None
    limit: float
    kept: deque[Part] = field(default_factory=deque)

    @property
    def count(self) -> int:
        """Streamlines of the file."""
        return len(self.counts)

    @property
    def columns(self) -> Columns:
        """Scalars, and what rounding took away."""
        found = {c.name: (np.dtype(np.float32), c.width) for c in self.header.scalars}
        return found | ({} if self.rounding is None else {ROUNDING: (self.rounding, 3)})

    @property
    def object_columns(self) -> Columns:
        """Properties."""
        return {c.name: (np.dtype(np.float32), c.width) for c in self.header.properties}

    def parts(self, batch_bytes: int) -> Iterator[Part]:
        """All streamlines in their order."""
        if self.kept:
            while self.kept:
                yield self._typed(self.kept.popleft())
            return
        for _, records in _read(self.file, self.header, self.counts, batch_bytes):
            yield self._typed(_decode(records, self.header)[0])

    def _typed(self, part: Part) -> Part:
        """The part with steps in the dtype of all of the file, or without where all are 0."""
        steps = {} if self.rounding is None else {ROUNDING: part.attributes[ROUNDING].astype(self.rounding)}
        rest = {name: values for name, values in part.attributes.items() if name != ROUNDING}
        return replace(part, attributes=rest | steps)

    def entry(self) -> Mapping[str, Any]:
        """The bytes of the header, the way back, and what nibabel had to assume."""
        out: dict[str, Any] = {"header": self.header.encode(), "rasmm_to_trk": self.header.invert()[:3].tolist()}
        out |= {} if self.rounding is None else {"rounding_limit": self.limit}
        if not self.counts.all():
            out["without_points"] = np.flatnonzero(self.counts == 0).tolist()
        return out | ({"notes": list(self.header.notes)} if self.header.notes else {})

    def document(self) -> Mapping[str, Any]:
        """The header for people."""
        return self.header.document()


def open_trk(path: Path, options: ReadOptions) -> TractogramInput:
    """TRK files as an input; see :func:`~zvview.convert.tractograms.open_tractograms`."""
    return open_tractograms(path, options, suffixes=_SUFFIXES, scan=scan_trk, header="trk", specs=_SPECS)


def scan_trk(file: FoundFile, options: ReadOptions, room: int) -> TrkSource:
    """Look through a TRK file; one of at most `room` bytes is kept in memory.

    Raises
    ------
    BadFileError
        Names the file and the streamline.
    """
    data = map_file(file)
    header = TrkHeader.parse(bytes(data[:HEADER_BYTES]), file.place)
    counts, end = find_records(data, header, file.place)
    left_out = []
    if header.declared_count > len(counts):
        place = f"{file.place}, streamlines {len(counts)} to {header.declared_count - 1}"
        left_out.append(Skipped(place, f"the header counts them, the file ends after {len(counts)}"))
    if end < len(data):
        place = f"{file.place}, bytes {end} to {len(data) - 1}"
        more = count_records(data, header, end)
        told = f"{len(data) - end} bytes" + ("" if more is None else f", {more} streamlines,")
        left_out.append(Skipped(place, f"the header counts {len(counts)} streamlines, {told} stand behind them"))
    least = most = 0
    limit = 0.0
    kept: deque[Part] = deque()
    for lines, records in _read(file, header, counts, options.batch_bytes):
        if options.cancel is not None:
            options.cancel.raise_if_cancelled()
        check_finite(records.points[:, :3], records.counts, lines.start, file.place)
        part, distance = _decode(records, header)
        check_finite(part.positions, records.counts, lines.start, file.place)
        steps = part.attributes[ROUNDING]
        least, most = min(least, int(steps.min(initial=0))), max(most, int(steps.max(initial=0)))
        limit = max(limit, distance)
        if len(data) <= room:
            kept.append(part)
    rounding = smallest_dtype(least, most) if least or most else None
    return TrkSource(file, header, counts, left_out, rounding, limit, kept)


def _decode(records: Records, header: TrkHeader) -> tuple[Part, float]:
    """Records as they are stored, with steps in any dtype, and the greatest distance that these lead."""
    stored = np.ascontiguousarray(records.points[:, :3])
    positions = to_rasmm(stored, header)
    steps = find_steps(stored, positions, header.invert())
    attributes: dict[str, NDArray[Any]] = {c.name: c.take(records.points[:, 3:]) for c in header.scalars}
    attributes[ROUNDING] = steps.values
    properties = {c.name: c.take(records.properties) for c in header.properties}
    return Part(positions, records.counts, attributes, properties), steps.limit


def to_rasmm(stored: NDArray[np.float32], header: TrkHeader) -> NDArray[np.float32]:
    """Coordinates of the file as nibabel gives them, to the bit."""
    if (header.to_rasmm == np.eye(4)).all():
        return stored
    matrix, shift = header.to_rasmm[:3, :3].T, header.to_rasmm[:3, 3]
    out = np.empty_like(stored)
    starts = list(range(0, max(1, len(stored)), _BLOCK))
    if len(stored) % _BLOCK == 1 and len(starts) > 1:
        starts[-1] -= 1  # products with a single row may be summed in another order
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop in zip(starts, [*starts[1:], len(stored)], strict=True):
            np.dot(stored[start:stop], matrix, out=out[start:stop])
            out[start:stop] += shift
    return out


def _read(
    file: FoundFile, header: TrkHeader, counts: NDArray[np.int64], batch_bytes: int
) -> Iterator[tuple[slice, Records]]:
    """Runs of streamlines with their records."""
    data = map_file(file)
    words = np.frombuffer(data, f"{header.byte_order}f4", (len(data) - HEADER_BYTES) // 4, HEADER_BYTES)
    for lines, place in split_records(counts, header, batch_bytes):
        yield lines, decode_records(words[place], counts[lines], header)


FORMATS: tuple[Format, ...] = (
    Format(
        "trk", "TrackVis streamlines", _SUFFIXES, (names.STREAMLINE, names.POLYLINE, names.LINE), open_trk, write_trk
    ),
)
