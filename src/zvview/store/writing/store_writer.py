"""The facade: batches are appended to a new store, which appears as a whole when it is closed, or not at all."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from types import NoneType, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.format import documents, names
from zvview.format.link_addresses import WIDEST_LINK
from zvview.geometry.arguments import as_mapping, check_type
from zvview.geometry.batches import Batch
from zvview.geometry.parametric import ParametricObjects
from zvview.store.hierarchy import document_key
from zvview.store.index import build_index
from zvview.store.places.open import Place
from zvview.store.places.prefixed import PrefixedSink
from zvview.store.places.source import Sink
from zvview.store.replacing import open_new_sink
from zvview.store.writing.choose import choose_bin_shape, choose_chunk_shape
from zvview.store.writing.extras import write_headers, write_parametric
from zvview.store.writing.gathering import Gathering
from zvview.store.writing.intake import take_in
from zvview.store.writing.level import LevelContent, LevelPlan, WrittenLevel, write_level
from zvview.store.writing.object_ids import ObjectIds
from zvview.store.writing.objects import GroupContent
from zvview.store.writing.options import WriteOptions, as_axes, bins_of_chunk, codecs_of
from zvview.store.writing.partition import Tiling, check_reach
from zvview.store.writing.runs import Spool
from zvview.store.writing.samples import StrideSample
from zvview.store.writing.schema import Schema

__all__ = ["StoreWriter", "write_store"]

_SAMPLE_ROWS = 20_000


class StoreWriter:
    """Writes a new store of one kind, from any number of batches.

    A context manager: leaving it closes the store, leaving it by an exception (or forgetting it) aborts it. Nothing is
    seen at the place before :meth:`close` is through; after :meth:`abort` it is as before.

    Parameters
    ----------
    place : str, path, mapping, zarr store or PrefixedSink
        See :func:`zvview.store.replacing.open_new_sink`; a store inside a place that is being written takes its sink.
    options : WriteOptions
    overwrite : bool
        Replace the Zarr Vectors store that is there.
    storage_options : mapping, optional
        For addresses.
    progress : callable, optional
        Called while the store is closed, with the vertices and links written so far and all there are.
    cancel : CancelToken, optional
        Looked at by :meth:`append` and while the store is closed.
    """

    def __init__(
        self,
        place: Place | PrefixedSink,
        options: WriteOptions,
        *,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        check_type(cancel, "cancel", (CancelToken, NoneType), "a zvview.CancelToken")
        check_type(progress, "progress", (Callable, NoneType), "a function of two numbers")  # type: ignore[arg-type]
        self._options = options
        self._progress, self._cancel = progress, cancel
        self._vertices = Schema("vertex attribute", options.vertex_attributes)
        self._links = Schema("link attribute", options.link_attributes)
        self._ids = ObjectIds()
        self._spool = Spool()
        self._gathering = Gathering(options.memory_bytes, self._spool)
        self._dtype = None if options.dtype is None else np.dtype(options.dtype)
        self._ndim = options.ndim
        self._lo: NDArray[np.float64] | None = None
        self._hi: NDArray[np.float64] | None = None
        self._sample = StrideSample(_SAMPLE_ROWS)
        self._link_width: int | None = None
        self._bytes = 0  # of all cells, but for fragments
        self._is_open = True
        self._sink: Sink = (
            place
            if isinstance(place, PrefixedSink)
            else open_new_sink(place, overwrite=overwrite, storage_options=storage_options)
        )
        self._abandoned = weakref.finalize(self, _abandon, self._spool, self._sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif self._is_open:
            self.close()

    @property
    def spilled_arrays(self) -> int:
        """Arrays that went to a temporary folder so far, for want of memory."""
        return self._spool.files

    def append(self, batch: Batch, object_attributes: Mapping[str, ArrayLike] | None = None) -> None:
        """Add a batch.

        Parameters
        ----------
        batch : Batch
            Of the store's kind, with the same attributes as those before. Objects must be whole, but for points: those
            of one id in several batches are one object. Without ids, pieces are numbered on from those before.
        object_attributes : mapping of str to (U,) or (U, C), optional
            A row for each of the U different objects of the batch, in the order in which they first appear in its
            ``object_ids``. None, NaN, masked values and empty text are "absent". Booleans are stored as int8.

        Raises
        ------
        InvalidInputError
            What the batch holds contradicts the options, the batches before, or what the format can store.
        Cancelled
            The token was set. After any error the store is aborted.
        """
        self._check_open()
        try:
            self._take(batch, object_attributes)
        except BaseException:
            self.abort()
            raise

    def _take(self, batch: Batch, object_attributes: Mapping[str, ArrayLike] | None) -> None:
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()
        check_type(batch, "batch", Batch, "one of zvview.Points, zvview.Mesh and the like")
        if self._ndim is not None and batch.ndim != self._ndim:
            raise InvalidInputError(f"positions with {batch.ndim} coordinates in a store of {self._ndim} axes")
        dtype = batch.positions.dtype if self._dtype is None else self._dtype
        ids = self._ids
        intake = take_in(
            batch, dtype=dtype, vertices=self._vertices, links=self._links, ids=ids, kind=self._options.kind
        )
        if object_attributes is not None:
            ids.add_attributes(object_attributes)
        if intake.links is not None:
            if intake.links.shape[1] > WIDEST_LINK:
                raise InvalidInputError(
                    f"faces of {intake.links.shape[1]} corners: a store holds faces of up to {WIDEST_LINK}"
                )
            width = self._link_width = self._link_width or intake.links.shape[1]
            if intake.links.shape[1] != width:
                raise InvalidInputError(f"faces of {intake.links.shape[1]} corners in a store of faces of {width}")
            self._bytes += intake.links.shape[0] * (8 * width + self._links.row_bytes)
        self._ndim, self._dtype = batch.ndim, dtype
        self._bytes += len(batch) * (batch.ndim * dtype.itemsize + self._vertices.row_bytes)
        self._extend(intake.positions)
        chunk_shape = self._options.chunk_shape
        self._gathering.add(intake, None if chunk_shape is None else self._tiling(tuple(chunk_shape)))

    def close(
        self,
        *,
        groups: Mapping[str, ArrayLike | range] | Mapping[int, ArrayLike | range] | None = None,
        group_attributes: Mapping[str, ArrayLike] | None = None,
        parametric: ParametricObjects | None = None,
        headers: Mapping[str, Mapping[str, Any]] | None = None,
        user_metadata: Mapping[str, Any] | None = None,
        root_attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Write everything and let the store appear.

        Parameters
        ----------
        groups : mapping, optional
            Member ids (or a range) by name, or by number from 0.
        group_attributes : mapping, optional
            A row for each group.
        parametric : ParametricObjects, optional
        headers : mapping, optional
            Headers of foreign formats, by format.
        user_metadata : mapping, optional
            Objects by application.
        root_attributes : mapping, optional
            Further attributes of the root group; they cannot replace the store's own.

        Raises
        ------
        InvalidInputError
            See :class:`~zvview.store.writing.objects.GroupContent`; metadata that JSON cannot hold.
        Cancelled
            The token was set.
        """
        self._check_open()
        try:
            root = dict(as_mapping(root_attributes, "root_attributes"))
            own = dict(as_mapping(user_metadata, "user_metadata"))
            foreign = write_headers(headers)
            wanted = None if groups is None else GroupContent.of(groups, group_attributes)
            level = self._write_level(wanted)
            nodes = dict(level.documents)
            if parametric is not None:
                nodes |= write_parametric(self._sink, parametric)
            nodes |= foreign
            encoded = {p: documents.encode_document(nodes[p]) for p in sorted(nodes, key=lambda p: (-p.count("/"), p))}
            self._sink.put_many((document_key(path), (data,)) for path, data in encoded.items())
            if self._options.has_index:
                self._write_index(nodes, encoded, level)
            root |= self._root_attributes() | ({names.USER_METADATA: own} if own else {})
            self._sink.put_many([(document_key(""), (documents.encode_document(documents.group(root)),))])
            self._sink.commit()
        except BaseException:
            self.abort()
            raise
        self._release()

    def abort(self) -> None:
        """Drop everything; the place is as it was. Does nothing after :meth:`close` or a second time."""
        if self._is_open:
            self._release()
            self._sink.abort()

    def _check_open(self) -> None:
        if not self._is_open:
            raise InvalidInputError("the store was closed or aborted; make a new writer")

    def _release(self) -> None:
        self._is_open = False
        self._abandoned.detach()
        self._gathering.clear()
        self._spool.close()

    def _extend(self, positions: NDArray[np.floating]) -> None:
        """Widen the extent; refuse vertices outside of given bounds."""
        if not len(positions):
            return
        columns = [np.ascontiguousarray(positions[:, d]) for d in range(positions.shape[1])]
        lo = np.array([c.min() for c in columns], np.float64)
        hi = np.array([c.max() for c in columns], np.float64)
        if self._options.bounds is not None:
            least, most = np.array(self._options.bounds)
            if (lo < least).any() or (hi > most).any():
                row = int(np.flatnonzero(((positions < least) | (positions > most)).any(axis=1))[0])
                raise InvalidInputError(
                    f"vertex {row} of the batch, at {positions[row].tolist()}, is outside of the bounds"
                )
        if self._options.chunk_shape is not None:
            check_reach(lo, hi, self._options.chunk_shape)
        self._lo = lo if self._lo is None else np.minimum(self._lo, lo)
        self._hi = hi if self._hi is None else np.maximum(self._hi, hi)
        self._sample.add(positions)

    def _tiling(self, chunk_shape: tuple[float, ...]) -> Tiling:
        kind = self._options.kind
        has_bins = kind == names.POINT_CLOUD and not self._ids.has_point_ids
        bins = bins_of_chunk(chunk_shape, self._bin_shape(chunk_shape)) if has_bins else None
        return Tiling(kind, chunk_shape, bins)

    def _bin_shape(self, chunk_shape: tuple[float, ...]) -> tuple[float, ...]:
        given = self._options.bin_shape
        return choose_bin_shape(chunk_shape, self._options.kind == names.POINT_CLOUD) if given is None else tuple(given)

    def _write_level(self, groups: GroupContent | None) -> WrittenLevel:
        options = self._options
        if self._ndim is None:
            raise InvalidInputError("a store without a batch has no axes; append one, or give axes")
        self._axes = as_axes(options.axes, self._ndim)
        lo = np.zeros(self._ndim) if self._lo is None else self._lo
        hi = np.zeros(self._ndim) if self._hi is None else self._hi
        self._bounds = np.array((lo, hi) if options.bounds is None else options.bounds, np.float64)
        chunk_shape = options.chunk_shape
        if chunk_shape is None:
            chunk_shape = choose_chunk_shape(self._sample.rows(), lo, hi, self._axes, self._bytes)
        self._chunk_shape = tuple(chunk_shape)
        tiling = self._tiling(self._chunk_shape)
        plan = LevelPlan(
            0,
            tiling,
            self._bounds[0],
            self._bounds[1],
            codecs=codecs_of(options.codec, is_local=self._sink.is_local),
            shards=options.shards,
            wave_bytes=min(32 << 20, max(1 << 16, options.memory_bytes // 8)),
        )
        content = LevelContent(
            self._gathering.finish(tiling),
            self._vertices,
            self._links,
            None if options.kind == names.POINT_CLOUD else self._ids.known,
            self._ids.attributes,
            options.object_attributes,
            groups,
        )
        return write_level(self._sink, plan, content, progress=self._progress, cancel=self._cancel)

    def _write_index(
        self, nodes: Mapping[str, Mapping[str, Any]], encoded: Mapping[str, bytes], level: WrittenLevel
    ) -> None:
        own, cells = build_index(nodes, encoded, [level.indexed])
        self._sink.put_many(cells)
        paths = sorted(own, key=lambda p: -p.count("/"))
        self._sink.put_many((document_key(p), (documents.encode_document(own[p]),)) for p in paths)

    def _root_attributes(self) -> dict[str, Any]:
        options = self._options
        name = options.name or os.path.basename(self._sink.place.rstrip("/\\")) or "store"
        specs = {"vertex": self._vertices.declared(), "object": self._ids.declared(options.object_attributes)}
        specs["link"] = self._links.declared()
        return documents.root_attributes(
            kind=options.kind,
            axes=self._axes,
            chunk_shape=self._chunk_shape,
            bin_shape=self._bin_shape(self._chunk_shape),
            bounds=self._bounds,
            scales={"0": [1.0] * len(self._axes)},
            name=name,
            crs=options.crs,
            attribute_specs={scope: entries for scope, entries in specs.items() if entries},
        )


def _abandon(spool: Spool, sink: Sink) -> None:
    """What is done for a writer that was neither closed nor aborted when it goes."""
    spool.close()
    sink.abort()


def write_store(
    place: Place | PrefixedSink,
    batch: Batch,
    options: WriteOptions | None = None,
    *,
    object_attributes: Mapping[str, ArrayLike] | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
    **extras: Any,
) -> None:
    """Write one batch as a new store; `extras` are those of :meth:`StoreWriter.close`."""
    if options is None:
        check_type(batch, "batch", Batch, "one of zvview.Points, zvview.Mesh and the like")
        options = WriteOptions(kind=batch.kind)
    with StoreWriter(
        place, options, overwrite=overwrite, storage_options=storage_options, progress=progress, cancel=cancel
    ) as writer:
        writer.append(batch, object_attributes)
        writer.close(**extras)
