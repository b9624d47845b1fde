"""How each point looks, where attributes of the store say so: sizes, symbols, borders, and which are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
from napari.layers.points._points_constants import Symbol
from numpy.typing import NDArray

from zvview.format.attributes import AttributeMetadata
from zvview.napari.preparing import colours_in
from zvview.samples import Look

__all__ = ["PointColumns"]

_KNOWN: Final = frozenset(symbol.value for symbol in Symbol)


@dataclass(frozen=True, slots=True)
class PointColumns:
    """Names of the features that say how each point looks; None where all look alike.

    A level that does not carry one of them shows its points alike.

    Attributes
    ----------
    size, border_width : str or None
        Diameters, in data units, and shares of these.
    symbol : str or None
        Codes of `symbols`.
    symbols : tuple of str
        Of napari.
    border_colour : str or None
        Of four channels, which are features of their own.
    shown : str or None
        0 hides a point.
    """

    size: str | None = None
    border_width: str | None = None
    symbol: str | None = None
    symbols: tuple[str, ...] = ()
    border_colour: str | None = None
    shown: str | None = None

    @classmethod
    def of(cls, look: Look, attributes: Mapping[str, AttributeMetadata]) -> Self:
        """What a look names, as far as the attributes of a store can be that."""
        found = attributes.get(look.symbol_by or "")
        labels = () if found is None or found.categories is None else found.categories.labels
        return cls(
            size=look.size_by,
            border_width=look.border_width_by,
            symbol=look.symbol_by if labels else None,
            symbols=tuple(label if label in _KNOWN else "disc" for label in labels),
            border_colour=look.border_colour_by,
            shown=look.shown_by,
        )

    def without(self, *names: str) -> Self:
        """The same, but some of it alike for all points."""
        gone: dict[str, Any] = dict.fromkeys(names)
        return replace(self, **gone)

    def sizes(self, features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """Diameters, (N,), if these features tell them."""
        return _shares(features, self.size, np.inf)

    def border_widths(self, features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """Widths of borders as shares of the diameters, (N,), if these features tell them."""
        return _shares(features, self.border_width, 1.0)

    def are_shown(self, features: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_] | None:
        """Which points are shown, (N,), if these features tell it; an average of several is, if any of them was."""
        values = features.get(self.shown or "")
        return None if values is None else np.asarray(values != 0)

    def symbols_of(self, features: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        """Symbols, (N,) objects, if these features tell them; where they have none it is a disc."""
        codes = features.get(self.symbol or "")
        if codes is None or not self.symbols:
            return None
        known = np.array([*(Symbol(name) for name in self.symbols), Symbol.DISC], object)
        is_known = (codes >= 0) & (codes < len(self.symbols))
        return np.asarray(known[np.where(is_known, codes, len(self.symbols)).astype(np.intp)])

    def border_colours(self, features: Mapping[str, NDArray[Any]]) -> NDArray[np.float32] | None:
        """Colours of borders, (N, 4), if these features tell them."""
        return None if self.border_colour is None else colours_in(features, self.border_colour)


def _shares(features: Mapping[str, NDArray[Any]], name: str | None, most: float) -> NDArray[np.float32] | None:
    values = features.get(name or "")
    if values is None or values.dtype.kind not in "iuf":
        return None
    return np.clip(np.nan_to_num(values.astype(np.float32)), 0, most)
