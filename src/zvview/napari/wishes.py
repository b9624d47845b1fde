"""What the user wishes of a layer that streams: colours, a filter, how much of other axes, a level, budgets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import ref

import numpy as np
from napari.layers import Layer
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal

from zvview.errors import InvalidInputError, ZvviewError
from zvview.geometry.batches import Batch
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.describing import Description, describe
from zvview.napari.frame import Frame
from zvview.napari.groups import GroupsOfStore
from zvview.napari.layers import is_fast
from zvview.napari.plain import PLAIN_BUDGET
from zvview.napari.polygons import Filler, plane_of
from zvview.napari.preparing import Prepared, prepare
from zvview.napari.settings import ViewSettings
from zvview.napari.sight import find_view
from zvview.napari.summary import StoreSummary
from zvview.napari.tails import Tail
from zvview.store.store import Store
from zvview.stream import Filter, ViewState
from zvview.style import Colouring, LegendEntry, colour_axes, legend_of, with_limits

__all__ = ["StreamWishes"]


class StreamWishes(ABC):
    """Holds the wishes, and turns them into what the engine is asked for and what the layer is given.

    A class that has it as its base says how a wish takes effect, by :meth:`look` and :meth:`_renew`.

    Parameters
    ----------
    layer : Layer
        Held weakly.
    store : Store
    frame : Frame
    settings : ViewSettings
    colouring : Colouring
        To begin with.
    slab : (D,) float64 array
        See :attr:`slab`.
    tail : Tail or None
        See :attr:`tail`; None where there is no axis of time, or where that is sliced as all others are.
    """

    changed = Signal()
    """Sent when something else is shown, and when what was asked for was changed."""

    def __init__(
        self,
        layer: Layer,
        store: Store,
        frame: Frame,
        settings: ViewSettings,
        *,
        colouring: Colouring,
        slab: NDArray[np.float64],
        tail: Tail | None,
    ) -> None:
        self._layer, self.store, self.frame, self._settings = ref(layer), store, frame, settings
        self._colouring = self._asked_colouring = colouring
        self._groups = GroupsOfStore(store)
        self._summary = StoreSummary.of(store)
        self._filter = Filter()
        self._slab, self._tail = slab, tail
        plane = plane_of(self._summary.kind, self._summary.axes)
        self._filler = None if plane is None or not is_fast(layer) else Filler(plane)
        self._locked_level: int | None = None

    @abstractmethod
    def look(self) -> None:
        """Tell the engine what the viewer shows now; returns at once."""

    @abstractmethod
    def _renew(self) -> None:
        """Prepare anew what is shown, without reading it again."""

    @property
    def colouring(self) -> Colouring:
        """What the layer is coloured by; setting it colours anew what is shown, without reading positions again.

        Another one than before also takes back the colours that were set in napari's own controls.
        """
        return self._colouring

    @colouring.setter
    def colouring(self, colouring: Colouring) -> None:
        layer = self._layer()
        if colouring != self._colouring:
            self._asked_colouring = colouring
            if layer is not None and hasattr(layer, "forget_own_looks"):
                layer.forget_own_looks()
        self._colouring = colouring
        self._renew()
        self.changed.emit()

    @property
    def asked_colouring(self) -> Colouring:
        """What the layer was asked to be coloured by: without limits where these come from the store."""
        return self._asked_colouring

    @property
    def legend(self) -> tuple[LegendEntry, ...]:
        """What the colours mean, as far as they have names."""
        by, attributes = self._colouring, self._summary.attributes
        found = attributes.get(by.name or "")
        labels = () if found is None or found.categories is None else found.categories.labels
        if by.mode == "group":
            labels = () if self._groups.known is None else self._groups.known.labels
        axes = [self._summary.axes[axis].name for axis in colour_axes(self._summary.axes)]
        return legend_of(by, labels=labels, unit=None if found is None else found.unit, axes=axes)

    @property
    def filter(self) -> Filter:
        """What is left out; setting it shows the rest, at every level."""
        return self._filter

    @filter.setter
    def filter(self, filter: Filter) -> None:
        self._filter = filter
        self.look()
        self.changed.emit()

    @property
    def slab(self) -> NDArray[np.float64]:
        """Half the thickness, (D,), of what is shown along axes that are not on screen, in the store's order and units.

        By default half a chunk along space, so that it is not empty, and half a bin along other axes. The margins of
        napari's own sliders go before it.
        """
        return self._slab

    @slab.setter
    def slab(self, half: ArrayLike) -> None:
        self._slab = np.broadcast_to(np.asarray(half, np.float64), (self.frame.ndim,)).copy()
        self.look()
        self.changed.emit()

    @property
    def tail(self) -> float | None:
        """How much of the past of lines is drawn where time is not on screen, in the store's units of time.

        None where the store has no time, or where its kind is cut to a slab along time. Margins of napari's slider of
        time go before it.
        """
        return None if self._tail is None else self._tail.length

    @tail.setter
    def tail(self, length: float) -> None:
        self._set_tail(length=length)

    @property
    def head(self) -> float | None:
        """How much of the future of lines is drawn, as :attr:`tail`."""
        return None if self._tail is None else self._tail.head

    @head.setter
    def head(self, length: float) -> None:
        self._set_tail(head=length)

    @property
    def can_fill(self) -> bool:
        """Whether closed lines can be filled, by ``layer.fill``: those of stores with two axes of space."""
        return self._filler is not None

    @property
    def locked_level(self) -> int | None:
        """The level to show whatever the zoom; None to let the zoom choose."""
        return self._locked_level

    @locked_level.setter
    def locked_level(self, number: int | None) -> None:
        self._locked_level = number
        self.look()
        self.changed.emit()

    @property
    def settings(self) -> ViewSettings:
        """Budgets and quality; setting them takes effect with the next view."""
        return self._settings

    @settings.setter
    def settings(self, settings: ViewSettings) -> None:
        self._settings = settings
        self.look()

    def describe(self, values: Mapping[str, Any], *, wait: bool = False) -> Description:
        """What a vertex with some values, by name, is; from any thread.

        The groups of its object are read once; those who do not `wait` for it may not be told of them at first.
        """
        groups = self._groups.read() if wait else self._groups.known_or_ask()
        return describe(values, self._summary.attributes, groups)

    def _find_view(self, state: ViewerState, placement: LayerPlacement, layer: Layer) -> ViewState:
        """What the engine is asked for when a viewer shows the layer so."""
        return find_view(
            state,
            placement,
            self.frame,
            self._slab,
            filter=self._filter,
            budget_vertices=self._budget(layer),
            target_error_px=self._settings.target_error_px,
            locked_level=self._locked_level,
            tail=self._tail,
            ring=self._ring(layer),
        )

    def _budget(self, layer: Layer) -> int:
        budget = self._settings.budget(self._summary.kind)
        return budget if is_fast(layer) else min(budget, PLAIN_BUDGET)

    def _ring(self, layer: Layer) -> NDArray[np.float64] | None:
        """What is read around the canvas: lines are filled where they are closed, so they must be whole."""
        if self._filler is None or layer.fill <= 0:
            return None
        return self._summary.chunk_shape / 2

    def _prepare(self, batch: Batch) -> Prepared:
        """On the thread of the pipeline."""
        by, membership = self._colouring, None
        known = by
        with suppress(ZvviewError):  # of a store that went away: what was known must do
            self._summary = StoreSummary.of(self.store, with_statistics=True)
            membership = self._groups.read() if by.mode == "group" else None
            known = with_limits(self.store, by)
        if self._colouring is by:  # the user may have chosen another one meanwhile
            self._colouring = known
        axes, layer = colour_axes(self._summary.axes), self._layer()
        filler = self._filler if layer is not None and getattr(layer, "fill", 0) > 0 else None
        return prepare(batch, self.frame, known, membership=membership, colour_axes=axes, filler=filler)

    def _set_tail(self, **lengths: float) -> None:
        if self._tail is None:
            raise InvalidInputError("only lines of stores with an axis of time have a tail and a head")
        changes: dict[str, Any] = {name: max(0.0, float(value)) for name, value in lengths.items()}
        self._tail = replace(self._tail, **changes)
        self.look()
        self.changed.emit()
