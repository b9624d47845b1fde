"""What users may set about the plugin on napari's settings page, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from napari.settings import get_plugin_settings

__all__ = ["ViewSettings", "read_settings"]

PLUGIN = "zvview"
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ViewSettings:
    """Budgets and quality.

    Attributes
    ----------
    points, vertices : int
        Most points of a points layer, and most vertices of a layer of lines or meshes, that are shown at once.
    cache_bytes : int
        Of the chunks that are kept of each store.
    target_error_px : float
        Pixels that a bin of the level shown may take; smaller is finer.
    keep_axis_order : bool
        Show axes in the store's order instead of t, z, y, x.
    """

    points: int = 100_000
    vertices: int = 1_000_000
    cache_bytes: int = 512 * _MEGABYTE
    target_error_px: float = 4.0
    keep_axis_order: bool = False

    def budget(self, kind: str) -> int:
        """Most vertices to show of a store of this kind."""
        return self.points if kind == "point_cloud" else self.vertices


def read_settings() -> ViewSettings:
    """What is set now; the defaults where zvview is not installed as a plugin, as in a checkout."""
    try:
        page = get_plugin_settings(PLUGIN)
    except KeyError:
        return ViewSettings()
    budgets, looks = page.budgets, page.looks
    return ViewSettings(
        points=max(1, int(budgets.points)),
        vertices=max(1, int(budgets.vertices)),
        cache_bytes=max(1, int(budgets.cache_megabytes)) * _MEGABYTE,
        target_error_px=max(0.1, float(looks.target_error)),
        keep_axis_order=bool(looks.keep_axis_order),
    )
