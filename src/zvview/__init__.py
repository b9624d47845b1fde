"""zvview: viewer, editor and bridge for Zarr Vectors stores.

>>> import zvview
>>> store = zvview.open("neurons.zarrvectors")  # doctest: +SKIP
>>> batch = store.level(0).read(box=((0, 0, 0), (100, 100, 100)))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zvview.cancel import CancelToken
from zvview.errors import (
    BadFileError,
    Cancelled,
    ConflictError,
    DamagedError,
    ExistsError,
    InvalidInputError,
    MissingError,
    NotZarrVectorsError,
    UnreachableError,
    UnsupportedError,
    ZvviewError,
)
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch, Graph, Lines, Mesh, Points, Polylines, Skeletons, Streamlines, batch_type
from zvview.geometry.concatenate import concatenate
from zvview.geometry.parametric import ParametricObjects, ParametricType
from zvview.store.check import Finding, Findings, check
from zvview.store.collection import Collection
from zvview.store.creating import NewStore, Writer, create
from zvview.store.creating_collection import NewCollection, create_collection
from zvview.store.editing.coarser import Refreshed, set_refresh
from zvview.store.editing.committed import Committed
from zvview.store.editing.edits import Edits, VertexRefs
from zvview.store.editing.selection import Selection
from zvview.store.editing.session import EditSession, set_commit
from zvview.store.growth import grow
from zvview.store.layout import Groups
from zvview.store.level import Level
from zvview.store.opening import open
from zvview.store.places.open import Place
from zvview.store.places.source import Source
from zvview.store.store import Store
from zvview.store.writing.options import AttributeSpec
from zvview.version import __version__ as __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _commit(
    source: Source,
    edits: Edits,
    *,
    to: Place | None = None,
    name: str | None = None,
    cancel: CancelToken | None = None,
) -> Committed:
    from zvview.store.editing.commit import commit_edits, commit_into_copy

    if to is not None:
        return commit_into_copy(source, to, edits, cancel=cancel)
    return commit_edits(source, edits, name=name, cancel=cancel)


def _refresh(
    source: Source, chunks: NDArray[np.int64], objects: NDArray[np.int64] | None, cancel: CancelToken | None
) -> Refreshed:
    from zvview.pyramid.refresh import compute_refresh  # late: it takes long to import, and few need it

    return compute_refresh(source, chunks, objects=objects, cancel=cancel)


set_commit(_commit)
set_refresh(_refresh)

__all__ = [
    "AttributeMetadata",
    "AttributeSpec",
    "Axis",
    "BadFileError",
    "Batch",
    "CancelToken",
    "Cancelled",
    "Categories",
    "Collection",
    "Committed",
    "ConflictError",
    "DamagedError",
    "EditSession",
    "Edits",
    "ExistsError",
    "Finding",
    "Findings",
    "Graph",
    "Groups",
    "InvalidInputError",
    "Level",
    "Lines",
    "Mesh",
    "MissingError",
    "NewCollection",
    "NewStore",
    "NotZarrVectorsError",
    "ParametricObjects",
    "ParametricType",
    "Points",
    "Polylines",
    "Selection",
    "Skeletons",
    "Store",
    "Streamlines",
    "UnreachableError",
    "UnsupportedError",
    "VertexRefs",
    "Writer",
    "ZvviewError",
    "batch_type",
    "check",
    "concatenate",
    "create",
    "create_collection",
    "grow",
    "open",
]
