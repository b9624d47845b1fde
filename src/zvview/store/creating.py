"""Creating stores: what is asked for is kept, and the store appears as a whole once its content is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn

from numpy.typing import ArrayLike, DTypeLike

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch
from zvview.store.places.open import Place, open_source
from zvview.store.places.prefixed import PrefixedSink
from zvview.store.store import Store
from zvview.store.writing.options import AttributeSpec, CodecSpec, WriteOptions
from zvview.store.writing.store_writer import StoreWriter

__all__ = ["NewStore", "Writer", "create", "resolve_options"]

Mode = Literal["w-", "w"]


def create(
    place: Place,
    *,
    kind: str,
    axes: Sequence[str | Mapping[str, str] | Axis] | None = None,
    bounds: tuple[Sequence[float], Sequence[float]] | None = None,
    chunk_shape: Sequence[float] | None = None,
    bin_shape: Sequence[float] | None = None,
    dtype: DTypeLike = "float32",
    attributes: Mapping[str, AttributeSpec | Mapping[str, Any]] | None = None,
    codec: CodecSpec = None,
    shards: bool | int | Sequence[int] | None = None,
    name: str | None = None,
    crs: object = None,
    mode: Mode = "w-",
    storage_options: Mapping[str, Any] | None = None,
) -> NewStore:
    """A new store at `place`, which appears there when its content is written.

    Parameters
    ----------
    place : str, path, mapping or zarr store
        A folder, a path that ends in ``.zip``, an address, a dictionary, or a zarr store object.
    kind : str
        Geometry type: ``point_cloud``, ``line``, ``polyline``, ``streamline``, ``graph``, ``skeleton`` or ``mesh``.
    axes : sequence of str, dict or Axis, optional
        Name, type and unit of each coordinate; x, y, z, w by default.
    bounds : (lo, hi), optional
        Inclusive corners that hold all vertices; those of the data by default.
    chunk_shape, bin_shape : D floats, optional
        Edge lengths; by default from the data, for cells of 0.25 to 1 MB. Bins divide chunks.
    dtype : dtype
        Of the stored positions: float32 or float64.
    attributes : mapping of str to AttributeSpec or dict, optional
        ``unit``, ``description`` and ``channel_names`` of vertex attributes; others are written all the same.
    codec : None, "raw", "zstd", "blosc", "gzip", dict or list of dict
        Compression of cells: raw in local places and zstd in remote ones by default.
    shards : None, bool, int or D ints
        Cells of a shard along each axis; by default sharded only above 20,000 cells.
    name : str, optional
        How collections show the store.
    crs : optional
        Coordinate reference system, any JSON.
    mode : "w-" or "w"
        Whether a Zarr Vectors store that is there already may be replaced.
    storage_options : mapping, optional
        Credentials and endpoint of an address.

    Raises
    ------
    InvalidInputError
        Arguments that contradict each other.
    ExistsError
        When writing begins: something is there and `mode` is not ``"w"``, or it is no Zarr Vectors store.
    """
    options = resolve_options(
        kind=kind,
        axes=axes,
        bounds=bounds,
        chunk_shape=chunk_shape,
        bin_shape=bin_shape,
        dtype=dtype,
        attributes=attributes,
        codec=codec,
        shards=shards,
        name=name,
        crs=crs,
    )
    if mode not in ("w-", "w"):
        raise InvalidInputError(f"mode = {mode!r}, expected 'w-' or 'w'")
    return NewStore(place, options, overwrite=mode == "w", storage_options=storage_options)


def resolve_options(
    *, attributes: Mapping[str, AttributeSpec | Mapping[str, Any]] | None, **options: Any
) -> WriteOptions:
    """The options of a writer from the arguments of :func:`create`."""
    specs = {}
    for name, spec in (attributes or {}).items():
        try:
            specs[name] = spec if isinstance(spec, AttributeSpec) else AttributeSpec(**spec)
        except TypeError as error:
            raise InvalidInputError(f"attribute {name!r}: {spec!r} is not unit, description, channel_names") from error
    return WriteOptions(vertex_attributes=specs, **{"dtype": "float32", **options})


class NewStore(Store):
    """A store that was created and not yet written; afterwards a store like any other. Made by :func:`create`."""

    def __init__(
        self,
        place: Place,
        options: WriteOptions,
        *,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        sink: PrefixedSink | None = None,
    ) -> None:
        self._target, self._options = place, options
        self._overwrite, self._storage_options, self._sink = overwrite, storage_options, sink
        self._is_written = False

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__") or self.__dict__.get("_is_written"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise InvalidInputError(f"nothing was written to {self._target} yet: use write or writer first")

    def __repr__(self) -> str:
        return super().__repr__() if self._is_written else f"<zvview.NewStore {self._target}, not written>"

    def close(self) -> None:
        """Give back what is held open."""
        if self._is_written:
            super().close()

    def write(
        self,
        batch: Batch,
        object_attributes: Mapping[str, ArrayLike] | None = None,
        groups: Mapping[str, ArrayLike | range] | Mapping[int, ArrayLike | range] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        **extras: Any,
    ) -> None:
        """Write all of level 0; the store appears when this returns.

        Parameters
        ----------
        batch : Batch
            Of the store's kind.
        object_attributes : mapping of str to (U,) or (U, C), optional
            A row for each of the U different objects, in the order in which they first appear in ``object_ids``.
        groups : mapping, optional
            Member ids by name, or by number from 0.
        progress : callable, optional
            Called with what is written so far and all there is.
        **extras
            ``group_attributes``, ``parametric``, ``headers``, ``user_metadata``, ``root_attributes``: see
            :meth:`Writer.close`.
        """
        with self.writer(progress=progress, cancel=cancel) as writer:
            writer.append(batch, object_attributes)
            writer.close(groups=groups, **extras)

    def writer(
        self, *, progress: Callable[[int, int], None] | None = None, cancel: CancelToken | None = None
    ) -> Writer:
        """A context manager that takes batches one after the other, for stores larger than memory."""
        if self._is_written:
            super().writer()
        return Writer(
            self, self._options, self._sink or self._target, self._overwrite, self._storage_options, progress, cancel
        )

    def attach(self) -> None:
        """Open what was written."""
        if self._sink is None:
            super().__init__(open_source(self._target, storage_options=self._storage_options))
            self._is_written = True


class Writer(StoreWriter):
    """Takes the batches of a new store; closing it makes the store appear, leaving it by an exception drops all."""

    def __init__(
        self,
        store: NewStore,
        options: WriteOptions,
        target: Place | PrefixedSink,
        overwrite: bool,
        storage_options: Mapping[str, Any] | None,
        progress: Callable[[int, int], None] | None,
        cancel: CancelToken | None,
    ) -> None:
        super().__init__(
            target, options, overwrite=overwrite, storage_options=storage_options, progress=progress, cancel=cancel
        )
        self._store = store

    def close(self, **extras: Any) -> None:
        """Write everything and let the store appear; see :meth:`StoreWriter.close` for `extras`."""
        super().close(**extras)
        self._store.attach()
