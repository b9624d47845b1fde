"""Coarser levels of detail: designed from the data, made out of core, written as a whole or not at all."""

from zvview.pyramid.build import BuiltLevel, build_pyramid
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.planning import PlannedLevel, plan_pyramid
from zvview.pyramid.refresh import RefreshedLevel
from zvview.pyramid.refresh_place import RefreshReport, refresh_pyramid

__all__ = [
    "BuiltLevel",
    "LevelDesign",
    "PlannedLevel",
    "PyramidOptions",
    "RefreshReport",
    "RefreshedLevel",
    "build_pyramid",
    "plan_pyramid",
    "refresh_pyramid",
]
