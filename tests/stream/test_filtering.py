from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import InvalidInputError, MissingError
from zvview.store.layout import Groups
from zvview.stream import Filter
from zvview.stream.filtering import apply_filter, wanted_objects
from zvview.testing import make_batch

LABELS = zvview.Categories(("a", "b", "c"), missing=-1)


def make_points(rng: np.random.Generator, count: int) -> zvview.Points:
    values = {
        "score": np.where(rng.random(count) < 0.1, np.nan, rng.random(count)).astype(np.float32),
        "kind": rng.integers(-1, 3, count).astype(np.int8),
        "colour": rng.random((count, 3)),
    }
    ids = rng.integers(0, 5, count)
    return zvview.Points(rng.random((count, 3)), ids, attributes=values, categories={"kind": LABELS})


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from(["a", "b", "c", None, "unknown"])),
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    st.none() | st.sets(st.integers(0, 7)),
)
def test_points_pass_one_by_one(seed: int, labels: set[str | None], span: list[float], ids: set[int] | None) -> None:
    batch = make_points(np.random.default_rng(seed), 50)
    wanted = Filter(
        {"score": (span[0], span[1])}, {"kind": labels}, None if ids is None else np.array(sorted(ids), np.int64)
    )
    shown = apply_filter(batch, wanted, wanted_objects(wanted, None))
    names = batch.labels("kind")
    assert batch.object_ids is not None
    expected = [
        i
        for i in range(50)
        if span[0] <= batch.attributes["score"][i] <= span[1]
        and names[i] in labels
        and (ids is None or batch.object_ids[i] in ids)
    ]
    assert np.array_equal(shown.positions, batch.positions[expected])
    assert np.array_equal(shown.attributes["colour"], batch.attributes["colour"][expected])


def test_all_channels_must_lie_within() -> None:
    batch = make_points(np.random.default_rng(0), 200)
    shown = apply_filter(batch, Filter({"colour": (0.5, 1)}))
    assert 0 < len(shown) == int((batch.attributes["colour"] >= 0.5).all(axis=1).sum())


def test_what_cannot_be_told_is_not_shown() -> None:
    batch = make_points(np.random.default_rng(0), 20)
    for wanted in (Filter({"other": (0, 1)}), Filter(categories={"score": {"a"}}), Filter(categories={"other": {"a"}})):
        assert len(apply_filter(batch, wanted)) == 0
    alone = zvview.Points(batch.positions)
    assert len(apply_filter(alone, Filter(object_ids=[1]), np.array([1]))) == 0


def test_an_empty_filter_is_free() -> None:
    batch = make_points(np.random.default_rng(0), 20)
    assert Filter().is_empty and apply_filter(batch, Filter()) is batch


@pytest.mark.parametrize("kind", ["polyline", "streamline", "line", "graph", "skeleton", "mesh"])
def test_hidden_vertices_take_their_links_with_them(kind: str) -> None:
    batch: Any = make_batch(kind, 600, with_attributes=False)
    rng = np.random.default_rng(1)
    value = rng.random(len(batch))
    batch = type(batch)(
        batch.positions,
        attributes={"value": value, "row": np.arange(len(batch))},
        offsets=batch.offsets,
        object_ids=batch.object_ids,
        **{name: getattr(batch, name) for name in ("edges", "faces", "bridges") if hasattr(batch, name)},
    )
    shown: Any = apply_filter(batch, Filter({"value": (0.3, 1)}))
    assert set(shown.attributes["row"].tolist()) == set(np.flatnonzero(value >= 0.3).tolist())
    name = "segments" if hasattr(batch, "segments") else "faces" if kind == "mesh" else "edges"
    links, kept = getattr(batch, name), shown.attributes["row"][getattr(shown, name)]
    passed = links[(value[links] >= 0.3).all(axis=1)]
    assert sorted(map(tuple, passed.tolist())) == sorted(map(tuple, kept.tolist()))
    owners = dict(zip(batch.positions.sum(axis=1).tolist(), batch.vertex_object_ids.tolist(), strict=True))
    assert [owners[s] for s in shown.positions.sum(axis=1).tolist()] == shown.vertex_object_ids.tolist()


def test_far_ends_stay_only_as_long_as_they_are_linked() -> None:
    batch = zvview.Polylines(
        np.arange(10.0).reshape(5, 2),
        offsets=np.array([0, 3]),
        bridges=np.array([[2, 3], [0, 4]]),
        attributes={"v": np.array([0, 1, 1, 1, 1.0])},
    )
    shown = apply_filter(batch, Filter({"v": (1, 1)}))
    assert isinstance(shown, zvview.Polylines)
    assert shown.positions.tolist() == [[2, 3], [4, 5], [6, 7]] and shown.bridges.tolist() == [[1, 2]]


def test_groups_and_ids_are_both_asked_for() -> None:
    groups = Groups((np.array([1, 2]), np.array([3])), ("left", "right"))
    assert wanted_objects(Filter(), groups) is None
    assert wanted_objects(Filter(groups=("left", 1)), groups).tolist() == [1, 2, 3]  # type: ignore[union-attr]
    assert wanted_objects(Filter(object_ids=[2, 3], groups=("left",)), groups).tolist() == [2]  # type: ignore[union-attr]
    assert wanted_objects(Filter(groups=("left",)), None).tolist() == []  # type: ignore[union-attr]
    with pytest.raises(MissingError, match="middle"):
        wanted_objects(Filter(groups=("middle",)), groups)


def test_filters_compare_by_what_they_ask() -> None:
    assert Filter({"a": (0, 1)}) == Filter({"a": (0.0, 1.0)}) != Filter({"a": (0, 2)})
    assert Filter(object_ids=[1, 2]) == Filter(object_ids=np.array([2, 1, 1])) != Filter()
    assert Filter(categories={"k": ["x", "y"]}) == Filter(categories={"k": {"y", "x"}}) != 3
    assert Filter({"a": (0, 1)}, {"b": {"x"}}).attribute_names == ("a", "b")


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        Filter({"a": (2, 1)})
    with pytest.raises(InvalidInputError):
        Filter(object_ids=[0.5])
