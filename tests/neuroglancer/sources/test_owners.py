"""Points tell the colour and the group of their object, beside what they carry themselves."""

from __future__ import annotations

import numpy as np

import zvview
from zvview.neuroglancer.sources.opening import open_sources
from zvview.neuroglancer.sources.owners import OwnedChunks, Owners
from zvview.style.colourmaps import colour_ids


def make(**attributes: np.ndarray) -> zvview.Store:
    place: dict[str, bytes] = {}
    rng = np.random.default_rng(1)
    ids = np.array([5, 5, 7, -1, 9, 9])
    with zvview.create(place, kind="point_cloud", chunk_shape=(100.0,) * 3) as made:
        batch = zvview.Points(rng.uniform(0, 99, (6, 3)), attributes=attributes, object_ids=ids)
        made.write(batch, groups={"first": np.array([5]), "both": np.array([5, 7])})
    return zvview.open(place)  # type: ignore[return-value]


def test_each_point_tells_the_colour_and_the_first_group_of_its_object() -> None:
    (part,) = OwnedChunks(make(value=np.arange(6, dtype=np.float32))).read(0, [0])
    assert part.object_ids is not None and sorted(part.attributes) == ["group", "object", "value"]
    np.testing.assert_array_equal(part.attributes["object"], np.rint(colour_ids(part.object_ids)[:, :3] * 255))
    told = dict(zip(part.object_ids.tolist(), part.attributes["group"].tolist(), strict=True))
    assert told == {5: 0, 7: 1, 9: 2, -1: 2}  # 2 is none


def test_what_points_carry_goes_before_what_their_objects_tell() -> None:
    store = make(object=np.arange(6, dtype=np.int32), group=np.arange(6, dtype=np.int32))
    owners = Owners.of(store, store.attributes)
    assert owners.attributes == {} and owners.tell(np.array([5])) == {}
    properties = open_sources(store)["points"].info["properties"]
    assert [told["type"] for told in properties if told["id"] == "object"] != ["rgb"]


def test_a_store_without_objects_tells_of_none() -> None:
    place: dict[str, bytes] = {}
    with zvview.create(place, kind="point_cloud", chunk_shape=(9.0,) * 3) as made:
        made.write(zvview.Points(np.ones((3, 3))))
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    owners = Owners.of(store, {})
    assert owners.attributes == {} and owners.tell(np.array([-1])) == {}
