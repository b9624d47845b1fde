"""The samples that there are; the first is the one of ``zvview demo``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zvview.errors import MissingError
from zvview.samples import real, synthetic
from zvview.samples.sample import Look, Sample, Stop
from zvview.style import Colouring

__all__ = ["SAMPLES", "find_sample"]

Vector = tuple[float, float, float]


def _closer(focus: tuple[float, ...], view: Vector, up: Vector = (0, -1, 0), *, zoom: float = 1.0) -> tuple[Stop, ...]:
    """An overview, and two stops closer to a place."""
    return (
        Stop("overview", None, zoom, view, up),
        Stop("closer", focus, 4 * zoom, view, up),
        Stop("detail", focus, 10 * zoom, view, up),
    )


def _alone(look: Look) -> Mapping[str, Look]:
    """The look of a sample that is one store."""
    return MappingProxyType({"": look})


def _inferno(name: str, low: float, high: float) -> Colouring:
    return Colouring("attribute", name, colourmap="inferno", limits=(low, high))


SAMPLES: Final = (
    Sample(
        "hemibrain",
        "Neurons, synapses and neuropil (navis)",
        real.write_hemibrain,
        version=1,
        about="Five neurons of the Janelia hemibrain with their synapses and the neuropil around them, in one frame "
        "(Scheffer et al., eLife 2020); data files of the package navis",
        looks=MappingProxyType(
            {
                "neurons": Look(Colouring("object"), line_width=1.6),
                "surfaces": Look(Colouring("object"), opacity=0.35, is_visible=False),
                "synapses": Look(Colouring("category", "type"), point_size=340.0),
                "neuropil": Look(
                    Colouring("constant", colour=(0.55, 0.68, 0.95, 1.0)), opacity=0.18, blending="additive"
                ),
            }
        ),
        stops=(
            Stop("overview", zoom=1.0, view=(0.12, 1.0, 0.1), up=(0, 0, -1)),
            Stop("neurons", (97_000, 196_000, 155_000), 3.2, view=(0.25, 1.0, 0.2), up=(0, 0, -1)),
            Stop("antennal lobe", (124_000, 282_000, 202_000), 11.0, view=(-0.2, 1.0, 0.3), up=(0, 0, -1)),
            Stop("synapses", (124_000, 284_000, 204_000), 34.0, view=(-0.4, 1.0, 0.5), up=(0, 0, -1)),
        ),
    ),
    Sample(
        "bundles",
        "Streamlines with bundles (dipy)",
        real.write_bundles,
        version=1,
        about="Fifteen bundles of streamlines of five people, each a group; data files of the package dipy",
        looks=_alone(Look(Colouring("group"), line_width=1.2)),
        stops=_closer((24, -20, 32), (0.5, 1.0, -0.25), (0, 0, 1)),
    ),
    Sample(
        "cells",
        "Cells (points with types)",
        synthetic.write_cells,
        version=1,
        about="A strip of cortex with 240,000 cells of 13 types; synthetic",
        looks=_alone(Look(Colouring("category", "type"), point_size=14.0)),
        stops=_closer((472, 1239, 120), (0.1, 0.25, 1.0), zoom=1.2),
    ),
    Sample(
        "streamlines",
        "Streamlines",
        synthetic.write_tracts,
        version=1,
        about="The large tracts of a brain, 7,820 streamlines coloured by direction; synthetic",
        stops=_closer((34, -17, -3), (-1.0, 0.5, -0.35), (0, 0, 1), zoom=1.2),
    ),
    Sample(
        "neurons",
        "Neurons (skeletons)",
        synthetic.write_neurons,
        version=1,
        about="Twelve pyramidal neurons with dendrites and axons; synthetic",
        looks=_alone(Look(line_width=1.4)),
        stops=_closer((-105, 787, 89), (0.1, 0.1, 1.0)),
    ),
    Sample(
        "vessels",
        "Vessels (graph)",
        synthetic.write_vessels,
        version=1,
        about="An artery and a vein joined by 4,096 capillaries; synthetic",
        looks=MappingProxyType(
            {"": Look(Colouring("attribute", "radius", colourmap="inferno", limits=(-6.0, 36.0)), line_width=1.4)}
        ),
        stops=_closer((730, 600, 450), (0.15, 0.1, 1.0)),
    ),
    Sample(
        "brain",
        "Brain-like mesh",
        synthetic.write_brain,
        version=1,
        about="Two folded hemispheres, coloured by gyri and sulci; synthetic",
        looks=MappingProxyType(
            {"": Look(Colouring("attribute", "convexity", colourmap="inferno", limits=(-8.0, 2.5)))}
        ),
        stops=_closer((-32, 20, 20), (0.8, 0.5, -0.45), (0, 0, 1), zoom=1.3),
    ),
    Sample(
        "tracks",
        "Tracks over time",
        synthetic.write_tracks,
        version=1,
        about="Eight cells of an embryo that divide into 4,096, followed for 220 minutes; synthetic",
        looks=_alone(Look(Colouring("category", "lineage"), line_width=1.5)),
        stops=_closer((220, 250, 117, 110), (0.1, 0.2, 1.0)),
    ),
)


def find_sample(name: str) -> Sample:
    """The sample called `name`.

    Raises
    ------
    MissingError
        There is none.
    """
    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise MissingError("sample", name, [sample.name for sample in SAMPLES])
