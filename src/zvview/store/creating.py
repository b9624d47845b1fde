"""Creating stores: what is asked for is kept, and the store appears as a whole once its content is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from inspect import signature
from os import PathLike
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike, DTypeLike

from zvview.cancel import CancelToken
from zvview.errors import ExistsError, InvalidInputError
from zvview.format.metadata import Axis
from zvview.geometry.arguments import as_mapping, check_choice, check_type
from zvview.geometry.batches import Batch
from zvview.store.places.open import Place, open_source
from zvview.store.places.prefixed import PrefixedSink
from zvview.store.store import Store
from zvview.store.writing.options import AttributeSpec, CodecSpec, WriteOptions
from zvview.store.writing.store_writer import StoreWriter, write_store

__all__ = ["MODES", "NewStore", "Writer", "create", "resolve_options"]

Mode = Literal["w-", "w"]
MODES = ("w-", "w")
"""Refuse what is there already, or replace it."""

Specs: TypeAlias = Mapping[str, AttributeSpec | Mapping[str, Any]]


def create(
    place: Place,
    *,
    kind: str,
    axes: Sequence[str | Mapping[str, str] | Axis] | None = None,
    bounds: tuple[Sequence[float], Sequence[float]] | None = None,
    chunk_shape: Sequence[float] | None = None,
    bin_shape: Sequence[float] | None = None,
    dtype: DTypeLike = "float32",
    attributes: Specs | None = None,
    object_attributes: Specs | None = None,
    link_attributes: Specs | None = None,
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
    attributes, object_attributes, link_attributes : mapping of str to AttributeSpec or dict, optional
        ``unit``, ``description``, ``channel_names`` and ``is_ordered`` of attributes of vertices, of objects, and of
        edges or faces; attributes that are not named here are written all the same.
    codec : None, "raw", "zstd", "blosc", "gzip", dict or list of dict
        Compression of cells: raw in local places and zstd in remote ones by default.
    shards : None, bool, int or D ints
        Cells of a shard along each axis; by default sharded only above 20,000 cells, and as finely as leaves fewer
        files, since an edit rewrites whole shards.
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
    ConflictError
        When writing begins, or ends: another process is changing the store that would be replaced, which is left alone.
    """
    options = resolve_options(
        kind=kind,
        axes=axes,
        bounds=bounds,
        chunk_shape=chunk_shape,
        bin_shape=bin_shape,
        dtype=dtype,
        attributes=attributes,
        object_attributes=object_attributes,
        link_attributes=link_attributes,
        codec=codec,
        shards=shards,
        name=name,
        crs=crs,
    )
    check_choice(mode, "mode", MODES)
    return NewStore(place, options, overwrite=mode == "w", storage_options=storage_options)


def resolve_options(
    *,
    attributes: Specs | None,
    object_attributes: Specs | None = None,
    link_attributes: Specs | None = None,
    **options: Any,
) -> WriteOptions:
    """The options of a writer from the arguments of :func:`create`.

    Raises
    ------
    InvalidInputError
        Options that there are not, or that cannot be.
    """
    _check_known(options, {field.name for field in fields(WriteOptions)})
    return WriteOptions(
        vertex_attributes=_specs("attributes", attributes),
        object_attributes=_specs("object_attributes", object_attributes),
        link_attributes=_specs("link_attributes", link_attributes),
        **{"dtype": "float32", **options},
    )


def _specs(what: str, given: Specs | None) -> dict[str, AttributeSpec]:
    known = {field.name for field in fields(AttributeSpec)}
    specs = {}
    for name, spec in as_mapping(given, what).items():
        if not isinstance(spec, AttributeSpec):
            check_type(spec, f"{what} {name!r}", Mapping, f"a mapping of {', '.join(sorted(known))}")
            _check_known(spec, known)
            spec = AttributeSpec(**spec)
        specs[name] = spec
    return specs


def _check_known(options: Mapping[str, Any], known: Collection[str]) -> None:
    if unknown := [name for name in options if name not in known]:
        raise InvalidInputError(f"no option {unknown[0]!r}; there are {', '.join(sorted(known))}")


_EXTRAS = frozenset(signature(StoreWriter.close).parameters) - {"self"}


class NewStore(Store):
    """A store that was created and not yet written; afterwards a store like any other. Made by :func:`create`.

    Until it is written there is nothing to open: whatever asks for its content is refused.
    """

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
        self._is_written = self._is_open = False
        self.place = str(place) if isinstance(place, str | PathLike) else "memory"

    def _refresh(self) -> object:
        """See :class:`Store`, which calls this before whatever it tells of its content."""
        if self._is_open:
            return super()._refresh()
        if self._is_written:
            raise InvalidInputError(f"{self.place} is read through its collection, once that is written")
        raise InvalidInputError(f"nothing was written to {self.place} yet: use write or writer first")

    def __repr__(self) -> str:
        return super().__repr__() if self._is_open else f"<zvview.NewStore {self.place}, not written>"

    def close(self) -> None:
        """Give back what is held open."""
        if self._is_open:
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

        Raises
        ------
        ExistsError
            The store was written already, or something else stands at its place.
        InvalidInputError
            See :meth:`Writer.append` and :meth:`Writer.close`.
        """
        _check_known(extras, _EXTRAS)
        self._refuse_written()
        write_store(
            self._sink or self._target,
            batch,
            self._options,
            object_attributes=object_attributes,
            overwrite=self._overwrite,
            storage_options=self._storage_options,
            progress=progress,
            cancel=cancel,
            groups=groups,
            **extras,
        )
        self.attach()

    def writer(
        self, *, progress: Callable[[int, int], None] | None = None, cancel: CancelToken | None = None
    ) -> Writer:
        """A context manager that takes batches one after the other, for stores larger than memory.

        Raises
        ------
        ExistsError
            The store was written already, or something else stands at its place.
        """
        self._refuse_written()
        target = self._sink or self._target
        return Writer(self, self._options, target, self._overwrite, self._storage_options, progress, cancel)

    def _refuse_written(self) -> None:
        if self._is_written:
            raise ExistsError(f'{self.place} holds data already; zvview.create(place, mode="w", ...) replaces a store')

    def attach(self) -> None:
        """Open what was written; members of a collection are opened through it."""
        self._is_written = True
        if self._sink is None:
            super().__init__(open_source(self._target, storage_options=self._storage_options))
            self._is_open = True


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
        _check_known(extras, _EXTRAS)
        super().close(**extras)
        self._store.attach()
