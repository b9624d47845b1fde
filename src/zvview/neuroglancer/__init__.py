"""The Neuroglancer half: encoders of its precomputed formats, sources over stores, the live server, export and links.

>>> from zvview.neuroglancer import view
>>> shown = view("synapses.zarrvectors")  # doctest: +SKIP
>>> shown.url  # doctest: +SKIP
'http://127.0.0.1:40833/v/4fa0…/'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zvview.neuroglancer.exporting.exporting import export as export
    from zvview.neuroglancer.links.drawn import add_drawn as add_drawn
    from zvview.neuroglancer.links.urls import make_link as make_link
    from zvview.neuroglancer.links.urls import parse_link as parse_link
    from zvview.neuroglancer.viewing import View as View
    from zvview.neuroglancer.viewing import serve as serve
    from zvview.neuroglancer.viewing import view as view

__all__ = ["View", "add_drawn", "export", "make_link", "parse_link", "serve", "view"]

_HOMES: Final = {
    **dict.fromkeys(("View", "serve", "view"), "zvview.neuroglancer.viewing"),
    "add_drawn": "zvview.neuroglancer.links.drawn",
    "export": "zvview.neuroglancer.exporting.exporting",
    **dict.fromkeys(("make_link", "parse_link"), "zvview.neuroglancer.links.urls"),
}


def __getattr__(name: str) -> Any:
    """What is asked for is imported then: each needs other packages."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
