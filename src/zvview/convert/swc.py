"""Neurons as SWC files, in and out: a file for each object.

The label of a node becomes a category with the names of the format's definition; other numbers keep their digits as
name. The number of a node is kept in the attribute ``swc_id``, comments under ``headers/swc``, so that files come back
as they were. The unit is what the caller or a comment states, else none: by convention it is micrometres, but many
files are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.contract import Extras, Format, Incoming, ReadOptions, Skipped
from zvview.convert.file_sets import FileSet, FoundFile, find_files
from zvview.convert.object_files import number_names, stated_unit
from zvview.convert.rounding import survives_float32
from zvview.convert.swc_text import Nodes, SwcText, line_of, parse_lines, parse_many
from zvview.convert.swc_writing import LABELS, write_swc
from zvview.errors import BadFileError, InvalidInputError, UnreachableError
from zvview.format import names
from zvview.format.attributes import Categories
from zvview.format.metadata import Axis
from zvview.geometry.batches import Skeletons
from zvview.geometry.trees import find_cycles
from zvview.store.writing.options import AttributeSpec

__all__ = ["FORMATS", "SwcInput", "open_swc"]

_SUFFIXES = (".swc",)


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A file with the id of its object."""

    file: FoundFile
    object_id: int
    text: SwcText


class SwcInput:
    """SWC files as the batches of one store; an :class:`~zvview.convert.contract.Input`.

    A file whose name is a whole number gives the object of that id; the others are numbered, and their names kept as
    object attribute ``name``. Positions are float32 where that changes no number of the first batch, else float64.
    """

    kind = names.SKELETON

    def __init__(self, found: FileSet, options: ReadOptions) -> None:
        labels = ("x", "y", "z") if options.axes is None else tuple(options.axes)
        if len(labels) != 3:
            raise InvalidInputError(f"axes {labels}: SWC files have 3")
        self._found, self._options = found, options
        self._ids = number_names([file.name.rpartition("/")[2] for file in found.files])
        self._unit = options.unit or stated_unit(_read(found.files[0]).comment)
        self.axes = tuple(Axis(label, "space", self._unit) for label in labels)
        self.attribute_specs: Mapping[str, AttributeSpec] = {
            "radius": AttributeSpec(unit=self._unit),
            "label": AttributeSpec(description="structure identifier"),
            "swc_id": AttributeSpec(description="number of the node in its file"),
        }
        self._skipped: list[Skipped] = []
        self._comments: dict[str, list[int]] = {}
        self._dtype: np.dtype[Any] | None = None

    def batches(self) -> Iterator[Incoming]:
        """See :class:`~zvview.convert.contract.Input`."""
        is_empty = True
        waiting: list[_Read] = []
        size = 0
        for file, object_id in zip(self._found.files, self._ids, strict=True):
            if self._options.cancel is not None:
                self._options.cancel.raise_if_cancelled()
            try:
                text = _read(file)
                self._check_unit(text, file)
            except (BadFileError, UnreachableError) as error:
                self._skip(file, error)
                continue
            waiting.append(_Read(file, object_id, text))
            size += len(text.body)
            if size >= self._options.batch_bytes:
                made, waiting, size = self._batch(waiting), [], 0
                is_empty &= made is None
                yield from () if made is None else (made,)
        made = self._batch(waiting) if waiting else None
        if made is not None:
            yield made
        elif is_empty:
            first = self._skipped[0]
            raise BadFileError(
                self._found.place,
                f"none of {len(self._found.files)} files can be read; {first.place}: {first.reason}",
            )

    def extras(self) -> Extras:
        """See :class:`~zvview.convert.contract.Input`."""
        comments = [{"text": text, "objects": ids} for text, ids in self._comments.items()]
        return Extras(headers={"swc": {"comments": comments}}, skipped=tuple(self._skipped))

    def _skip(self, file: FoundFile, error: BadFileError | UnreachableError) -> None:
        if self._found.is_single:
            raise error
        self._skipped.append(Skipped.of(file.place, error))

    def _check_unit(self, text: SwcText, file: FoundFile) -> None:
        stated = stated_unit(text.comment)
        if stated is not None and self._options.unit is None and stated != self._unit:
            raise BadFileError(file.place, f"states {stated}, the files before it {self._unit or 'no unit'}")

    def _batch(self, files: Sequence[_Read]) -> Incoming | None:
        """The neurons of some files; None where all are bad."""
        good, nodes, starts = self._parse(files)
        parents = self._parent_rows(good, nodes, starts)
        kept = [i for i, rows in enumerate(parents) if rows is not None]
        if not kept:
            return None
        if len(kept) < len(good):
            is_kept = np.zeros(len(good), bool)
            is_kept[kept] = True
            nodes = nodes.take(np.repeat(is_kept, np.diff(starts)))
        good = [good[i] for i in kept]
        above = [rows for rows in parents if rows is not None]
        offsets = np.cumsum([0, *map(len, above)])
        rows = np.concatenate(above)
        rows += np.where(rows < 0, 0, np.repeat(offsets[:-1], np.diff(offsets)))
        if self._dtype is None:
            self._dtype = np.dtype(np.float32 if survives_float32(nodes.xyz) else np.float64)
        codes, categories = _encode_labels(nodes.labels)
        batch = Skeletons.from_parents(
            nodes.xyz.astype(self._dtype),
            rows,
            attributes={"radius": nodes.radii.astype(np.float32), "label": codes, "swc_id": nodes.ids},
            categories={"label": categories},
            offsets=offsets,
            object_ids=np.array([one.object_id for one in good], np.int64),
        )
        for one in good:
            if one.text.comment:
                self._comments.setdefault(one.text.comment, []).append(one.object_id)
        titles = [None if str(one.object_id) == one.file.name else one.file.name for one in good]
        return Incoming(batch, {"name": np.array(titles, object)} if any(titles) else None)

    def _parse(self, files: Sequence[_Read]) -> tuple[list[_Read], Nodes, NDArray[np.int64]]:
        """The files that can be parsed, their nodes, and where those of each begin and end."""
        joined = parse_many([one.text for one in files]) if files else None
        if joined is not None:
            return list(files), joined, np.cumsum([0, *(one.text.count for one in files)])
        good, parts = [], []
        for one in files:
            nodes = parse_many([one.text])
            try:
                nodes = parse_lines(one.file.path.read_bytes(), one.file.place) if nodes is None else nodes
            except BadFileError as error:
                self._skip(one.file, error)
                continue
            good.append(one)
            parts.append(nodes)
        empty = np.empty(0, np.int64)
        nodes = Nodes.join(parts) if parts else Nodes(empty, empty, np.empty((0, 3)), np.empty(0), empty)
        return good, nodes, np.cumsum([0, *map(len, parts)])

    def _parent_rows(
        self, files: Sequence[_Read], nodes: Nodes, starts: NDArray[np.int64]
    ) -> list[NDArray[np.int64] | None]:
        """Row of the parent of each node among those of its file, -1 for roots; None for a file that is bad."""
        out: list[NDArray[np.int64] | None] = []
        for one, start, stop in zip(files, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            rows = None
            try:
                _check_range(nodes, start, stop, one.file)
                rows = _find_parents(nodes.ids[start:stop], nodes.parents[start:stop], one.file)
            except BadFileError as error:
                self._skip(one.file, error)
            out.append(rows)
        return out


def open_swc(path: Path, options: ReadOptions) -> SwcInput:
    """SWC files as an input: one, or those of a folder or a zip archive.

    Raises
    ------
    BadFileError
        A folder without such files.
    UnreachableError
    """
    if options.kind not in (None, names.SKELETON):
        raise InvalidInputError(f"kind = {options.kind!r}: SWC files are of kind {names.SKELETON!r}")
    return SwcInput(find_files(path, _SUFFIXES), options)


def _read(file: FoundFile) -> SwcText:
    try:
        return SwcText.of(file.path.read_bytes())
    except OSError as error:
        raise UnreachableError(f"{file.place}: {error.strerror}") from error


def _find_parents(ids: NDArray[np.int64], parents: NDArray[np.int64], file: FoundFile) -> NDArray[np.int64]:
    """Row of each node's parent, -1 for roots."""
    n = len(ids)
    if (ids == np.arange(1, n + 1)).all():
        rows = np.where(parents == -1, -1, parents - 1)
        bad = (rows < -1) | (rows >= n) | ((rows == -1) & (parents != -1))
    else:
        order = np.argsort(ids, kind="stable")
        ordered = ids[order]
        if (twice := np.flatnonzero(ordered[1:] == ordered[:-1])).size:
            row = int(order[twice + 1].min())
            raise BadFileError(file.place, f"node {ids[row]} was there before", line_of(file.path, row))
        at = np.minimum(np.searchsorted(ordered, parents), n - 1)
        bad = (ordered[at] != parents) & (parents != -1)
        rows = np.where(parents == -1, -1, order[at])
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise BadFileError(file.place, f"the parent {parents[row]} is no node", line_of(file.path, row))
    if (rows >= np.arange(n)).any() and (cycle := find_cycles(rows)).size:
        row = int(cycle[0])
        raise BadFileError(file.place, f"node {ids[row]} is its own ancestor", line_of(file.path, row))
    return rows


def _check_range(nodes: Nodes, start: int, stop: int, file: FoundFile) -> None:
    """Refuse numbers that are too large for float32, in which radii are stored, and coordinates may be."""
    largest = np.maximum(np.abs(nodes.radii[start:stop]), np.abs(nodes.xyz[start:stop]).max(axis=1, initial=0))
    if (large := np.flatnonzero(largest > np.finfo(np.float32).max)).size:
        row = int(large[0])
        raise BadFileError(file.place, f"{largest[row]} is too large a length", line_of(file.path, row))


def _encode_labels(labels: NDArray[np.int64]) -> tuple[NDArray[np.integer[Any]], Categories]:
    """Codes, and the names of the labels that occur."""
    if len(labels) and labels.min() >= 0 and labels.max() < 1 << 16:
        there = np.flatnonzero(np.bincount(labels))
        place = np.zeros(1 << 16, np.uint16)
        place[there] = np.arange(len(there))
        codes: NDArray[np.integer[Any]] = place[labels]
    else:
        there, codes = np.unique(labels, return_inverse=True)
    return codes, Categories(tuple(LABELS.get(n, str(n)) for n in there.tolist()))


FORMATS: tuple[Format, ...] = (
    Format("swc", "SWC neurons", _SUFFIXES, (names.SKELETON,), open_swc, write_swc, lengths=("radius",)),
)
