"""Attributes: dtypes, widths, categories and the in-band marker of absent values (format reference 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import DamagedError, InvalidInputError
from zvview.format import names
from zvview.format.values import as_int, as_int_list, as_str, as_str_list, wrong

__all__ = [
    "AttributeMetadata",
    "Categories",
    "absent_value",
    "encode_categories",
    "find_absent",
    "parse_dtype",
    "rows_of",
]

_KINDS = "biuf"  # booleans, integers, floats: what a cell may hold


def parse_dtype(value: object, part: str) -> np.dtype[Any]:
    """The little-endian dtype of cell payloads named by `value`, such as ``"float32"``; nothing else is let in."""
    try:
        dtype = np.dtype(as_str(value, part, "dtype"))
    except (TypeError, ValueError, SyntaxError):
        raise wrong(part, "dtype", value, "a numpy dtype name such as 'float32'") from None
    if dtype.kind not in _KINDS or dtype.subdtype is not None or dtype.itemsize > 8:
        raise wrong(part, "dtype", value, "a boolean, integer or float dtype of at most 8 bytes")
    return dtype.newbyteorder("<")


@dataclass(frozen=True, slots=True)
class Categories:
    """Labels of a categorical attribute, whose values are integer codes into them.

    Attributes
    ----------
    labels : tuple of str
    missing : int or None
        The code that means "no value".
    ordered : bool
    """

    labels: tuple[str, ...]
    missing: int | None = None
    ordered: bool = False

    def __post_init__(self) -> None:
        is_text = isinstance(self.labels, tuple | list) and all(isinstance(label, str) for label in self.labels)
        is_code = self.missing is None or (isinstance(self.missing, int) and not isinstance(self.missing, bool))
        if not is_text or not is_code or not isinstance(self.ordered, bool):
            raise InvalidInputError(f"{self!r:.200}: expected labels of text, an integer or None, and a boolean")
        object.__setattr__(self, "labels", tuple(self.labels))

    def decode(self, codes: NDArray[np.integer]) -> NDArray[np.object_]:
        """The labels of `codes`, None where missing; same shape, dtype object.

        Raises
        ------
        DamagedError
            A code is neither a label's nor the missing one.
        """
        try:
            codes = np.asarray(codes, np.int64)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInputError(f"codes {codes!r:.80}: expected integers") from error
        absent = np.zeros(codes.shape, bool) if self.missing is None else codes == self.missing
        bad = ~absent & ((codes < 0) | (codes >= len(self.labels)))
        if bad.any():
            found = f"code {codes[bad].flat[0]}"
            raise DamagedError("categories", found=found, expected=f"0 to {len(self.labels) - 1} or {self.missing}")
        table = np.array([*self.labels, None], object)
        return np.asarray(table[np.where(absent, len(self.labels), codes)], object)


def encode_categories(values: ArrayLike) -> tuple[NDArray[np.integer], Categories]:
    """Codes and sorted labels of text values, None (or NaN) being "missing", in the smallest dtype of the format."""
    flat = np.asarray(values, object)
    absent = np.array([v is None or v != v for v in flat.ravel()], bool).reshape(flat.shape)
    texts = np.where(absent, "", flat)
    if not all(isinstance(v, str) for v in texts.ravel()):
        raise InvalidInputError("an attribute of dtype object must hold text or None; give numbers a numeric dtype")
    labels, codes = np.unique(texts[~absent].astype(str), return_inverse=True)
    signed = bool(absent.any())
    sizes = (np.int8, np.int16, np.int32) if signed else (np.uint8, np.uint16, np.uint32)
    dtype = next(t for t in sizes if len(labels) <= np.iinfo(t).max)
    out = np.full(flat.shape, -1 if signed else 0, dtype)
    out[~absent] = codes
    return out, Categories(tuple(labels.tolist()), -1 if signed else None)


@dataclass(frozen=True, slots=True)
class AttributeMetadata:
    """What an attribute array says about its rows.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype
        Little-endian dtype of the values (of the codes, for categories).
    row_shape : tuple of int
        ``()`` or ``(C,)`` as declared; the width follows from the data (7.1).
    categories : Categories or None
    channel_names : tuple of str
    unit, description : str or None
    """

    name: str
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...] = ()
    categories: Categories | None = None
    channel_names: tuple[str, ...] = ()
    unit: str | None = None
    description: str | None = None

    @classmethod
    def parse(cls, name: str, attributes: Mapping[str, Any]) -> AttributeMetadata:
        """The model of the attributes of an attribute array."""
        part = f"metadata of attribute {name!r}"
        dtype = parse_dtype(attributes.get("dtype", "float32"), part)
        categories = None
        if attributes.get("encoding") == names.DICTIONARY:
            missing = attributes.get("_FillValue")
            categories = Categories(
                as_str_list(attributes.get("categories"), part, "categories"),
                None if missing is None else as_int(missing, part, "_FillValue"),
                bool(attributes.get("ordered", False)),
            )
            if dtype.kind not in "iu":
                raise wrong(part, "dtype", str(dtype), "an integer dtype for category codes")
        row_shape = as_int_list(attributes.get("row_shape") or (), part, "row_shape")
        channels = as_str_list(attributes.get("channel_names") or (), part, "channel_names")
        unit, description = attributes.get("unit"), attributes.get("description")
        return cls(
            name,
            dtype,
            row_shape or ((len(channels),) if len(channels) > 1 else ()),
            categories,
            channels,
            unit if isinstance(unit, str) else None,
            description if isinstance(description, str) else None,
        )

    def document(self) -> dict[str, Any]:
        """The attributes of the array on disk, without the discriminator."""
        out: dict[str, Any] = {"name": self.name, "dtype": self.dtype.name, "row_shape": list(self.row_shape)}
        if self.categories is not None:
            out |= {
                "encoding": names.DICTIONARY,
                "categories": list(self.categories.labels),
                "ordered": self.categories.ordered,
            }
            if self.categories.missing is not None:
                out["_FillValue"] = self.categories.missing
        if self.channel_names:
            out["channel_names"] = list(self.channel_names)
        return (
            out
            | ({"unit": self.unit} if self.unit else {})
            | ({"description": self.description} if self.description else {})
        )


def rows_of(
    payloads: Sequence[NDArray[np.uint8]], counts: NDArray[np.int64], dtype: np.dtype[Any]
) -> list[NDArray[Any]]:
    """Rows of each attribute cell of a wave, as views: (n,) or (n, C) arrays of one width.

    Parameters
    ----------
    payloads : sequence of uint8 arrays
        One for each of the C cells.
    counts : (C,) int64 array
        Rows that each cell must hold: those of the chunk's vertex buffer, fragments or links.
    dtype : numpy.dtype

    Raises
    ------
    DamagedError
        A cell's size is not a whole number of rows, or the width differs between cells; names the cells.
    """
    sizes = np.fromiter(map(len, payloads), np.int64, len(payloads))
    used = counts > 0
    unit = counts * dtype.itemsize
    bad = np.where(used, (sizes == 0) | (sizes % np.maximum(unit, 1) != 0), sizes != 0)
    width = 1
    if used.any() and not bad.any():
        widths = sizes[used] // unit[used]
        width = int(np.bincount(widths).argmax()) if widths.max() < 1 << 20 else int(widths[0])
        bad[used] = widths != width
    if bad.any():
        at = np.flatnonzero(bad)
        found = f"{sizes[at[0]]} bytes for {counts[at[0]]} rows of {dtype.name}"
        raise DamagedError("attribute cell", found=found, expected="a whole number of values for each row", cells=at)
    shape = (-1,) if width == 1 else (-1, width)
    return [payload.view(dtype).reshape(shape) for payload in payloads]


def absent_value(dtype: np.dtype[Any]) -> Any:
    """The in-band marker of "absent" in object attributes of this dtype (7.4); booleans have none but their fill."""
    if dtype.kind == "f":
        return np.nan
    if dtype.kind == "i":
        return int(np.iinfo(dtype).min)
    if dtype.kind == "u":
        return int(np.iinfo(dtype).max)
    return False if dtype.kind == "b" else ""


def find_absent(values: NDArray[Any], marker: object) -> NDArray[np.bool_]:
    """Rows of `values` (n,) or (n, C) in which every channel equals the absent `marker`: (n,) bool.

    Of booleans none is absent: both values of the dtype mean something.
    """
    if values.dtype.kind == "b":
        return np.zeros(len(values), np.bool_)
    same = np.isnan(values) if values.dtype.kind == "f" and marker != marker else values == marker
    return np.asarray(same if same.ndim == 1 else same.all(axis=1), np.bool_)
