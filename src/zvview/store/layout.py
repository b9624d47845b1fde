"""What a level offers, whatever the layout on disk: arrays of cells, families of links, objects and groups.

:mod:`zvview.store.layout_09` and :mod:`zvview.store.layout_07` each make a :class:`Layout` of a level; everything above
sees only what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.format.attributes import AttributeMetadata
from zvview.format.links import anchor_chunks
from zvview.format.manifests import Manifests
from zvview.format.metadata import LevelMetadata
from zvview.format.sequences import distinct
from zvview.geometry.arguments import as_list
from zvview.store.cell_arrays import CellArray
from zvview.store.object_ids import ObjectIds
from zvview.store.stored_groups import StoredGroups, find_group
from zvview.store.table_chunks import ByteRows

__all__ = ["Groups", "Layout", "LinkArray", "LinkFamily", "LinkTable", "ObjectRows"]


@dataclass(frozen=True, slots=True, eq=False)
class LinkTable:
    """Link records in their original endpoint order.

    Attributes
    ----------
    places : (E, sid) int64 array
        Chunks that hold endpoints, each in the grid of the endpoint's level; records share them, since there are far
        fewer cells than records.
    at : (M, L) array of int32 or int64
        Index in `places` of the chunk of each endpoint.
    rows : (M, L) int64 array
        Row of each endpoint in the vertex buffer of its chunk.
    attributes : mapping of str to (M,) or (M, C) array
    """

    places: NDArray[np.int64]
    at: NDArray[np.integer]
    rows: NDArray[np.int64]
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def of(
        cls, chunks: NDArray[np.int64], rows: NDArray[np.int64], attributes: Mapping[str, NDArray[Any]] | None = None
    ) -> LinkTable:
        """The table of records given with the chunk of each endpoint, (M, L, sid)."""
        at = np.arange(rows.size, dtype=np.int64).reshape(rows.shape)
        return cls(chunks.reshape(-1, chunks.shape[2]), at, rows, attributes or {})

    @property
    def chunks(self) -> NDArray[np.int64]:
        """Chunk of each endpoint, (M, L, sid)."""
        chunks: NDArray[np.int64] = self.places[self.at]
        return chunks

    def take(self, index: NDArray[np.int64]) -> LinkTable:
        """The records at `index`."""
        return LinkTable(
            self.places, self.at[index], self.rows[index], {n: v[index] for n, v in self.attributes.items()}
        )


@dataclass(frozen=True, slots=True, eq=False)
class LinkArray:
    """One array of a family: the records whose endpoints lie at the same chunk offsets.

    Attributes
    ----------
    offsets : (L - 1, sid) int64 array
        Chunk of each further endpoint relative to the first's anchor.
    cells : CellArray
    dtype : numpy.dtype
    is_ragged, has_perm : bool
        How :func:`zvview.format.links.decode_links` reads the cells.
    attributes : mapping of str to (CellArray, AttributeMetadata)
        Link attributes filed cell for cell beside the records.
    """

    offsets: NDArray[np.int64]
    cells: CellArray
    dtype: np.dtype[Any]
    is_ragged: bool
    has_perm: bool
    attributes: Mapping[str, tuple[CellArray, AttributeMetadata]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class LinkFamily:
    """All links of one delta.

    Attributes
    ----------
    path : str
    delta : int
        Level of the further endpoints minus that of the first.
    width : int
        Endpoints of a record, L.
    is_directed, is_duplicated : bool
    arrays : tuple of LinkArray
    table : LinkTable or None
        Records that the layout keeps in one piece (cross-chunk links before 0.8).
    ratios : pair of (D,) arrays
        Chunk shape over the root's, of the owning level and of the other.
    """

    path: str
    delta: int
    width: int
    is_directed: bool
    is_duplicated: bool
    arrays: tuple[LinkArray, ...]
    table: LinkTable | None
    ratios: tuple[NDArray[np.int64], NDArray[np.int64]]
    attribute_names: tuple[str, ...] = ()

    def endpoints(self, array: LinkArray, coords: NDArray[np.int64]) -> NDArray[np.int64]:
        """Chunks of the stored endpoints of the cells at `coords` (K, sid): (K, L, sid)."""
        anchor = coords if self.delta == 0 else anchor_chunks(coords, *self.ratios)
        further = anchor[:, None, :] + array.offsets[None]
        return np.concatenate((coords[:, None, :], further), axis=1)


class ObjectRows(Protocol):
    """The object index of a level: ids and manifests by row."""

    sid_ndim: int

    @property
    def stored_rows(self) -> ByteRows | None:
        """The manifests as they are stored; None where they are not stored row by row."""
        ...

    @property
    def ids(self) -> ObjectIds:
        """Object id of each row."""
        ...

    def read_manifests(self, rows: NDArray[np.int64] | None = None, cancel: CancelToken | None = None) -> Manifests:
        """Manifests of `rows`, in that order; of all rows by default."""
        ...


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of objects.

    Attributes
    ----------
    members : tuple of (n,) int64 arrays
        Object ids of each group.
    names : tuple of str
        Empty where the store names none.
    """

    members: tuple[NDArray[np.int64], ...]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def members_of(self, groups: str | Iterable[int | str]) -> NDArray[np.int64]:
        """Ids of the objects in any of some groups, by number or name, ascending; one may be named alone.

        Raises
        ------
        InvalidInputError
            Neither numbers nor names.
        MissingError
            There is no such group.
        """
        wanted = [groups] if isinstance(groups, str) else as_list(groups, "groups", "a list of numbers or names")
        found = [self.members[find_group(group, len(self), self.names)] for group in wanted]
        return distinct(np.concatenate([np.empty(0, np.int64), *found]))


class Layout(Protocol):
    """The arrays of one level."""

    metadata: LevelMetadata
    path: str
    vertices: CellArray
    fragments: CellArray | None
    vertex_dtype: np.dtype[Any]
    encoding: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the level cannot be trusted or is not shown, in plain words."""
        ...

    def attribute_names(self, family: str) -> list[str]:
        """Names of the attributes of a family (``vertex_attributes``, ``object_attributes``, ...)."""
        ...

    def cell_attribute(self, family: str, name: str) -> tuple[CellArray, AttributeMetadata] | None:
        """A vertex or fragment attribute, or None."""
        ...

    def link_deltas(self) -> list[int]:
        """Deltas for which the level owns links, sorted."""
        ...

    def links(self, delta: int) -> LinkFamily | None:
        """The links of one delta, or None."""
        ...

    def object_rows(self) -> ObjectRows | None:
        """The object index, or None."""
        ...

    def object_attribute(self, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values by object row and whether each row has one."""
        ...

    def stored_groups(self) -> StoredGroups | None:
        """Groups of objects, of which none is read yet, or None."""
        ...

    def groups(self) -> Groups | None:
        """Groups of objects, or None."""
        ...

    def group_attribute(self, name: str) -> NDArray[Any]:
        """Values by group."""
        ...
