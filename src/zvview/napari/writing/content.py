"""What a layer is as a store: one batch in world coordinates, in the store's order of axes, and how it looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch
from zvview.samples import Look
from zvview.store.writing.options import AttributeSpec

__all__ = ["CHANNELS", "LayerContent", "LayerTuple", "has_text"]

LayerTuple = tuple[Any, Mapping[str, Any], str]
"""What napari hands to writers of a layer: its data, its attributes, and the type of the layer."""

CHANNELS = AttributeSpec(channel_names=("red", "green", "blue", "alpha"))
"""Of attributes that are colours."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerContent:
    """What is written for a layer.

    Attributes
    ----------
    name : str
        Of the layer.
    batch : Batch
    axes : tuple of Axis
    look : Look
    attributes : mapping of str to AttributeSpec
        Units and channel names of vertex attributes.
    object_attributes : mapping of str to (U,) or (U, C) array
        A row for each object, in their order in the batch.
    user_metadata : mapping
        Beside the look.
    notes : tuple of str
        What of the layer a store cannot hold, and what was changed.
    """

    name: str
    batch: Batch
    axes: tuple[Axis, ...]
    look: Look
    attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    object_attributes: Mapping[str, Any] = field(default_factory=dict)
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def has_text(meta: Mapping[str, Any]) -> bool:
    """Whether a layer of points or shapes writes text beside them, and shows it."""
    text = meta.get("text")
    if not isinstance(text, Mapping) or not text.get("visible", True):
        return False
    string = text.get("string")
    return not isinstance(string, Mapping) or bool(str(string.get("constant", "text")))
