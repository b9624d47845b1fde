"""What a TRK file will hold: the header and the columns of the file that its streamlines came from, and what is new."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.convert.streamline_output import Entry, Target
from zvview.convert.trk_header import MOST_NAMES, Column, TrkHeader, make_header
from zvview.errors import BadFileError
from zvview.geometry.batches import Polylines

__all__ = ["ROUNDING", "Origin", "Plan"]

ROUNDING = "trk_rounding"
"""Vertex attribute that holds what the coordinates of a TRK file lost, see :mod:`zvview.convert.rounding`."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What is known of a file that objects came from.

    Attributes
    ----------
    header : TrkHeader
    inverse : (3, 4) float64
        From RAS+ mm to the coordinates of the file, as when steps were counted.
    limit : float
        The greatest distance that steps lead.
    start, stop : int
        Ids of its objects.
    without_points : (n,) int64
        Those of them that have no point.
    """

    header: TrkHeader
    inverse: NDArray[np.float64]
    limit: float
    start: int
    stop: int
    without_points: NDArray[np.int64]

    @classmethod
    def of(cls, entry: Entry, place: str) -> Origin:
        """The file of an entry that :class:`~zvview.convert.trk.TrkSource` has kept."""
        where = f"{place}, header of {entry.name or 'a TRK file'}"
        kept = entry.kept
        header = TrkHeader.decode(kept.get("header"), where)
        limit, inverse = kept.get("rounding_limit", 0.0), kept.get("rasmm_to_trk")
        try:
            matrix = np.array(inverse, np.float64).reshape(3, 4)
            without = np.array(kept.get("without_points", []), np.int64).reshape(-1) + entry.start
            distance = float(limit)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFileError(where, f"what was kept of the file cannot be read: {error}") from error
        return cls(header, matrix, distance, entry.start, entry.stop, without)

    @classmethod
    def of_fields(cls, kept: Mapping[str, Any], place: str) -> Origin:
        """A file of which only some fields are known, by the names that other libraries use; or none of them."""
        given: dict[str, tuple[str, Callable[[Any], Any]]] = {
            "voxel_to_rasmm": ("vox_to_ras", lambda v: np.array(v, np.float32).reshape(4, 4)),
            "voxel_sizes": ("voxel_size", lambda v: np.array(v, np.float32)),
            "dimensions": ("dimensions", lambda v: np.array(v, np.int16)),
            "origin": ("origin", lambda v: np.array(v, np.float32)),
            "voxel_order": ("voxel_order", lambda v: str(v).encode("latin1")),
        }
        where = f"{place}, header trk"
        try:
            fields = {name: read(kept[key]) for name, (key, read) in given.items() if kept.get(key) is not None}
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFileError(where, f"a field cannot be read: {error}") from error
        header = make_header(fields, where)
        return cls(header, header.invert()[:3], 0.0, 0, 0, np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a file will hold.

    Attributes
    ----------
    header : TrkHeader
        With the names of the values; its count is filled in last.
    scalars : sequence of str
        Vertex attributes, in order.
    properties : (n, properties) float32
        A row for each object of the target.
    without_points : (n,) int64
        Ids of the objects of the target that are streamlines without a point, ascending.
    """

    header: TrkHeader
    scalars: Sequence[str]
    properties: NDArray[np.float32]
    without_points: NDArray[np.int64]

    @classmethod
    def of(cls, target: Target, origin: Origin, origins: Sequence[Origin]) -> Plan:
        """The header of the origin wherever the attributes of the store are still those that it names."""
        level = target.outgoing.level
        vertex = {
            name: _width(entry.row_shape)
            for name, entry in level.attributes.items()
            if entry.categories is None and name != ROUNDING
        }
        rows = {name: level.object_attribute(name) for name in level.object_attribute_names}
        numbers = {name: _width(values.shape[1:]) for name, values in rows.items() if values.dtype.kind in "iufb"}
        shared = [other for other in origins if _holds_any(other, target.ids)]
        header = origin.header
        foreign = [other.header for other in origins if other not in shared]
        if not level.vertex_count:  # nothing has values, so that the names stand in the header only
            vertex |= {c.name: c.width for c in header.scalars}
        if not target.ids.size:
            numbers = {c.name: c.width for c in header.properties}
        scalars = _columns(header.scalars, vertex, [c for h in foreign for c in h.scalars])
        properties = _columns(header.properties, numbers, [c for h in foreign for c in h.properties])
        _warn_of([n for n in level.attributes if n not in scalars and n not in vertex and n != ROUNDING])
        _warn_of([n for n in rows if n not in numbers])
        if scalars != {c.name: c.width for c in header.scalars} or properties != {
            c.name: c.width for c in header.properties
        }:
            header = header.with_columns(scalars, properties)
        values = np.empty((len(target.ids), sum(properties.values())), np.float32)
        if properties and target.ids.size:
            known = level.object_ids
            assert known is not None
            order = np.argsort(known, kind="stable")
            at = order[np.searchsorted(known, target.ids, sorter=order)]
            values = np.concatenate([_filled(rows[name])[at] for name in properties], axis=1)
        empty = np.concatenate([np.empty(0, np.int64), *(other.without_points for other in origins)])
        in_box = target.outgoing.box is not None
        return cls(header, list(scalars), values, np.intersect1d(empty, target.ids)[: 0 if in_box else None])

    def points(self, coordinates: NDArray[np.float32], batch: Polylines) -> NDArray[np.float32]:
        """Coordinates and scalars of the vertices of a batch."""
        columns = [batch.attributes[name].astype(np.float32, copy=False) for name in self.scalars]
        return np.concatenate([coordinates, *(c.reshape(len(c), -1) for c in columns)], axis=1)


def _columns(named: Sequence[Column], there: Mapping[str, int], foreign: Sequence[Column]) -> dict[str, int]:
    """Widths of the attributes that a file gets: those of its header first, then others that no other file named."""
    out = {c.name: c.width for c in named if there.get(c.name) == c.width}
    others = {c.name for c in foreign}
    rest = {name: width for name, width in there.items() if name not in out and name not in others}
    room = MOST_NAMES - len(out)
    _warn_of(list(rest)[room:])
    return out | dict(list(rest.items())[:room])


def _warn_of(left_out: Sequence[str]) -> None:
    for name in left_out:
        warnings.warn(
            f"attribute {name!r} is left out: TRK holds numbers under at most {MOST_NAMES} names", stacklevel=4
        )


def _holds_any(origin: Origin, ids: NDArray[np.int64]) -> bool:
    return bool(((ids >= origin.start) & (ids < origin.stop)).any())


def _width(row_shape: Sequence[int]) -> int:
    return int(np.prod(row_shape, dtype=int))


def _filled(values: np.ma.MaskedArray[Any, Any]) -> NDArray[np.float32]:
    """Values as (n, C), NaN where there is none; the bits of a NaN that is there stay."""
    if values.dtype == np.float32:
        return np.ma.getdata(values).reshape(len(values), -1)
    return np.ma.filled(values.astype(np.float32), np.nan).reshape(len(values), -1)
