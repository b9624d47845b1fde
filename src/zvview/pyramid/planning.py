"""What a build would write, told from a part of the store: all of a small one, a region of a large one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.geometry.batches import Batch
from zvview.pyramid.build import build_pyramid, check_kind
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.parts import chunk_blocks, object_slices, row_bytes
from zvview.store.collection import Collection
from zvview.store.creating import create
from zvview.store.level import Level
from zvview.store.opening import open as open_place
from zvview.store.places.open import Place
from zvview.store.store import Store

__all__ = ["PlannedLevel", "plan_pyramid"]

_SAMPLE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, eq=False)
class PlannedLevel:
    """A coarse level as it would be written.

    Attributes
    ----------
    design : LevelDesign
        Its thresholds come from the part that was looked at.
    vertex_count : int
    is_exact : bool
        Whether all of the store was looked at; otherwise the count is an estimate.
    """

    design: LevelDesign
    vertex_count: int
    is_exact: bool


def plan_pyramid(
    place: Place, options: PyramidOptions | None = None, *, storage_options: Mapping[str, Any] | None = None
) -> tuple[PlannedLevel, ...]:
    """The levels that :func:`~zvview.pyramid.build.build_pyramid` would write with these options; writes nothing.

    Raises
    ------
    InvalidInputError, UnsupportedError
        As the build.
    """
    options = PyramidOptions() if options is None else options
    with open_place(place, storage_options=storage_options) as store:
        if isinstance(store, Collection):
            raise InvalidInputError(f"{store.place} is a collection; plan the levels of its members one by one")
        kind = check_kind(store)
        fine = store.level(0)
        batch = _sample(fine, kind)
        if not len(batch):
            return ()
        ratio = fine.vertex_count / len(batch)
        staged: dict[str, bytes] = {}
        _write(staged, store, fine, batch)
    wanted = replace(options, target=max(1, round(options.target / ratio)))
    built = build_pyramid(staged, wanted)
    return tuple(PlannedLevel(b.design, round(b.vertex_count * ratio), len(batch) == fine.vertex_count) for b in built)


def _sample(fine: Level, kind: str) -> Batch:
    """Some of a level that lies together: everything where that is little enough."""
    part_bytes = max(_SAMPLE_BYTES, row_bytes(fine))
    if fine.vertex_count * row_bytes(fine) <= part_bytes:
        return fine.read()
    ids = fine.object_ids
    if kind == names.POINT_CLOUD or ids is None:
        blocks = chunk_blocks(fine, fine.chunk_shape.tolist(), part_bytes)
        return fine.read_chunks(blocks[len(blocks) // 2])
    slices = object_slices(fine, ids, part_bytes)
    return fine.read_objects(slices[len(slices) // 2])


def _write(place: dict[str, bytes], store: Store, fine: Level, batch: Batch) -> None:
    sample = create(
        place,
        kind=batch.kind,
        axes=store.axes,
        bounds=(store.bounds[0].tolist(), store.bounds[1].tolist()),
        chunk_shape=fine.chunk_shape.tolist(),
        bin_shape=store.metadata.base_bin_shape.tolist(),
        dtype=fine.dtype,
        shards=False,
    )
    sample.write(batch)
    sample.close()
