"""One level through anything that takes keys: a coarser level beside level 0, as a pyramid writes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from zarr_vectors.core.store import get_resolution_level, open_store, read_level_metadata
from zarr_vectors.types.points import read_points
from zarr_vectors.validate import validate

from zvview.format.documents import encode_document, group, root_attributes
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points
from zvview.store.writing.intake import take_in
from zvview.store.writing.level import LevelContent, LevelPlan, WrittenLevel, write_level
from zvview.store.writing.object_ids import ObjectIds
from zvview.store.writing.partition import Tiling, partition
from zvview.store.writing.schema import Schema


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def put_many(self, items: Iterable[tuple[str, Sequence[Any]]]) -> None:
        for key, pieces in items:
            target = self.path / key
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"".join(bytes(p) for p in pieces))


def put_level(folder: Folder, batch: Points, level: int, edge: float, ids: np.ndarray | None = None) -> WrittenLevel:
    vertices = Schema("vertex attribute", {})
    intake = take_in(
        batch, dtype=np.dtype("<f4"), vertices=vertices, links=Schema("l", {}), ids=ObjectIds(), kind=batch.kind
    )
    bins = (4, 4) if level == 0 and batch.object_ids is None else None
    tiling = Tiling(batch.kind, (edge, edge), bins)
    coarse: dict[str, Any] = {}
    if level:
        coarse = {"parent_level": level - 1, "coarsening_method": "zvview_thin", "more": {"zvview": {"seed": 1}}}
        coarse |= {"inherited_num_objects": None if ids is None else len(ids), "root_chunk_shape": (10.0, 10.0)}
    plan = LevelPlan(level, tiling, np.zeros(2), np.full(2, 50.0), **coarse)
    written = write_level(folder, plan, LevelContent([partition(intake, tiling)], vertices, Schema("l", {}), ids))
    folder.put_many((f"{p}/zarr.json", [encode_document(d)]) for p, d in written.documents.items())
    return written


def put_root(folder: Folder) -> None:
    attributes = root_attributes(
        kind="point_cloud",
        axes=(Axis("x"), Axis("y")),
        chunk_shape=(10, 10),
        bin_shape=(2.5, 2.5),
        bounds=((0, 0), (50, 50)),
        scales={"0": (1, 1), "1": (2, 2)},
        name="s",
    )
    folder.put_many([("zarr.json", [encode_document(group(attributes))])])


def test_a_coarser_level_beside_the_first_is_valid_and_reads_equal(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    where = rng.uniform(0, 50, (500, 2)).astype(np.float32)
    folder = Folder(tmp_path)
    put_level(folder, Points(where), 0, 10.0)
    written = put_level(folder, Points(where[::5]), 1, 20.0)
    put_root(folder)
    assert validate(str(tmp_path), level=5).errors == []
    found = read_points(str(tmp_path), level=1)["positions"]
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, where[::5].tolist()))
    assert written.indexed.counts.sum() == 100
    own = written.documents["1"]["attributes"]["zarr_vectors_level"]
    assert own["chunk_shape"] == [20.0, 20.0]
    assert own["zvview"] == {"seed": 1}


def test_a_coarser_level_keeps_the_rows_of_absent_objects(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    where = rng.uniform(0, 50, (300, 2)).astype(np.float32)
    ids = np.sort(rng.integers(0, 6, 300))
    keep = ids % 2 == 0
    folder = Folder(tmp_path)
    first = put_level(folder, Points(where, ids), 0, 10.0)
    assert first.num_objects == 6
    second = put_level(folder, Points(where[keep], ids[keep]), 1, 20.0, ids=np.arange(6))
    put_root(folder)
    assert validate(str(tmp_path), level=5).errors == []
    index = second.documents["1/object_index"]["attributes"]
    assert (index["num_objects"], index["num_present"]) == (6, 3)
    metadata = read_level_metadata(open_store(str(tmp_path)), 1)
    assert metadata.preserves_object_ids
    assert get_resolution_level(open_store(str(tmp_path)), 1) is not None
    assert len(read_points(str(tmp_path), level=1, object_ids=[4])["positions"]) == int((ids == 4).sum())
