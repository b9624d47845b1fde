"""Whatever is given to a public function, only zvview's own errors come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import zvview

POSITIONS = np.random.default_rng(0).uniform(0, 30, (60, 3)).astype(np.float32)
IDS = np.repeat(np.arange(10), 6)
OFFSETS = np.arange(0, 61, 6)
BATCHES: dict[str, zvview.Batch] = {
    "point_cloud": zvview.Points(POSITIONS, IDS, attributes={"v": POSITIONS[:, 0]}),
    "streamline": zvview.Streamlines(POSITIONS, offsets=OFFSETS, attributes={"v": POSITIONS[:, 0]}),
    "graph": zvview.Graph(POSITIONS, offsets=OFFSETS, edges=[[0, 1]], link_attributes={"w": [1.0]}),
    "mesh": zvview.Mesh(POSITIONS, faces=[[0, 1, 2]]),
}


def write(kind: str) -> dict[str, Any]:
    held: dict[str, Any] = {}
    store = zvview.create(held, kind=kind, chunk_shape=(10, 10, 10))
    store.write(BATCHES[kind], groups={"a": [0]}, object_attributes={"n": np.arange(1 if kind == "mesh" else 10)})
    return held


HELD = {kind: write(kind) for kind in BATCHES}
LEVELS = {kind: zvview.open(held).level(0) for kind, held in HELD.items()}  # type: ignore[union-attr]
PARAMETRIC = {"type_ids": [2], "coefficients": [[0, 0, 0, 1.0]]}

NONSENSE = [
    *(None, 5, -1, 2.5, float("nan"), float("inf"), True, 1j, 10**30, -(10**30)),
    *("ab", "", "a/b", "../x", b"x", int, object(), slice(3), lambda *_: 0),
    *((), [], (1, 2, 3), [None], [1.5], ["a"], [1, "a"], [True], [object()], [10**30], [[1], [2, 3]], [[[1]]]),
    *({}, {"a": 1}, {"a": {"b": 1}}, {1: 2}, set(), {1}, range(3)),
    *(np.int64(5), np.float32(1), np.datetime64("2020"), np.array(3), np.zeros((2, 2)), np.zeros((0, 3))),
    *(np.array(["x"]), np.array([2**63], np.uint64), ((0, 0, 0), (1, 1, 1))),
]


def levels(read: Callable[[zvview.Level, Any], object]) -> list[Callable[[Any], object]]:
    return [lambda v, level=level: read(level, v) for level in LEVELS.values()]


def create(**options: Any) -> None:
    store = zvview.create({}, **{"kind": "point_cloud", **options})
    store.write(zvview.Points(POSITIONS, attributes={"v": POSITIONS[:, 0]}))


def save(batch: Any = BATCHES["point_cloud"], **extras: Any) -> None:
    zvview.create({}, kind="point_cloud").write(batch, **extras)


def collect(member: dict[str, Any] | None = None, **options: Any) -> None:
    with zvview.create_collection({}, **options) as collection:
        store = collection.create(**{"name": "a", "kind": "point_cloud", **(member or {})})
        store.write(zvview.Points(POSITIONS))


def parametric(**changes: Any) -> None:
    save(parametric=zvview.ParametricObjects(**{**PARAMETRIC, **changes}))


CREATE = ["kind", "mode", "axes", "bounds", "chunk_shape", "bin_shape", "dtype", "codec", "shards", "name", "crs"]
CREATE += ["attributes", "object_attributes", "link_attributes"]
WRITE = ["batch", "object_attributes", "groups", "parametric", "headers", "user_metadata", "root_attributes", "else"]
TARGETS: dict[str, list[Callable[[Any], object]]] = {
    "level": [lambda v: zvview.Store.level(zvview.open(HELD["graph"]), v)],  # type: ignore[arg-type]
    **{
        f"read {name}": levels(lambda level, v, name=name: level.read(**{name: v}))
        for name in ("box", "attributes", "groups", "clip", "on_damage", "object_ids")
    },
    "read, its values": [
        *levels(lambda level, v: level.read(box=(v, v))),
        *levels(lambda level, v: level.read(box=(v, (5, 5, 5)))),
        *levels(lambda level, v: level.read(groups=[v])),
        *levels(lambda level, v: level.read(attributes=[v])),
    ],
    "read_chunks": [
        *levels(lambda level, v: level.read_chunks(v)),
        *levels(lambda level, v: level.read_chunks(level.chunks, v)),
        *levels(lambda level, v: level.read_chunks(level.chunks, object_ids=v)),
    ],
    "read_objects": [
        *levels(lambda level, v: level.read_objects(v)),
        *levels(lambda level, v: level.read_objects([v])),
        *levels(lambda level, v: level.read_objects([1], v)),
        *levels(lambda level, v: level.first_chunks(v)),
    ],
    "read_links": [*levels(lambda level, v: level.read_links(v)), *levels(lambda level, v: level.read_links(0, v))],
    "attributes": [
        *levels(lambda level, v: level.object_attribute(v)),
        *levels(lambda level, v: level.group_attribute(v)),
        *levels(lambda level, v: level.fragment_attribute(v)),
        *(lambda v, batch=batch: batch.labels(v) for batch in BATCHES.values()),
    ],
    "grow": [
        lambda v: zvview.grow(dict(HELD["mesh"]), v),
        lambda v: zvview.grow(dict(HELD["mesh"]), ((0, 0, 0), v)),
    ],
    "concatenate": [
        zvview.concatenate,
        lambda v: zvview.concatenate([v]),
        lambda v: zvview.concatenate([BATCHES["graph"], v]),
    ],
    **{
        f"create {name}": [
            lambda v, name=name: create(**{name: v}),
            lambda v, name=name: create(**{"chunk_shape": (10, 10, 10), name: v}),
            lambda v, name=name: create(**{name: [v] * 3}),
            lambda v, name=name: create(**{name: {"v": v}}),
            lambda v, name=name: create(**{name: {"v": {"unit": v}}}),
        ]
        for name in CREATE
    },
    "axis": [lambda v, name=name: create(axes=[{"name": "x", name: v}, "y", "z"]) for name in ("name", "type", "unit")],
    "axis made by hand": [
        lambda v, name=name: create(axes=[zvview.Axis(**{"name": "x", name: v}), "y", "z"])
        for name in ("name", "type", "unit")
    ],
    "spec": [
        lambda v, name=name: zvview.AttributeSpec(**{name: v})
        for name in ("unit", "description", "channel_names", "is_ordered")
    ],
    **{
        f"write {name}": [
            lambda v, name=name: save(**{name: v}),
            lambda v, name=name: save(**{name: {"a": v}}),
            lambda v, name=name: save(**{name: {"a": {"b": v}}}),
            lambda v, name=name: save(**{name: {"a": [v]}}),
            lambda v, name=name: save(**{name: {"a": [v] * 10}}),
        ]
        for name in WRITE
    },
    "group attributes": [
        lambda v: save(groups={"a": [1]}, group_attributes={"a": v}),
        lambda v: save(groups={"a": [1]}, group_attributes={"a": [v]}),
    ],
    **{
        f"{kind.__name__} {name}": [
            lambda v, kind=kind, name=name: kind(**{"positions": POSITIONS, name: v}),
            lambda v, kind=kind, name=name: kind(**{"positions": POSITIONS, name: [v] * 60}),
            lambda v, kind=kind, name=name: kind(**{"positions": POSITIONS, name: {"a": v}}),
            lambda v, kind=kind, name=name: zvview.create({}, kind=kind.kind).write(
                kind(**{"positions": POSITIONS, name: v})
            ),
            lambda v, kind=kind, name=name: repr(kind(**{"positions": POSITIONS, name: v})),
        ]
        for kind in (zvview.Points, zvview.Lines, zvview.Polylines, zvview.Graph, zvview.Skeletons, zvview.Mesh)
        for name in kind.__dataclass_fields__
        if name != "kind"
    },
    "other ways to make batches": [
        zvview.batch_type,
        zvview.Polylines.from_list,
        lambda v: zvview.Polylines.from_list([v]),
        lambda v: zvview.Polylines.from_list([POSITIONS, v]),
        lambda v: zvview.Polylines.from_list([POSITIONS], object_ids=v),
        zvview.Lines.from_endpoints,
        lambda v: zvview.Skeletons.from_parents(POSITIONS, v),
        lambda v: zvview.Skeletons.from_parents(POSITIONS, [v] * 60),
        lambda v: zvview.Skeletons.from_parents(v, [0]),
        lambda v: zvview.Skeletons(POSITIONS, edges=v).parents,
    ],
    **{
        f"parametric {name}": [
            lambda v, name=name: parametric(**{name: v}),
            lambda v, name=name: parametric(**{name: [v]}),
            lambda v, name=name: parametric(**{name: {"a": v}}),
        ]
        for name in zvview.ParametricObjects.__dataclass_fields__
    },
    "parametric objects by name": [
        zvview.ParametricObjects.of,
        lambda v: zvview.ParametricObjects.of([v]),
        lambda v: zvview.ParametricObjects.of([("sphere", v)]),
        lambda v: zvview.ParametricObjects.of([(v, [1])]),
        lambda v: zvview.ParametricObjects.of([("sphere", [0, 0, 0, 1])], types=v),
        lambda v: zvview.ParametricObjects.of([("sphere", [0, 0, 0, 1])]).named(v),
    ],
    "categories": [
        lambda v, name=name: zvview.Points(
            POSITIONS,
            attributes={"c": np.zeros(60, np.uint8)},
            categories={"c": zvview.Categories(**{"labels": ("a",), name: v})},
        ).labels("c")
        for name in ("labels", "missing", "ordered")
    ],
    "collection": [
        lambda v: collect(mode=v),
        lambda v: collect(name=v),
        lambda v: collect({"name": v}),
        lambda v: collect({"kind": v}),
        lambda v: collect({"attributes": v}),
        lambda v: collect({"mode": v}),
    ],
    "progress and cancel": [
        *levels(lambda level, v: level.read(cancel=v)),
        lambda v: save(cancel=v),
        lambda v: zvview.check(dict(HELD["mesh"]), cancel=v),
        lambda v: None if callable(v) else save(progress=v),
        lambda v: None if callable(v) else zvview.check(dict(HELD["mesh"]), progress=v),
    ],
}


def refusals(target: str, value: object) -> list[str]:
    """What the errors say; those that are not of the family pass through."""
    out = []
    for call in TARGETS[target]:
        try:
            call(value)
        except zvview.ZvviewError as error:
            out.append(str(error))
    return out


@pytest.mark.parametrize("target", TARGETS)
def test_nonsense_is_refused_by_an_error_of_the_family(target: str) -> None:
    messages = [refusals(target, value) for value in NONSENSE]
    assert any(messages)
    assert all(text for some in messages for text in some)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.complex_numbers()
ARRAYS = hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
ANYTHING = st.recursive(
    SCALARS | st.binary(max_size=3) | ARRAYS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(TARGETS)), ANYTHING)
@example("create shards", 10**6)
@example("create shards", np.int64(2))
@example("create shards", np.array([2, 2, 2]))
@example("create bin_shape", (1e-300, 1e-300, 1e-300))
@example("create dtype", "zzz")
@example("read box", ((0, 0, 0), (1, 1)))
@example("write groups", {"a": range(10**30)})
def test_anything_is_taken_or_refused_by_an_error_of_the_family(target: str, value: object) -> None:
    assert all(refusals(target, value))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("box", 5, "box = 5, expected a least and a greatest corner of 3 numbers"),
        ("box", (1, 2, 3), "greatest corner"),
        ("box", ((0, 0, 0), "abc"), "box: 'abc' has"),
        ("groups", 0, "groups = 0, expected a list of numbers or names"),
        ("groups", [1.5], "group = 1.5"),
        ("groups", [None], "group = None"),
        ("attributes", "v", "attributes = 'v', expected a list of names"),
        ("clip", "exactly", "clip = 'exactly', expected one of 'exact', 'objects', 'chunks'"),
    ],
)
def test_errors_tell_what_was_given_and_what_was_expected(name: str, value: Any, message: str) -> None:
    with pytest.raises(zvview.InvalidInputError) as caught:
        LEVELS["graph"].read(**{name: value})
    assert message in str(caught.value)


def test_one_group_may_be_named_alone() -> None:
    level = LEVELS["streamline"]
    assert level.read(groups="a").object_ids.tolist() == [0]  # type: ignore[attr-defined]
    with pytest.raises(zvview.MissingError, match="no group 'b'"):
        level.read(groups="b")


@pytest.mark.parametrize("number", [False, "x", 0.0, None])
def test_levels_have_whole_numbers(number: Any) -> None:
    store = zvview.open(HELD["mesh"])
    assert isinstance(store, zvview.Store)
    with pytest.raises(zvview.InvalidInputError, match="the number of one"):
        store.level(number)
    assert store.level(np.int64(0)).number == 0  # type: ignore[arg-type]
