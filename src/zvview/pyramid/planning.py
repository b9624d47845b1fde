"""What a build would write, told from a part of the store: all of a small one, a region of a large one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from zvview.errors import InvalidInputError
from zvview.format import names
from zvview.geometry.batches import Batch
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import LevelDesign, PyramidOptions
from zvview.pyramid.parts import chunk_blocks, object_slices, row_bytes
from zvview.pyramid.preconditions import check_kind
from zvview.store.collection import Collection
from zvview.store.creating import create
from zvview.store.level import Level
from zvview.store.opening import open as open_place
from zvview.store.places.open import Place, open_source
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
    staged: dict[str, bytes] = {}
    with open_place(place, storage_options=storage_options) as store:
        if isinstance(store, Collection):
            raise InvalidInputError(f"{store.place} is a collection; plan the levels of its members one by one")
        kind = check_kind(store)
        fine = store.level(0)
        total = fine.vertex_count
        if not total:
            return ()
        is_whole = total * row_bytes(fine) <= max(_SAMPLE_BYTES, row_bytes(fine))
        ratio = 1.0 if is_whole else total / _write_sample(staged, store, fine, kind)
    if is_whole:
        _copy(staged, place, storage_options)
    built = build_pyramid(staged, replace(options, target=max(1, round(options.target / ratio))))
    return tuple(PlannedLevel(b.design, round(b.vertex_count * ratio), is_whole) for b in built)


def _copy(staged: dict[str, bytes], place: Place, storage_options: Mapping[str, Any] | None) -> None:
    """All objects of the store at `place`."""
    source = open_source(place, storage_options=storage_options)
    try:
        keys = source.list_keys("")
        for key, data in zip(keys, source.get_many([(key, None) for key in keys]), strict=True):
            if data is not None:
                staged[key] = bytes(data)
    finally:
        source.close()


def _write_sample(staged: dict[str, bytes], store: Store, fine: Level, kind: str) -> int:
    """A store of some of a level that lies together, as it is stored; gives the number of its vertices."""
    ids = fine.object_ids
    batch: Batch
    if kind == names.POINT_CLOUD or ids is None:
        blocks = chunk_blocks(fine, fine.chunk_shape.tolist(), _SAMPLE_BYTES)
        batch = fine.read_chunks(blocks[len(blocks) // 2])
    else:
        slices = object_slices(fine, ids, _SAMPLE_BYTES)
        batch = fine.read_objects(slices[len(slices) // 2])
    offset = store.metadata.offset
    if offset is not None:
        batch = replace(batch, positions=batch.positions - offset)
    sample = create(
        staged, kind=batch.kind, axes=store.axes, chunk_shape=fine.chunk_shape.tolist(), dtype=fine.dtype, shards=False
    )
    sample.write(batch)
    sample.close()
    return len(batch)
