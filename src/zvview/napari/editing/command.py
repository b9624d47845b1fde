"""Commands of the edit mode, as the dock and the keyboard offer them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be done to what is selected.

    Attributes
    ----------
    title : str
        Of its button.
    key : str
        That does it on the canvas, as napari writes keys.
    """

    title: str
    key: str
