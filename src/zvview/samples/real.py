"""Samples of real data: files that the wheels of navis and dipy carry, converted."""

from __future__ import annotations

from typing import Any, Final

from zvview.cancel import CancelToken
from zvview.convert import Source, convert
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.samples.packages import DIPY, NAVIS, data_folder
from zvview.samples.sample import Progress

__all__ = ["write_bundles", "write_hemibrain"]

_NM_PER_VOXEL: Final = 8.0  # the hemibrain's voxels, in which navis has its data
_OPTIONS: Final = PyramidOptions(target=2_500)  # these data are so small that a viewer would need no levels


def write_hemibrain(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Skeletons, surfaces and synapses of five neurons, and the neuropil around them: a collection in nanometres."""
    with data_folder(NAVIS, progress, cancel) as data:
        frame: dict[str, Any] = {"unit": "nanometer", "scale": [_NM_PER_VOXEL]}
        sources = [
            Source(str(data / "swc"), "neurons", **frame),
            Source(str(data / "obj"), "surfaces", **frame),
            Source(str(data / "synapses"), "synapses", columns={"object_id": "file"}, **frame),
            Source(str(data / "volumes" / "neuropil.obj"), "neuropil", **frame),
        ]
        _convert(sources, place, progress, cancel)


def write_bundles(place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    """Streamlines of five people, three bundles of each: a store with fifteen groups."""
    with data_folder(DIPY, progress, cancel) as data:
        _convert([Source(str(data / "files" / "minimal_bundles.zip"))], place, progress, cancel)


def _convert(sources: list[Source], place: str, progress: Progress | None, cancel: CancelToken | None) -> None:
    def add_levels(store: str) -> None:
        build_pyramid(store, _OPTIONS, progress=progress, cancel=cancel)

    several = sources if len(sources) > 1 else sources[0]
    convert(several, place, after=add_levels, progress=progress, cancel=cancel)
