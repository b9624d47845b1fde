"""What the edits of a store must fit: its kind, axes and attributes; and what callers give, made to fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.errors import InvalidInputError, MissingError
from zvview.format import names
from zvview.format.attributes import AttributeMetadata
from zvview.geometry.arguments import as_array, as_mapping, to_array
from zvview.store.editing.edits import Edits
from zvview.store.reading.pieces import read_pieces
from zvview.store.reading.reader import LevelReader, ReadOptions

__all__ = ["Schema", "blank", "fit_values"]


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """What level 0 of a store holds.

    Attributes
    ----------
    kind : str
    ndim, sid_ndim : int
    dtype : numpy.dtype
        Of the stored positions.
    offset : (D,) float64 array
        World coordinates minus stored ones.
    columns, link_columns : mapping of str to AttributeMetadata
        Attributes of vertices and of links, with the width that they have.
    link_width : int
        Ends of a link, L; 0 where the kind has none that are edited one by one.
    has_objects : bool
        Whether there is an object index.
    """

    kind: str
    ndim: int
    sid_ndim: int
    dtype: np.dtype[Any]
    offset: NDArray[np.float64]
    columns: Mapping[str, AttributeMetadata]
    link_columns: Mapping[str, AttributeMetadata]
    link_width: int
    has_objects: bool

    @classmethod
    def of(cls, reader: LevelReader) -> Schema:
        """The schema of an opened level 0."""
        layout, root = reader.layout, reader.root
        family = reader.links() if reader.is_linked else None
        width = 0
        if reader.is_linked:
            width = family.width if family is not None else (3 if reader.kind == names.MESH else 2)
        link_columns = {}
        for name in reader.link_attributes(None):
            arrays = [] if family is None else [a.attributes[name] for a in family.arrays if name in a.attributes]
            if arrays:
                link_columns[name] = arrays[0][1]
        return cls(
            reader.kind,
            root.ndim,
            layout.metadata.sid_ndim,
            layout.vertex_dtype,
            np.zeros(root.ndim) if root.offset is None else np.asarray(root.offset, np.float64),
            _columns(reader),
            link_columns,
            width,
            reader.objects is not None,
        )

    @property
    def is_lines(self) -> bool:
        """Whether objects are lines, which are edited as wholes."""
        return self.kind in (names.LINE, names.POLYLINE, names.STREAMLINE)

    def stored_positions(self, positions: ArrayLike) -> NDArray[np.float64]:
        """World coordinates, (n, D) or (D,), as stored ones (n, D), rounded to what the store can hold.

        Raises
        ------
        InvalidInputError
            Another shape, or numbers that are not finite.
        """
        array = to_array(positions, "positions")
        array = array[None] if array.ndim == 1 and array.size else array
        world = as_array(array, "positions", np.float64, (None, self.ndim))
        with np.errstate(over="ignore"):
            stored = (world - self.offset).astype(self.dtype).astype(np.float64)
        if not np.isfinite(stored).all():
            raise InvalidInputError(f"positions must be finite numbers that {self.dtype.name} can hold")
        return stored

    def keep_unmoved(
        self, stored: NDArray[np.float64], positions: ArrayLike, before: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """New `stored` positions (n, D), but the old ones, `before`, where their world coordinates are the same.

        Taking the store's coordinate offset off again would round them: what is not moved stays, bit for bit.

        Parameters
        ----------
        stored : (n, D) float64 array
            Of `positions`, as :meth:`stored_positions` gives them.
        positions : (n, D) or (D,) array
            World coordinates.
        before : (n, D) array
            What is stored.
        """
        world = np.asarray(positions, np.float64).reshape(stored.shape)
        return np.where(world == before + self.offset, before, stored)

    @property
    def must_be_given(self) -> tuple[str, ...]:
        """Vertex attributes of which no value is "unknown": categories without such a code."""
        known = ((name, metadata.categories) for name, metadata in self.columns.items())
        return tuple(name for name, categories in known if categories is not None and categories.missing is None)

    def fit_columns(
        self, given: Mapping[str, ArrayLike] | None, n: int, *, is_any_known: bool = False
    ) -> dict[str, NDArray[Any]]:
        """Values of all vertex attributes for `n` vertices: what is given, else "unknown" (see :func:`blank`).

        Parameters
        ----------
        given : mapping of str to array_like, optional
        n : int
        is_any_known : bool
            The vertices are not new, so that the caller knows all values that are not given.

        Raises
        ------
        MissingError
            There is no such attribute.
        InvalidInputError
            Values do not fit, or one of :attr:`must_be_given` is not given: a label is never made up.
        """
        given = as_mapping(given, "attributes")
        if n and not is_any_known:
            for name in self.must_be_given:
                if name not in given:
                    raise InvalidInputError(_ask_for(self.columns[name]))
        return _fit_all(given, self.columns, n, "attribute")

    def fit_link_columns(self, given: Mapping[str, ArrayLike] | None, n: int) -> dict[str, NDArray[Any]]:
        """Values of all attributes for `n` new links: what is given, else "unknown", the first of other categories."""
        return _fit_all(as_mapping(given, "link attributes"), self.link_columns, n, "link attribute")

    def fit_column(self, name: str, values: ArrayLike, n: int) -> NDArray[Any]:
        """Values of one vertex attribute for `n` vertices, (n,) or (n, C); one value stands for all."""
        if name not in self.columns:
            raise MissingError("attribute", name, self.columns)
        return fit_values(self.columns[name], values, n)

    def check_fit(self, edits: Edits) -> None:
        """Refuse edits of a store of another kind, with other axes or attributes.

        Raises
        ------
        InvalidInputError
        """
        refs = [] if edits.links is None else [edits.links.removed, edits.links.added]
        keys = [*edits.bases, *edits.chunks]
        tables: list[tuple[NDArray[np.float64], Mapping[str, NDArray[Any]]]] = [
            (entry.positions, {name: values for name, (_, values) in entry.columns.items()})
            for entry in edits.chunks.values()
        ]
        whole = [] if edits.added is None else [(edits.added.positions, edits.added.columns)]
        whole += [(line.positions, line.columns) for line in edits.lines.values() if line is not None]
        fits = (
            all(len(key) == self.sid_ndim for key in keys)
            and all(r.chunks.shape[1] == self.sid_ndim for r in refs)
            and all(positions.shape[1] == self.ndim for positions, _ in (*tables, *whole))
            and all(self._are_columns(columns, self.columns) for _, columns in (*tables, *whole))
            and all(columns.keys() == self.columns.keys() for _, columns in whole)
            and not (edits.lines and not self.is_lines)
            and not ((edits.chunks or edits.added or edits.links) and self.is_lines)
            and (edits.added is None or (edits.added.objects is not None) == self.has_objects)
            and (edits.links is None or edits.links.width == self.link_width)
            and (edits.links is None or self._are_columns(edits.links.columns, self.link_columns))
        )
        if not fits:
            raise InvalidInputError("these are edits of another store: their kind, axes or attributes are others")

    @staticmethod
    def _are_columns(columns: Mapping[str, NDArray[Any]], known: Mapping[str, AttributeMetadata]) -> bool:
        """Whether values are of known attributes, in their dtypes and widths."""
        return all(
            name in known and (values.dtype, values.shape[1:]) == (known[name].dtype, known[name].row_shape)
            for name, values in columns.items()
        )


def _columns(reader: LevelReader) -> dict[str, AttributeMetadata]:
    """Vertex attributes that are stored; where none declares its width, the first chunk tells it."""
    found = {}
    for name in reader.layout.attribute_names(names.VERTEX_ATTRIBUTES):
        attribute = reader.layout.cell_attribute(names.VERTEX_ATTRIBUTES, name)
        if attribute is not None:
            found[name] = attribute[1]
    unsaid = tuple(name for name, metadata in found.items() if not metadata.row_shape)
    first = reader.layout.vertices.chunks[:1]
    if unsaid and len(first) and not reader.is_draco:
        families = reader.families(ReadOptions(attributes=unsaid, object_ids=False))
        buffer, _ = read_pieces(reader.hierarchy, families, first)
        for name in unsaid:
            found[name] = replace(found[name], row_shape=buffer.attributes[name].shape[1:])
    return {n: replace(m, row_shape=()) if m.row_shape == (1,) else m for n, m in found.items()}


def _fit_all(
    given: Mapping[str, ArrayLike], columns: Mapping[str, AttributeMetadata], n: int, what: str
) -> dict[str, NDArray[Any]]:
    if unknown := [name for name in given if name not in columns]:
        raise MissingError(what, unknown[0], columns)
    return {name: fit_values(m, given[name], n) if name in given else blank(m, n) for name, m in columns.items()}


def _ask_for(metadata: AttributeMetadata) -> str:
    """What to say where a category is not given, and none of them means "unknown"."""
    labels = () if metadata.categories is None else metadata.categories.labels
    some = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
    return (
        f"attribute {metadata.name!r} has no category for what is unknown: give new vertices a value, for example "
        f"attributes={ {metadata.name: next(iter(labels), 0)} }; there are {some or 'none'}"
    )


def blank(metadata: AttributeMetadata, n: int) -> NDArray[Any]:
    """What stands where no value was given: not a number, the code of "missing", else zero."""
    value: Any = np.nan if metadata.dtype.kind == "f" else 0
    if metadata.categories is not None and metadata.categories.missing is not None:
        value = metadata.categories.missing
    return np.full((n, *metadata.row_shape), value, metadata.dtype)


def fit_values(metadata: AttributeMetadata, values: ArrayLike, n: int) -> NDArray[Any]:
    """`values` as `n` rows of an attribute, in its dtype; one row, or one number, stands for all.

    Raises
    ------
    InvalidInputError
        Another shape, values that the dtype cannot hold, or a label that is none of the categories.
    """
    array = to_array(values, f"attribute {metadata.name!r}")
    if array.dtype.kind in "OUST" and metadata.categories is not None:
        array = _codes(metadata, array)
    if array.size and array.dtype.kind not in "biuf":
        raise InvalidInputError(f"attribute {metadata.name!r} holds {metadata.dtype.name}, not {array.dtype}")
    shape = (n, *metadata.row_shape)
    if array.shape == (n,) and metadata.row_shape and n != metadata.row_shape[0]:
        raise InvalidInputError(f"attribute {metadata.name!r}: values have shape ({n},), expected {shape}")
    try:
        wide = np.broadcast_to(array, shape)
    except ValueError:
        raise InvalidInputError(
            f"attribute {metadata.name!r}: values have shape {array.shape}, expected {shape}"
        ) from None
    return _cast(metadata, wide)


def _codes(metadata: AttributeMetadata, texts: NDArray[Any]) -> NDArray[Any]:
    assert metadata.categories is not None
    known: dict[Any, int] = {label: code for code, label in enumerate(metadata.categories.labels)}
    if metadata.categories.missing is not None:
        known[None] = metadata.categories.missing
    flat = texts.astype(object).ravel().tolist()
    if unknown := [text for text in flat if text not in known]:
        shown = ", ".join(map(repr, list(known)[:20]))
        raise InvalidInputError(f"attribute {metadata.name!r} has no category {unknown[0]!r}; there are {shown}")
    return np.array([known[text] for text in flat], np.int64).reshape(texts.shape)


def _cast(metadata: AttributeMetadata, values: NDArray[Any]) -> NDArray[Any]:
    dtype, categories = metadata.dtype, metadata.categories
    if dtype.kind in "iu" and values.size:
        limits = np.iinfo(dtype)
        is_whole = values.dtype.kind != "f" or bool((np.isfinite(values) & (values == np.floor(values))).all())
        # limits as powers of two: the greatest of 64 bits is none as a floating-point number
        least, beyond = float(limits.min), 2.0 ** (dtype.itemsize * 8 - (dtype.kind == "i"))
        is_far = values.dtype.kind == "f" and bool((values < least).any() or (values >= beyond).any())
        if not is_whole or is_far or values.min() < limits.min or values.max() > limits.max:
            raise InvalidInputError(f"attribute {metadata.name!r} holds {dtype.name}: whole numbers in its range only")
    if dtype.kind == "b" and values.size and not np.isin(values, (0, 1)).all():
        raise InvalidInputError(f"attribute {metadata.name!r} holds true or false")
    with np.errstate(over="ignore", invalid="ignore"):
        out = np.array(values, dtype)
    if dtype.kind == "f" and out.size and (np.isinf(out) & np.isfinite(values)).any():
        raise InvalidInputError(f"attribute {metadata.name!r} holds {dtype.name}: numbers in its range only")
    if categories is not None and out.size:
        codes = out.astype(np.int64)
        is_known = (codes >= 0) & (codes < len(categories.labels))
        if categories.missing is not None:
            is_known |= codes == categories.missing
        if not is_known.all():
            raise InvalidInputError(f"attribute {metadata.name!r} has codes 0 to {len(categories.labels) - 1}")
    return out
