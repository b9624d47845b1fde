"""From values to colours, the same for every viewer and every level of detail: pure functions over arrays.

Only the limits of a first look (:mod:`~zvview.style.first_look`) are read from a store.
"""

from zvview.style.colouring import Colouring, ColourMode, colour_vertices
from zvview.style.colourmaps import MISSING_COLOUR, colourmap_names, map_colours
from zvview.style.first_look import choose_colouring, colour_axes, sample_values, with_limits
from zvview.style.legend import LegendEntry, legend_of, legend_text
from zvview.style.limits import limits_from_statistics, limits_of_values
from zvview.style.membership import Membership

__all__ = [
    "MISSING_COLOUR",
    "ColourMode",
    "Colouring",
    "LegendEntry",
    "Membership",
    "choose_colouring",
    "colour_axes",
    "colour_vertices",
    "colourmap_names",
    "legend_of",
    "legend_text",
    "limits_from_statistics",
    "limits_of_values",
    "map_colours",
    "sample_values",
    "with_limits",
]
