"""The header of a TRK file: what nibabel makes of it, kept so that the very same bytes can be written again."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.streamlines import trk
from numpy.typing import NDArray

from zvview.errors import BadFileError

__all__ = ["HEADER_BYTES", "Column", "TrkHeader", "make_header"]

_trk: Any = trk  # nibabel has no types
HEADER_BYTES = 1000
MOST_NAMES = 10
MOST_NAME_BYTES = 20
_COUNT_OFFSET = 988  # of n_count in the header
_NAMES = {"scalar": (38, 36), "property": (240, 238)}  # offsets of the ten names and of the number of values


@dataclass(frozen=True, slots=True)
class Column:
    """Values of a TRK file under one name.

    Attributes
    ----------
    name : str
        Of the attribute of the store; the header's own wherever a store can hold that.
    start, stop : int
        Which of the values of a point or a streamline.
    """

    name: str
    start: int
    stop: int

    @property
    def width(self) -> int:
        """Number of values."""
        return self.stop - self.start

    def take(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The column of `rows` (n, all values): (n,) of one value, else (n, width)."""
        return np.ascontiguousarray(rows[:, self.start] if self.width == 1 else rows[:, self.start : self.stop])


@dataclass(frozen=True, slots=True, eq=False)
class TrkHeader:
    """A header that nibabel accepts.

    Attributes
    ----------
    raw : bytes
        The 1000 bytes as they are in the file.
    byte_order : "<" or ">"
    declared_count : int
        Streamlines that the header counts; 0 where it does not tell.
    scalars, properties : tuple of Column
        Values of each point and of each streamline.
    to_rasmm : (4, 4) float32
        From the coordinates of the file (mm from the corner of the first voxel) to RAS+ mm, as nibabel has it.
    fields : mapping
        All fields by nibabel's names.
    notes : tuple of str
        What nibabel had to assume.
    """

    raw: bytes
    byte_order: str
    declared_count: int
    scalars: tuple[Column, ...]
    properties: tuple[Column, ...]
    to_rasmm: NDArray[np.float32]
    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, place: str) -> TrkHeader:
        """The header in the first 1000 bytes of a file.

        Raises
        ------
        BadFileError
            No TRK header, or one that nibabel refuses; negative counts; an affine that maps space onto a plane.
        """
        if raw[:5] != _trk.TrkFile.MAGIC_NUMBER:
            raise BadFileError(place, f"begins with {raw[:5]!r}, expected {_trk.TrkFile.MAGIC_NUMBER!r}: no TRK file")
        if len(raw) < HEADER_BYTES:
            raise BadFileError(place, f"{len(raw)} bytes are no TRK header, which has {HEADER_BYTES}")
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
            warnings.simplefilter("always")
            try:
                fields = _trk.TrkFile._read_header(io.BytesIO(raw[:HEADER_BYTES]))  # load() changes the count
                to_rasmm = _trk.get_affine_trackvis_to_rasmm(fields)
                scalars = _columns(fields["scalar_name"], int(fields["nb_scalars_per_point"]), "scalars")
                properties = _columns(
                    fields["property_name"], int(fields["nb_properties_per_streamline"]), "properties"
                )
            # nibabel has no error of its own for each field that may be nonsense
            except (ArithmeticError, LookupError, TypeError, ValueError, np.linalg.LinAlgError) as error:
                raise BadFileError(place, f"the header cannot be read: {error}", "header") from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "nibabel":
                    raise
                raise BadFileError(place, str(error), "header") from error
        count = int(fields["nb_streamlines"])
        if count < 0:
            raise BadFileError(place, f"counts {count} streamlines", "header")
        if not np.isfinite(to_rasmm).all() or not np.linalg.det(to_rasmm[:3, :3].astype(np.float64)):
            raise BadFileError(place, "the affine and the voxel sizes do not span space", "header")
        notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
        order = str(fields["endianness"])
        return cls(raw[:HEADER_BYTES], order, count, scalars, properties, to_rasmm, fields, notes)

    @property
    def values_per_point(self) -> int:
        """Numbers that a point has, coordinates included."""
        return 3 + int(self.fields["nb_scalars_per_point"])

    @property
    def values_per_streamline(self) -> int:
        """Properties of a streamline."""
        return int(self.fields["nb_properties_per_streamline"])

    def invert(self) -> NDArray[np.float64]:
        """From RAS+ mm to the coordinates of the file, (4, 4)."""
        matrix = self.to_rasmm.astype(np.float64)
        matrix[3] = 0, 0, 0, 1  # whatever the file has there, nibabel does not look at it
        inverse: NDArray[np.float64] = np.linalg.inv(matrix).astype(np.float64, copy=False)
        return inverse

    def with_count(self, count: int) -> TrkHeader:
        """The same header, counting `count` streamlines."""
        raw = bytearray(self.raw)
        raw[_COUNT_OFFSET : _COUNT_OFFSET + 4] = np.array(count, f"{self.byte_order}i4").tobytes()
        return TrkHeader.parse(bytes(raw), "header")

    def with_columns(self, scalars: Mapping[str, int], properties: Mapping[str, int]) -> TrkHeader:
        """The same header with other names and widths of the values of points and of streamlines."""
        raw = bytearray(self.raw)
        for kind, columns in (("scalar", scalars), ("property", properties)):
            names_at, number_at = _NAMES[kind]
            encoded = [_encode_name(name, width) for name, width in columns.items()]
            raw[names_at : names_at + MOST_NAMES * MOST_NAME_BYTES] = b"".join(encoded).ljust(200, b"\0")
            total = np.array(sum(columns.values()), f"{self.byte_order}i2")
            raw[number_at : number_at + 2] = total.tobytes()
        return TrkHeader.parse(bytes(raw), "header")

    def document(self) -> dict[str, Any]:
        """What people and other libraries look for, by the names of ``headers/trk`` that are in use."""
        fields = self.fields
        return {
            "format_name": "trk",
            "space": "rasmm",
            "vox_to_ras": np.asarray(fields["voxel_to_rasmm"], np.float64).ravel().tolist(),
            "voxel_size": np.asarray(fields["voxel_sizes"], np.float64).tolist(),
            "dimensions": np.asarray(fields["dimensions"]).tolist(),
            "voxel_order": _text(fields["voxel_order"]),
            "origin": np.asarray(fields["origin"], np.float64).tolist(),
            "n_scalars": self.values_per_point - 3,
            "scalar_names": [column.name for column in self.scalars],
            "n_properties": self.values_per_streamline,
            "property_names": [column.name for column in self.properties],
            "n_count": self.declared_count,
            "version": int(fields["version"]),
        }

    def encode(self) -> str:
        """The bytes as text."""
        return base64.b64encode(self.raw).decode("ascii")

    @classmethod
    def decode(cls, text: object, place: str) -> TrkHeader:
        """The header that :meth:`encode` gave.

        Raises
        ------
        BadFileError
        """
        try:
            raw = base64.b64decode(text if isinstance(text, str) else "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadFileError(place, f"the header that was kept is no base64: {error}") from error
        return cls.parse(raw, place)


def make_header(fields: Mapping[str, Any], place: str) -> TrkHeader:
    """A little-endian header from some of nibabel's fields, all others as in an empty one.

    Raises
    ------
    BadFileError
        Fields that no header can hold.
    """
    record = np.zeros((), _trk.header_2_dtype.newbyteorder("<"))
    for name, value in (_trk.TrkFile.create_empty_header("little") | dict(fields)).items():
        try:
            record[name] = value
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFileError(place, f"{name} = {value!r:.80} fits in no header") from error
    return TrkHeader.parse(record.tobytes(), place)


def _columns(encoded: Sequence[bytes], total: int, rest: str) -> tuple[Column, ...]:
    """Names and places of `total` values; those without a name are called `rest`, as nibabel does."""
    if total < 0:
        raise ValueError(f"{total} {rest}")
    found: list[tuple[str, int, int]] = []
    at = 0
    for field in encoded:
        name, width = _trk.decode_value_from_name(bytes(field))
        if width < 0:
            raise ValueError(f"{width} values of {name!r}")
        if width and at < total:
            found.append((name, at, min(at + width, total)))
            at += width
    if at < total:
        found.append((rest, at, total))
    unique = _unique(name for name, _, _ in found)
    return tuple(Column(name, start, stop) for name, (_, start, stop) in zip(unique, found, strict=True))


def _unique(wanted: Iterator[str]) -> list[str]:
    """Names that a store can hold, each once."""
    out: list[str] = []
    for text in wanted:
        clean = "".join("_" if c in "/\\" or ord(c) < 32 else c for c in text)
        if clean in ("", ".", "..", "zarr.json"):
            clean = f"_{clean}"
        name, number = clean, 2
        while name in out:
            name, number = f"{clean}_{number}", number + 1
        out.append(name)
    return out


def _encode_name(name: str, width: int) -> bytes:
    tail = b"" if width <= 1 else b"\0" + str(width).encode()
    return (name.encode("latin1", "replace")[: MOST_NAME_BYTES - len(tail)] + tail).ljust(MOST_NAME_BYTES, b"\0")


def _text(value: object) -> str:
    raw = value.item() if isinstance(value, np.ndarray) else value
    return raw.decode("latin1").rstrip("\0") if isinstance(raw, bytes) else str(raw)
