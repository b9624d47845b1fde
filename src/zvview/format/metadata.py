"""Metadata models of the root and of a level, named as the specification names things (format reference 2, 3, 10.1).

Parsing happens once, where JSON comes in; what these models do not interpret is kept in ``raw`` and goes back to disk
unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, NotZarrVectorsError, UnsupportedError
from zvview.format import names
from zvview.format.values import (
    as_float_list,
    as_int,
    as_mapping,
    as_str,
    as_str_list,
    get_mapping,
    wrong,
)

__all__ = ["Axis", "LevelMetadata", "RootMetadata", "parse_version", "space_axes"]

_ROOT_PART = "root metadata"
_LEVEL_PART = "level metadata"
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", re.ASCII)
MAX_AXES = 8
_DEFAULT_AXES = "xyzw"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the coordinates: its name, type (``space``, ``time``, ``channel`` or custom) and UDUNITS-2 unit."""

    name: str
    type: str = "space"
    unit: str | None = None

    def document(self) -> dict[str, str]:
        """The axis as it stands in ``multiscales[0].axes``."""
        return {"name": self.name, "type": self.type} | ({"unit": self.unit} if self.unit else {})


def space_axes(axes: Sequence[Axis]) -> NDArray[np.bool_]:
    """Which axes are space, (D,): those that say so, or all where none does; distances are measured along them."""
    is_space = np.array([axis.type == "space" for axis in axes], bool)
    return is_space if is_space.any() else ~is_space


def parse_version(text: object) -> tuple[int, int, int]:
    """``"0.9.2"`` as ``(0, 9, 2)``; refuses by name the versions that zvview does not read."""
    match = _VERSION.match(text) if isinstance(text, str) else None
    if match is None:
        raise wrong(_ROOT_PART, "zv_version", text, "a version such as '0.9.2'")
    version = (int(match[1]), int(match[2]), int(match[3] or 0))
    if not ((0, 6, 0) <= version < (0, 8, 0) or version >= (0, 9, 0)):
        raise UnsupportedError(
            f"the store has format version {text}; zvview reads 0.6 to 0.7 and 0.9 onwards. "
            "Convert it with the release of the Zarr Vectors library that wrote it."
        )
    return version


@dataclass(frozen=True, slots=True, eq=False)
class RootMetadata:
    """What the root group says.

    Attributes
    ----------
    version : tuple of int
        Format version.
    axes : tuple of Axis
        One for each of the D coordinates, in their order.
    chunk_shape, base_bin_shape : (D,) float64 arrays
        Edge lengths of level-0 chunks and bins, in coordinate units.
    lo, hi : (D,) float64 arrays
        Inclusive bounds, in stored coordinates (before `offset`).
    kinds : tuple of str
        Geometry types.
    scales : mapping of str to (D,) float64 array
        Bin of a level over the bin of level 0, by the path of the level.
    offset : (D,) float64 array or None
        ``coordinate_offset``: world position = stored position + offset.
    raw : mapping
        All attributes of the root group as they were read.
    """

    version: tuple[int, int, int]
    version_text: str
    axes: tuple[Axis, ...]
    chunk_shape: NDArray[np.float64]
    base_bin_shape: NDArray[np.float64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    kinds: tuple[str, ...]
    links_convention: str
    scales: Mapping[str, NDArray[np.float64]]
    offset: NDArray[np.float64] | None
    capabilities: tuple[str, ...]
    dense_manifests: bool
    attribute_specs: Mapping[str, Mapping[str, Mapping[str, Any]]]
    crs: object
    raw: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())

    @property
    def ndim(self) -> int:
        """Number of axes, D."""
        return len(self.axes)

    @property
    def is_old_layout(self) -> bool:
        """Whether the store is in the layout of 0.7.0 and before (part II of the format reference)."""
        return self.version < (0, 8, 0)

    @classmethod
    def parse(cls, attributes: Mapping[str, Any]) -> RootMetadata:
        """The model of a root group's attributes.

        Raises
        ------
        NotZarrVectorsError
            The group has no ``zarr_vectors`` attribute.
        UnsupportedError
            The version, or an entry of ``required_capabilities``, is not one that zvview knows.
        DamagedError
            A field is missing or contradicts the specification.
        """
        if names.ROOT not in attributes:
            raise NotZarrVectorsError(
                "the root group has no 'zarr_vectors' attribute: this is not a Zarr Vectors store"
            )
        own = as_mapping(attributes[names.ROOT], _ROOT_PART, names.ROOT)
        text = own.get("zv_version", own.get("format_version"))
        version = parse_version(text)
        notes = []
        if version >= (0, 10, 0):
            notes.append(f"the store has format version {text}, newer than any this release was tested with")
        axes, scales = _parse_multiscales(attributes, own)
        ndim = len(axes)
        chunk_shape = as_float_list(own.get("chunk_shape"), _ROOT_PART, "chunk_shape", ndim, positive=True)
        bins = own.get("base_bin_shape")
        bin_shape = (
            chunk_shape if bins is None else as_float_list(bins, _ROOT_PART, "base_bin_shape", ndim, positive=True)
        )
        bounds = own.get("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise wrong(_ROOT_PART, "bounds", bounds, "two lists of numbers, the least and the greatest corner")
        lo, hi = (as_float_list(b, _ROOT_PART, "bounds", ndim) for b in bounds)
        if any(a > b for a, b in zip(lo, hi, strict=True)):
            raise wrong(_ROOT_PART, "bounds", bounds, "a least corner that is not above the greatest")
        kinds = as_str_list(own.get("geometry_types", []), _ROOT_PART, "geometry_types")
        if unknown := [k for k in kinds if k not in names.KINDS]:
            raise UnsupportedError(f"unknown geometry type {unknown[0]!r}; known: {', '.join(names.KINDS)}")
        convention = as_str(own.get("links_convention", names.SEQUENTIAL), _ROOT_PART, "links_convention")
        if convention not in names.LINKS_CONVENTIONS:
            raise UnsupportedError(f"unknown links_convention {convention!r}")
        required = as_str_list(own.get("required_capabilities", []), _ROOT_PART, "required_capabilities")
        if unknown := [c for c in required if c not in names.KNOWN_CAPABILITIES]:
            raise UnsupportedError(f"the store requires the capability {unknown[0]!r}, which zvview does not know")
        layout = own.get("manifest_layout", "vlen")
        if layout not in ("vlen", "dense"):
            raise UnsupportedError(f"unknown manifest_layout {layout!r}")
        offset = own.get("coordinate_offset")
        shift = None if offset is None else np.array(as_float_list(offset, _ROOT_PART, "coordinate_offset", ndim))
        specs = get_mapping(own, _ROOT_PART, "attribute_specs")
        return cls(
            version=version,
            version_text=str(text),
            axes=axes,
            chunk_shape=np.array(chunk_shape),
            base_bin_shape=np.array(bin_shape),
            lo=np.array(lo),
            hi=np.array(hi),
            kinds=kinds,
            links_convention=convention,
            scales=scales,
            offset=shift if shift is not None and shift.any() else None,
            capabilities=as_str_list(own.get("format_capabilities") or [], _ROOT_PART, "format_capabilities"),
            dense_manifests=layout == "dense",
            attribute_specs={
                scope: {n: as_mapping(s, _ROOT_PART, f"attribute_specs.{scope}.{n}") for n, s in entries.items()}
                for scope in specs
                for entries in [as_mapping(specs[scope], _ROOT_PART, f"attribute_specs.{scope}")]
            },
            crs=own.get("crs"),
            raw=attributes,
            notes=tuple(notes),
        )


def _parse_multiscales(
    attributes: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[tuple[Axis, ...], dict[str, NDArray[np.float64]]]:
    """Axes and the scale of every level; stores older than 0.7 keep the axes in ``spatial_index_dims``."""
    entries = attributes.get(names.MULTISCALES)
    entry: Mapping[str, Any] = {}
    if isinstance(entries, list) and entries:
        entry = as_mapping(entries[0], _ROOT_PART, "multiscales[0]")
    documents = entry.get("axes") or own.get("spatial_index_dims")
    if not isinstance(documents, list) or not 1 <= len(documents) <= MAX_AXES:
        raise wrong(_ROOT_PART, "multiscales[0].axes", documents, f"a list of 1 to {MAX_AXES} axes")
    axes = tuple(_parse_axis(document, i) for i, document in enumerate(documents))
    scales: dict[str, NDArray[np.float64]] = {}
    datasets = entry.get("datasets") or []
    if not isinstance(datasets, list):
        raise wrong(_ROOT_PART, "multiscales[0].datasets", datasets, "a list")
    for dataset in datasets:
        where = "multiscales[0].datasets"
        dataset = as_mapping(dataset, _ROOT_PART, where)
        transforms = dataset.get("coordinateTransformations") or []
        if not isinstance(transforms, list):
            raise wrong(_ROOT_PART, f"{where}.coordinateTransformations", transforms, "a list")
        for transform in transforms:
            if as_mapping(transform, _ROOT_PART, where).get("type") == "scale":
                scale = as_float_list(transform.get("scale"), _ROOT_PART, f"{where}.scale", len(axes), positive=True)
                scales[as_str(dataset.get("path"), _ROOT_PART, f"{where}.path")] = np.array(scale)
    return axes, scales


def _parse_axis(document: object, position: int) -> Axis:
    if isinstance(document, str):
        return Axis(document)
    document = as_mapping(document, _ROOT_PART, f"axes[{position}]")
    default = _DEFAULT_AXES[position] if position < len(_DEFAULT_AXES) else f"axis{position}"
    unit = document.get("unit")
    return Axis(
        as_str(document.get("name") or default, _ROOT_PART, f"axes[{position}].name"),
        as_str(document.get("type") or "space", _ROOT_PART, f"axes[{position}].type"),
        None if unit is None else as_str(unit, _ROOT_PART, f"axes[{position}].unit"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class LevelMetadata:
    """What a level group says (format reference 3).

    Attributes
    ----------
    level : int
    vertex_count : int
        As declared; unreliable (0 or stale after streaming writes and edits).
    chunk_shape : (D,) float64 array
        The level's own, or the root's where it has none.
    sid_ndim : int
        Components of a chunk coordinate: D, or D + 1 with a leading attribute axis.
    chunk_attribute : tuple or None
        Name and values of the attribute that chunks are split by.
    refinement : str
        ``replace``, or ``add`` where the content is the level's own plus that of the next coarser level (10.4).
    raw : mapping
        All attributes of the level group as they were read.
    """

    level: int
    vertex_count: int
    arrays_present: tuple[str, ...]
    object_sparsity: float
    coarsening_method: str
    parent_level: int | None
    chunk_shape: NDArray[np.float64]
    sid_ndim: int
    chunk_attribute: tuple[str, tuple[Any, ...]] | None
    preserves_object_ids: bool
    shared_fragments: bool
    fragments_tile: bool
    is_presence_deferred: bool
    refinement: str
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, attributes: Mapping[str, Any], level: int, root: RootMetadata) -> LevelMetadata:
        """The model of a level group's attributes; `level` is the number in the group's name."""
        own = get_mapping(attributes, _LEVEL_PART, names.LEVEL)
        declared = as_int(own.get("level", level), _LEVEL_PART, "level", minimum=0)
        if declared != level:
            raise DamagedError(
                _LEVEL_PART, found=f"level = {declared} in the group '{level}'", expected=f"level = {level}"
            )
        shape = own.get("chunk_shape")
        chunk_shape = (
            root.chunk_shape
            if shape is None
            else np.array(as_float_list(shape, _LEVEL_PART, "chunk_shape", root.ndim, positive=True))
        )
        name, values = own.get("chunk_attribute_name"), own.get("chunk_attribute_values")
        if (name is None) != (values is None):
            raise wrong(_LEVEL_PART, "chunk_attribute_name", name, "both or neither of name and values")
        dims = own.get("chunk_dims")
        sid_ndim = root.ndim if dims is None else len(as_str_list(dims, _LEVEL_PART, "chunk_dims"))
        if not root.ndim <= sid_ndim <= root.ndim + 1:
            raise wrong(_LEVEL_PART, "chunk_dims", dims, f"{root.ndim} or {root.ndim + 1} names")
        refinement = own.get("refinement", names.REFINEMENT_REPLACE)
        if refinement not in (names.REFINEMENT_ADD, names.REFINEMENT_REPLACE):
            raise UnsupportedError(f"level {level} has refinement {refinement!r}, which zvview does not know")
        sparsity = own.get("object_sparsity", 1.0)
        parent = own.get("parent_level")
        return cls(
            level=level,
            vertex_count=as_int(own.get("vertex_count", 0), _LEVEL_PART, "vertex_count", minimum=0),
            arrays_present=as_str_list(own.get("arrays_present", []), _LEVEL_PART, "arrays_present"),
            object_sparsity=as_float_list([sparsity], _LEVEL_PART, "object_sparsity", 1)[0],
            coarsening_method=as_str(own.get("coarsening_method", "none"), _LEVEL_PART, "coarsening_method"),
            parent_level=None if parent is None else as_int(parent, _LEVEL_PART, "parent_level", minimum=0),
            chunk_shape=chunk_shape,
            sid_ndim=sid_ndim,
            chunk_attribute=None
            if name is None or not isinstance(values, list)
            else (as_str(name, _LEVEL_PART, "chunk_attribute_name"), tuple(values)),
            preserves_object_ids=bool(own.get("preserves_object_ids", False)),
            shared_fragments=bool(own.get("shared_fragments", False)),
            fragments_tile=bool(own.get("fragments_tile", False)),
            is_presence_deferred=_is_deferred(attributes, own),
            refinement=str(refinement),
            raw=attributes,
        )


def _is_deferred(attributes: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    """Whether the level is being built and its presence comes from listing keys (10.5)."""
    return names.PRESENCE_DEFERRED in (attributes.get(names.PRESENCE), own.get(names.PRESENCE))
