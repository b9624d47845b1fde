"""Napari's question which reader to use for a folder: answered once for stores, so that it does not come again."""

from __future__ import annotations

from typing import Final

from napari.settings import get_settings
from napari.utils.notifications import show_info

__all__ = ["PATTERNS", "prefer_zvview"]

PLUGIN: Final = "zvview"
PATTERNS: Final = ("*.zarrvectors*", "*.zv*")
"""Names of stores. The star at the end matters: napari adds a slash to folders before it compares."""


def prefer_zvview() -> bool:
    """Let zvview read stores from now on, unless another reader was chosen for them; whether anything was changed."""
    plugins = get_settings().plugins
    chosen = dict(plugins.extension2reader)
    missing = [pattern for pattern in PATTERNS if pattern not in chosen]
    if not missing:
        return False
    plugins.extension2reader = {**chosen, **dict.fromkeys(missing, PLUGIN)}
    show_info("zvview now opens *.zarrvectors and *.zv without asking; Preferences > Plugins changes that")
    return True
