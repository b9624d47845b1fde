"""zvview: viewer, editor and bridge for Zarr Vectors stores.

>>> import zvview
>>> store = zvview.open("neurons.zarrvectors")  # doctest: +SKIP
>>> batch = store.level(0).read(box=((0, 0, 0), (100, 100, 100)))  # doctest: +SKIP
"""

from zvview.cancel import CancelToken
from zvview.errors import (
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
from zvview.store.collection import Collection
from zvview.store.layout import Groups
from zvview.store.level import Level
from zvview.store.opening import open
from zvview.store.store import Store

__version__ = "0.1.0"

__all__ = [
    "AttributeMetadata",
    "Axis",
    "Batch",
    "CancelToken",
    "Cancelled",
    "Categories",
    "Collection",
    "ConflictError",
    "DamagedError",
    "ExistsError",
    "Graph",
    "Groups",
    "InvalidInputError",
    "Level",
    "Lines",
    "Mesh",
    "MissingError",
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
    "ZvviewError",
    "batch_type",
    "concatenate",
    "open",
]
