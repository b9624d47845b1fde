"""Tractograms of any format as input: one file, a folder or an archive of them, streamline after streamline.

Each file is looked through before the first batch: what is wrong is told before anything is written, a bad file among
many is left out, and all batches have the same attributes. Streamline ``k`` of a file is an object, also where it has
no point, so that lists of values by streamline made elsewhere stay true. Of several files each is a group.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Incoming, ReadOptions, Skipped
from zvview.convert.file_sets import FileSet, FoundFile, find_files
from zvview.errors import BadFileError, InvalidInputError, UnreachableError
from zvview.format import names
from zvview.format.metadata import Axis
from zvview.geometry.batches import Streamlines
from zvview.store.writing.options import AttributeSpec

__all__ = ["Columns", "Part", "Scan", "Source", "TractogramInput", "check_finite", "map_file", "open_tractograms"]

MILLIMETER = "millimeter"
_BATCHES_KEPT = 4  # what is kept of the first look, so that smaller files are read and worked out once

Columns = Mapping[str, tuple[np.dtype[Any], int]]
"""Dtype and width of each attribute."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some streamlines of a file.

    Attributes
    ----------
    positions : (N, 3) float32
        RAS+ mm.
    counts : (P,) int64
        Vertices of each streamline.
    attributes : mapping of str to (N,) or (N, C)
    object_attributes : mapping of str to (P,) or (P, C)
    """

    positions: NDArray[np.float32]
    counts: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    object_attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class Source(Protocol):
    """A file that was looked through and found good."""

    @property
    def count(self) -> int:
        """Streamlines of the file."""
        ...

    @property
    def columns(self) -> Columns:
        """Attributes of vertices."""
        ...

    @property
    def object_columns(self) -> Columns:
        """Attributes of streamlines."""
        ...

    @property
    def left_out(self) -> Sequence[Skipped]:
        """What the header promises and the file does not hold."""
        ...

    def parts(self, batch_bytes: int) -> Iterator[Part]:
        """Everything, in order; attributes that all values are 0 of may be left out."""
        ...

    def entry(self) -> Mapping[str, Any]:
        """What is kept of the header of this file."""
        ...

    def document(self) -> Mapping[str, Any]:
        """The header for people, kept of the first file."""
        ...


Scan = Callable[[FoundFile, ReadOptions, int], Source]
"""Looks through a file; keeps its content where it has at most so many bytes."""


class TractogramInput:
    """Tractogram files as the batches of one store; an :class:`~zvview.convert.contract.Input`.

    Parameters
    ----------
    found : FileSet
    scan : callable
        Looks through a file.
    header : str
        Name under which headers are kept.
    options : ReadOptions
    specs : mapping of str to AttributeSpec
        Of attributes that there may be.
    """

    kind = names.STREAMLINE

    def __init__(
        self,
        found: FileSet,
        scan: Scan,
        header: str,
        options: ReadOptions,
        specs: Mapping[str, AttributeSpec],
    ) -> None:
        labels = ("x", "y", "z") if options.axes is None else tuple(options.axes)
        if len(labels) != 3:
            raise InvalidInputError(f"axes {labels}: tractograms have 3")
        self.axes = tuple(Axis(label, "space", options.unit or MILLIMETER) for label in labels)
        self.attribute_specs = specs
        self._found, self._header, self._options = found, header, options
        self._sources: list[tuple[FoundFile, Source]] = []
        self._skipped: list[Skipped] = []
        self._room = _BATCHES_KEPT * options.batch_bytes
        self._columns: dict[str, tuple[np.dtype[Any], int]] = {}
        self._object_columns: dict[str, tuple[np.dtype[Any], int]] = {}
        for file in found.files:
            if options.cancel is not None:
                options.cancel.raise_if_cancelled()
            self._add(file, scan)
        if not self._sources:
            reason = (
                f"none of {len(found.files)} files can be read; {self._skipped[0].place}: {self._skipped[0].reason}"
            )
            raise BadFileError(found.place, reason)

    def _add(self, file: FoundFile, scan: Scan) -> None:
        try:
            source = scan(file, self._options, self._room)
            vertex = _join(self._columns, source.columns, file.place)
            of_objects = _join(self._object_columns, source.object_columns, file.place)
        except BadFileError as error:
            if self._found.is_single:
                raise
            self._skipped.append(Skipped.of(file.place, error))
            return
        self._columns, self._object_columns = vertex, of_objects
        self._skipped += source.left_out
        size = file.path.stat().st_size
        self._room -= size if size <= self._room else 0
        self._sources.append((file, source))

    def batches(self) -> Iterator[Incoming]:
        """See :class:`~zvview.convert.contract.Input`; an input without any streamline is one empty batch."""
        first = 0
        is_begun = False
        for _, source in self._sources:
            for part in source.parts(self._options.batch_bytes):
                yield self._incoming(part, first)
                first += len(part.counts)
                is_begun = True
        if not is_begun:
            empty = Part(np.empty((0, 3), np.float32), np.empty(0, np.int64))
            yield self._incoming(empty, 0)

    def _incoming(self, part: Part, first: int) -> Incoming:
        count = len(part.counts)
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(part.counts, out=offsets[1:])
        return Incoming(
            Streamlines(
                part.positions,
                attributes=_fill(part.attributes, self._columns, len(part.positions)),
                offsets=offsets,
                object_ids=np.arange(first, first + count, dtype=np.int64),
            ),
            dict(part.object_attributes) or None,
        )

    def extras(self) -> Extras:
        """See :class:`~zvview.convert.contract.Input`."""
        files, groups, first = [], {}, 0
        for file, source in self._sources:
            stop = first + source.count
            files.append({"name": file.name, "objects": [first, stop], **source.entry()})
            groups[file.name] = range(first, stop)
            first = stop
        header = {**self._sources[0][1].document(), "files": files}
        return Extras(
            groups=None if self._found.is_single else groups,
            headers={self._header: header},
            skipped=tuple(self._skipped),
        )


def open_tractograms(
    path: Path,
    options: ReadOptions,
    *,
    suffixes: Sequence[str],
    scan: Scan,
    header: str,
    specs: Mapping[str, AttributeSpec] | None = None,
) -> TractogramInput:
    """The tractograms of a file, a folder or a zip archive.

    Raises
    ------
    BadFileError
        A file named alone is bad, or all of several are.
    UnreachableError, Cancelled
    """
    if options.kind not in (None, names.STREAMLINE, names.POLYLINE):
        raise InvalidInputError(f"kind = {options.kind!r}: tractograms are of kind {names.STREAMLINE!r}")
    return TractogramInput(find_files(path, suffixes), scan, header, options, specs or {})


def map_file(file: FoundFile) -> mmap.mmap | bytes:
    """The bytes of a file, read as they are asked for.

    Raises
    ------
    UnreachableError
    """
    try:
        with file.path.open("rb") as opened:
            size = opened.seek(0, 2)
            return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise UnreachableError(f"{file.place}: {error.strerror}") from error


def check_finite(positions: NDArray[np.float32], counts: NDArray[np.int64], first: int, place: str) -> None:
    """Refuse coordinates that a store cannot hold.

    Parameters
    ----------
    positions : (N, 3)
    counts : (P,) int64
    first : int
        Number of the first of these streamlines in its file.
    place : str

    Raises
    ------
    BadFileError
        Names the streamline and the point.
    """
    if np.isfinite(positions).all():
        return
    row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
    ends = np.cumsum(counts)
    line = int(np.searchsorted(ends, row, "right"))
    point = row - int(ends[line] - counts[line])
    raise BadFileError(place, f"point {point} is at {positions[row].tolist()}", f"streamline {first + line}")


def _join(known: Columns, new: Columns, place: str) -> dict[str, tuple[np.dtype[Any], int]]:
    """The columns of all files so far."""
    out = dict(known)
    for name, (dtype, width) in new.items():
        before, wide = out.get(name, (dtype, width))
        if wide != width:
            raise BadFileError(place, f"has {width} values of {name!r}, files before it {wide}", "header")
        out[name] = (np.promote_types(before, dtype), width)
    return out


def _fill(values: Mapping[str, NDArray[Any]], columns: Columns, rows: int) -> dict[str, NDArray[Any]]:
    """A value in each column: NaN, or 0 in integers, where the file has none."""
    out = {}
    for name, (dtype, width) in columns.items():
        if name in values:
            out[name] = values[name].astype(dtype, copy=False)
        else:
            shape = (rows,) if width == 1 else (rows, width)
            out[name] = np.full(shape, np.nan if dtype.kind == "f" else 0, dtype)
    return out
