"""Where layers may be saved: what is not ours is never replaced, and what is ours only when the user says so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Final

from napari.layers import Layer
from qtpy.QtWidgets import QApplication, QMessageBox

from zvview.errors import Cancelled, ExistsError, InvalidInputError, NotZarrVectorsError
from zvview.store.places.open import open_source
from zvview.store.places.replace import refuse_foreign

__all__ = ["ask", "check_target", "is_within", "with_suffix"]

_SUFFIXES: Final = (".zarrvectors", ".zv", ".zarr", ".zip")


def with_suffix(place: str) -> str:
    """A place with the suffix by which stores are known, unless it has one, or something is there already.

    Napari's dialog adds none to a name that is typed without.
    """
    is_known = place.lower().endswith(_SUFFIXES) or os.path.lexists(place)
    return place if is_known else f"{place.rstrip('/')}{_SUFFIXES[0]}"


def is_within(inner: str, outer: str) -> bool:
    """Whether two places, paths or addresses, are one, or the first lies in the second, as stores do in collections."""
    whole = _parts(outer)
    return _parts(inner)[: len(whole)] == whole


def check_target(place: str, sources: Iterable[str], layers: Sequence[Layer]) -> bool:
    """Whether what is at a place is to be replaced; asks the user, where it is a store.

    Parameters
    ----------
    place : str
    sources : iterable of str
        Places of stores that are to be copied there.
    layers : sequence of Layer
        That stream.

    Raises
    ------
    InvalidInputError
        The place lies in a store that is copied, or around it.
    ExistsError
        What is there is no store, a layer streams from it, or there is nobody to ask.
    Cancelled
        The user does not want it replaced.
    """
    target = _parts(place)
    for source in sources:
        if target != (found := _parts(source)) and _overlap(target, found):
            raise InvalidInputError(
                f"{place} and {source}, which is copied, lie inside of each other: name another place"
            )
    if "://" in place or not os.path.lexists(place) or (os.path.isdir(place) and not os.listdir(place)):
        return False
    for layer in layers:
        found = _parts(layer.stream.store.place)
        if _overlap(target, found):
            raise ExistsError(f"the layer {layer.name!r} streams from {place}: remove it first, or name another place")
    try:
        with closing(open_source(place)) as there:
            refuse_foreign(there)
    except NotZarrVectorsError as error:
        raise ExistsError(f"{place} is not a Zarr Vectors store and is not replaced: name another place") from error
    if os.path.isdir(place):  # of files the dialog has asked
        if not any(widget.isVisible() for widget in QApplication.topLevelWidgets()):
            raise ExistsError(f"{place} is a store already, and there is nobody to ask whether to replace it")
        if not ask(f"{place}\nis a Zarr Vectors store. Replace it? What it holds is lost."):
            raise Cancelled(f"{place} was left as it is")
    return True


def ask(question: str) -> bool:
    """What the user answers; no by default."""
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        QApplication.activeWindow(), "Save layers", question, buttons.Yes | buttons.No, buttons.No
    )
    return bool(answer == buttons.Yes)


def _parts(place: str) -> tuple[str, ...]:
    """A path with links resolved, or an address, part by part."""
    text = place.removesuffix("zarr.json").rstrip("/\\")
    scheme, mark, rest = text.partition("://")
    if mark:
        return (scheme.lower(), *rest.split("/"))
    return tuple(os.path.normcase(os.path.realpath(os.path.expanduser(text))).replace("\\", "/").split("/"))


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]
