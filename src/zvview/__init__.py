"""zvview: viewer, editor and bridge for Zarr Vectors stores.

>>> import zvview
>>> store = zvview.open("neurons.zarrvectors")  # doctest: +SKIP
>>> batch = store.level(0).read(box=((0, 0, 0), (100, 100, 100)))  # doctest: +SKIP
"""

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
from zvview.store.growth import grow
from zvview.store.layout import Groups
from zvview.store.level import Level
from zvview.store.opening import open
from zvview.store.store import Store
from zvview.store.writing.options import AttributeSpec

__version__ = "0.1.0"

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
    "ConflictError",
    "DamagedError",
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
    "Skeletons",
    "Store",
    "Streamlines",
    "UnreachableError",
    "UnsupportedError",
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
