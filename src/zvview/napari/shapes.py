"""Lines of a plane as a ``Shapes`` layer, to be edited by napari's own tools: those in view, whole, at full detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from weakref import ref

import napari
import numpy as np
from napari.layers import Layer, Shapes
from napari.utils.notifications import show_error, show_info
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError, ZvviewError
from zvview.format.grid import chunks_in_box
from zvview.geometry.batches import Polylines
from zvview.geometry.select import keep_objects
from zvview.napari.dock.background import Background
from zvview.napari.editing.shapes import follow_shapes
from zvview.napari.frame import Frame
from zvview.store.store import Store
from zvview.stream import Filter
from zvview.stream.filtering import wanted_objects
from zvview.style import Colouring, colour_vertices

__all__ = ["MOST_PATHS", "MOST_VERTICES", "Drawing", "open_active_as_shapes", "open_as_shapes", "read_drawing"]

MOST_PATHS: Final = 1500
"""Most lines in one ``Shapes`` layer: above, napari takes seconds for each change."""

MOST_VERTICES: Final = 500_000
"""Most vertices that are read to find out how many lines there are."""

_FILL_OPACITY: Final = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What a ``Shapes`` layer is made of.

    Attributes
    ----------
    paths : list of (n, 2) float64 arrays
        In the layer's data coordinates; of closed lines without the last vertex, which is the first.
    types : list of str
        ``polygon`` where a line is closed, else ``path``.
    features : dict of str to (k,) array
        ``id`` and the attributes of the objects.
    colours : (k, 4) float32 array
    """

    paths: list[NDArray[np.float64]]
    types: list[str]
    features: dict[str, NDArray[Any]]
    colours: NDArray[np.float32]


def read_drawing(
    store: Store,
    frame: Frame,
    box: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    filter: Filter | None = None,
    colouring: Colouring | None = None,
    cancel: CancelToken | None = None,
) -> Drawing:
    """All lines of a store that touch a box, whole, at full detail; reads, on any thread.

    Parameters
    ----------
    store : Store
        Of lines, with two axes.
    frame : Frame
    box : (lo, hi), each (2,)
        In the store's coordinates.
    filter : Filter, optional
        Objects and groups that it names are minded. Ranges and categories are not: they hide parts of lines.
    colouring : Colouring, optional
        Of the first vertex of each line.

    Raises
    ------
    InvalidInputError
        The store is of another kind, or there are too many lines.
    ZvviewError
        As for :meth:`zvview.Level.read`.
    """
    if (reason := _reason_against(store)) is not None:
        raise InvalidInputError(reason)
    level = store.level(store.levels[0])
    shift = np.zeros(2) if store.metadata.offset is None else store.metadata.offset
    chunks = chunks_in_box(level.chunks, level.chunk_shape, box[0] - shift, box[1] - shift)
    count = int(level.chunk_vertex_counts[chunks].sum())
    if count > MOST_VERTICES:
        raise InvalidInputError(
            f"{count:,} vertices in view: no more than {MOST_VERTICES:,} are read for Shapes. Zoom in"
        )
    found = level.read(box=box, clip="objects", cancel=cancel)
    wanted = None if filter is None else wanted_objects(filter, store.groups)
    batch = found if wanted is None else keep_objects(found, wanted)
    assert isinstance(batch, Polylines)
    lines = len(batch.offsets) - 1
    if lines > MOST_PATHS:
        raise InvalidInputError(f"{lines:,} lines in view: Shapes hang above {MOST_PATHS:,}. Zoom in, or filter")
    positions = np.asarray(batch.positions, np.float64)[:, list(frame.order)] - frame.origin
    paths = [positions[a:b] for a, b in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]
    is_closed = [len(p) > 3 and bool((p[0] == p[-1]).all()) for p in paths]
    is_path = np.array([len(p) > 1 for p in paths], bool)  # a single vertex is no path
    rows = np.flatnonzero(is_path).tolist()
    ids = np.full(lines, -1, np.int64) if batch.object_ids is None else batch.object_ids
    colours = colour_vertices(batch, colouring or Colouring())[batch.offsets[:-1]]
    return Drawing(
        [paths[row][:-1] if is_closed[row] else paths[row] for row in rows],
        ["polygon" if is_closed[row] else "path" for row in rows],
        {"id": ids[rows], **_object_features(store, ids[rows])},
        colours[rows],
    )


def _reason_against(store: Store) -> str | None:
    """Why the lines of a store cannot be edited as Shapes; None where they can."""
    if store.kind not in ("line", "polyline", "streamline"):
        return f"a store of kind {store.kind} cannot be opened as Shapes: only lines can"
    if store.metadata.ndim != 2:
        return f"a store of {store.metadata.ndim} axes cannot be opened as Shapes: they edit in a plane alone"
    return None if store.levels else "the store is empty"


def _object_features(store: Store, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Object attributes of some objects; channels are columns of their own, missing numbers NaN."""
    level = store.level(store.levels[0])
    known = level.object_ids
    if known is None or not len(known):
        return {}
    order = np.argsort(known, kind="stable")
    rows = order[np.minimum(np.searchsorted(known, ids, sorter=order), len(known) - 1)]
    is_known = known[rows] == ids
    out: dict[str, NDArray[Any]] = {}
    for name in level.object_attribute_names:
        values = level.object_attribute(name)[rows]
        missing = np.ma.getmaskarray(values) | ~is_known.reshape(-1, *[1] * (values.ndim - 1))
        column = np.array(values.data)
        if missing.any() and column.dtype.kind in "iuf":
            column = np.where(missing, np.nan, column)
        elif missing.any():
            column = np.where(missing, "", column)
        if column.ndim == 1:
            out[name] = column
        else:
            out.update({f"{name}[{c}]": column[:, c] for c in range(column.shape[1])})
    out.pop("id", None)
    return out


class _Opening:
    """Reads what is in view of a layer on a thread of its own and adds the Shapes to the viewer that asked."""

    _pending: set[_Opening] = set()  # noqa: RUF012 - nobody else holds them while they wait

    def __init__(self, layer: Layer, viewer: Any) -> None:
        self._layer, self._viewer, self._background = layer, ref(viewer), Background("zvview-shapes")

    def start(self) -> None:
        stream, layer = self._layer.stream, self._layer
        view = stream.view
        if view is None:
            raise InvalidInputError(f"{layer.name} is in no viewer")
        filter, colouring = stream.filter, stream.colouring
        self._pending.add(self)
        self._background.ask(
            lambda cancel: read_drawing(
                stream.store, stream.frame, view.box, filter=filter, colouring=colouring, cancel=cancel
            ),
            self._arrived,
        )

    def _arrived(self, answer: Drawing | ZvviewError) -> None:
        """On the thread of the window."""
        self._pending.discard(self)
        self._background.close()
        viewer, layer = self._viewer(), self._layer
        if isinstance(answer, ZvviewError):
            show_error(f"{layer.name}: {answer}")
        elif viewer is not None and not answer.paths:
            show_info(f"{layer.name}: no lines in view")
        elif viewer is not None:
            viewer.dims.ndisplay = 2  # shapes of a plane are edited there, and napari cannot add them in 3-D
            follow_shapes(viewer.add_layer(_make_shapes(answer, layer)), layer)


def _make_shapes(drawing: Drawing, layer: Layer) -> Shapes:
    width = float(np.ptp(np.concatenate(drawing.paths), axis=0).max()) / 500
    inside = drawing.colours * [1, 1, 1, _FILL_OPACITY]
    inside[np.array(drawing.types) == "path"] = 0
    shapes = Shapes(
        drawing.paths,
        shape_type=drawing.types,
        features=drawing.features,
        edge_width=width or 1.0,
        edge_color=drawing.colours,
        face_color=inside,
        opacity=1.0,
        name=f"{layer.name} shapes",
        metadata={"zarr_vectors": {**layer.metadata.get("zarr_vectors", {}), "level": layer.stream.store.levels[0]}},
        translate=layer.translate,
        scale=layer.scale,
        units=layer.units,
        axis_labels=layer.axis_labels,
    )
    shapes.feature_defaults["id"] = -1  # of those that the user draws
    return shapes


def open_as_shapes(layer: Layer, viewer: Any = None) -> None:
    """Add what is in view of a layer of lines to its viewer as a ``Shapes`` layer; returns at once.

    Closed lines become polygons, others paths; ids and attributes of objects are features. Nothing is added, and the
    reason is told, where there are more than :data:`MOST_PATHS` lines in view.

    Parameters
    ----------
    layer : Layer
        One that streams from a store of lines with two axes.
    viewer : napari.Viewer, optional
        The current one by default.

    Raises
    ------
    InvalidInputError
        The layer is of another kind, or in no viewer.
    """
    viewer = napari.current_viewer() if viewer is None else viewer
    stream = getattr(layer, "stream", None)
    if stream is None or viewer is None:
        raise InvalidInputError("choose a layer of lines from a Zarr Vectors store first")
    if (reason := _reason_against(stream.store)) is not None:
        raise InvalidInputError(reason)
    _Opening(layer, viewer).start()


def open_active_as_shapes() -> None:
    """The command of the menu: :func:`open_as_shapes` of the active layer."""
    viewer = napari.current_viewer()
    try:
        open_as_shapes(None if viewer is None else viewer.layers.selection.active, viewer)
    except InvalidInputError as error:
        show_error(str(error))
