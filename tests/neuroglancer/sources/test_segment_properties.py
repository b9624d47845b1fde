"""What is told of objects: every present one once, by the number of its segment, with what the store holds of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zvview
from zvview.neuroglancer.sources import segment_properties
from zvview.neuroglancer.sources.segment_properties import SegmentPropertySource
from zvview.neuroglancer.sources.segments import Segments

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def make(place: Path, ids: list[int]) -> zvview.Store:
    rng = np.random.default_rng(1)
    count = len(ids)
    values = {
        "name": np.array([f"cell {i}" if i != 5 else "" for i in ids]),
        "volume": rng.random(count).astype("f4"),
        "count": np.arange(count, dtype="i4"),
        "big": np.arange(count, dtype="i8") + 2**60,
        "note": np.array(["x", "y"] * count)[:count],
    }
    lines = zvview.Polylines.from_list([rng.uniform(0, 9, (3, 3)) for _ in ids], object_ids=np.array(ids))
    with zvview.create(place, kind="polyline", axes="xyz", chunk_shape=(10, 10, 10)) as store:
        store.write(lines, object_attributes=values, groups={"left side": [ids[0], ids[2]], "right": [ids[1]]})
    return zvview.open(place)


def told(store: zvview.Store) -> tuple[dict[str, Any], SegmentPropertySource]:
    level = store.level(0)
    assert level.object_ids is not None
    source = SegmentPropertySource(level, Segments.of(level.object_ids))
    inline = source.info["inline"]
    return {"ids": inline["ids"], **{p["id"]: p for p in inline["properties"]}}, source


def test_names_are_labels_groups_are_tags_and_attributes_are_numbers_and_texts(tmp_path: Path) -> None:
    with make(tmp_path / "p.zarrvectors", [3, 5, 9]) as store:
        found, source = told(store)
        assert found["ids"] == ["3", "5", "9"]
        assert found["label"]["values"] == ["cell 3", "5", "cell 9"]
        assert found["tags"]["tags"] == ["left_side", "right"]
        assert found["tags"]["values"] == [[0], [1], [0]]
        assert found["count"]["values"] == [0, 1, 2]
        assert np.allclose(found["volume"]["values"], store.level(0).object_attribute("volume"))
        assert found["big"]["values"] == [str(2**60 + i) for i in range(3)]
        assert found["note"]["values"] == ["x", "y", "x"]
        assert "object" not in found
        assert source.notes


def test_objects_whose_segments_have_another_number_are_told_by_their_own(tmp_path: Path) -> None:
    with make(tmp_path / "p.zarrvectors", [0, 5, 9]) as store:
        found, _ = told(store)
        assert found["ids"] == ["1", "6", "10"]
        assert found["object"]["values"] == [0, 5, 9]
    with zvview.open(GOLDEN / "graph.zip") as store:
        found, _ = told(store)
        assert (found["ids"], found["label"]["values"]) == (["1", "2", "3", "4"], ["0", "1", "2", "3"])


def test_no_more_objects_are_listed_than_a_client_can_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_properties, "MOST_OBJECTS", 2)
    with make(tmp_path / "p.zarrvectors", [3, 5, 9]) as store:
        found, source = told(store)
        assert found["ids"] == ["3", "5"]
        assert found["tags"]["values"] == [[0], [1]]
        assert any("first 2 of 3" in note for note in source.notes)


@pytest.mark.parametrize("name", ["streamlines", "skeleton_tools", "edited_streamlines", "mesh_tools"])
def test_objects_of_golden_stores_are_told(name: str) -> None:
    with zvview.open(GOLDEN / f"{name}.zip") as store:
        found, source = told(store)
        present = store.level(0).present_object_ids
        assert present is not None
        assert len(set(found["ids"])) == len(found["ids"]) == len(present)
        assert source.sections == ()
