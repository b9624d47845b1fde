"""Metadata of roots and levels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.errors import DamagedError, NotZarrVectorsError, UnsupportedError, ZvviewError
from zvview.format.metadata import Axis, LevelMetadata, RootMetadata, parse_version, space_axes

AXES = [{"name": "y", "type": "space", "unit": "meter"}, {"name": "t", "type": "time"}]
OWN = {
    "zv_version": "0.9.2",
    "chunk_shape": [10.0, 4],
    "bounds": [[0, 0], [100, 8]],
    "geometry_types": ["point_cloud"],
}


def attributes(**own: Any) -> dict[str, Any]:
    datasets = [{"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [2, 1]}]}]
    kept = {k: v for k, v in (OWN | own).items() if v is not ...}
    return {"zarr_vectors": kept, "multiscales": [{"axes": AXES, "datasets": datasets}]}


def test_a_root_as_writers_make_it() -> None:
    root = RootMetadata.parse(attributes(base_bin_shape=[5, 2], crs={"a": 1}, coordinate_offset=[0, 0]))
    assert root.version == (0, 9, 2) and root.ndim == 2 and not root.is_old_layout
    assert root.axes == (Axis("y", "space", "meter"), Axis("t", "time"))
    assert [a.document() for a in root.axes] == AXES
    assert root.base_bin_shape.tolist() == [5, 2] and root.scales["1"].tolist() == [2, 1]
    assert root.offset is None and root.crs == {"a": 1}
    assert RootMetadata.parse(attributes()).base_bin_shape.tolist() == [10, 4]
    assert RootMetadata.parse(attributes(coordinate_offset=[1, 0])).offset is not None


@pytest.mark.parametrize(("text", "version"), [("0.9.2", (0, 9, 2)), ("0.7", (0, 7, 0)), ("1.0.0rc1", (1, 0, 0))])
def test_versions_that_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["0.5.0", "0.8.1"])
def test_versions_that_are_not_read_are_named(text: str) -> None:
    with pytest.raises(UnsupportedError, match=text):
        parse_version(text)


def test_newer_versions_are_read_with_a_note() -> None:
    assert "1.2.0" in RootMetadata.parse(attributes(zv_version="1.2.0")).notes[0]
    assert RootMetadata.parse(attributes()).notes == ()


@pytest.mark.parametrize(
    "own",
    [
        {"zv_version": ...},
        {"zv_version": 9},
        {"chunk_shape": ...},
        {"chunk_shape": [10, 0]},
        {"chunk_shape": [10, 4, 1]},
        {"chunk_shape": [10, float("nan")]},
        {"bounds": [[0, 0]]},
        {"bounds": [[0, 9], [1, 8]]},
        {"bounds": ...},
        {"geometry_types": "mesh"},
        {"coordinate_offset": [1]},
        {"attribute_specs": {"vertex": 5}},
        {"attribute_specs": {"vertex": {"a": 5}}},
        {"format_capabilities": 3},
    ],
)
def test_roots_that_cannot_be(own: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match="root metadata"):
        RootMetadata.parse(attributes(**own))


@pytest.mark.parametrize(
    "own",
    [
        {"geometry_types": ["volume"]},
        {"links_convention": "telepathy"},
        {"required_capabilities": ["fragment_index", "telepathy"]},
        {"manifest_layout": "telepathy"},
    ],
)
def test_what_is_not_known_is_named(own: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=r"volume|telepathy"):
        RootMetadata.parse(attributes(**own))


def test_other_groups_are_no_stores() -> None:
    with pytest.raises(NotZarrVectorsError):
        RootMetadata.parse({"multiscales": []})


@pytest.mark.parametrize("multiscales", [None, [], [{}], [{"axes": []}], [{"axes": AXES * 5}], [{"axes": [3, 4]}]])
def test_axes_are_needed(multiscales: Any) -> None:
    with pytest.raises(DamagedError, match="axes"):
        RootMetadata.parse({"zarr_vectors": OWN, "multiscales": multiscales})


def test_a_level_as_writers_make_it() -> None:
    root = RootMetadata.parse(attributes())
    own = {"level": 1, "vertex_count": 7, "chunk_shape": [20, 4], "parent_level": 0, "object_sparsity": 0.5}
    level = LevelMetadata.parse({"zarr_vectors_level": own, "other": 1}, 1, root)
    assert level.chunk_shape.tolist() == [20, 4] and level.parent_level == 0 and level.sid_ndim == 2
    assert level.refinement == "replace" and not level.is_presence_deferred and level.raw["other"] == 1
    split = {"chunk_dims": ["g", "y", "t"], "chunk_attribute_name": "g", "chunk_attribute_values": ["a"]}
    level = LevelMetadata.parse({"zarr_vectors_level": split}, 0, root)
    assert level.sid_ndim == 3 and level.chunk_attribute == ("g", ("a",))
    deferred = {"zarr_vectors_level": {"zarr_vectors_presence": "deferred"}}
    assert LevelMetadata.parse(deferred, 0, root).is_presence_deferred
    assert LevelMetadata.parse({}, 3, root).level == 3


@pytest.mark.parametrize(
    "own",
    [
        {"level": 2},
        {"vertex_count": -1},
        {"chunk_shape": [1]},
        {"chunk_attribute_name": "g"},
        {"chunk_dims": ["x"]},
        {"object_sparsity": "half"},
        {"parent_level": -1},
    ],
)
def test_levels_that_cannot_be(own: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match="level metadata"):
        LevelMetadata.parse({"zarr_vectors_level": own}, 0, RootMetadata.parse(attributes()))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "zv_version",
    "chunk_shape",
    "bounds",
    "geometry_types",
    "base_bin_shape",
    "attribute_specs",
    "coordinate_offset",
]


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=2), JSON)
def test_any_json_gives_a_model_or_an_error(own: dict[str, Any], multiscales: Any) -> None:
    for document in (attributes(**own), {"zarr_vectors": OWN | own, "multiscales": multiscales}):
        try:
            root = RootMetadata.parse(document)
        except ZvviewError:
            continue
        else:
            assert root.chunk_shape.shape == (root.ndim,) and (root.lo <= root.hi).all()
            assert np.isfinite(root.chunk_shape).all()


@pytest.mark.parametrize(
    ("types", "is_space"),
    [
        (("space", "space"), [True, True]),
        (("time", "space", "space"), [False, True, True]),
        (("time", "channel"), [True, True]),  # distances are needed in any case
        ((), []),
    ],
)
def test_all_axes_are_space_where_none_says_so(types: tuple[str, ...], is_space: list[bool]) -> None:
    found = space_axes([Axis(f"a{i}", kind) for i, kind in enumerate(types)])
    assert found.dtype == bool
    assert found.tolist() == is_space
