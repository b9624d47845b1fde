"""The parts of the dock that no window needs: ids as text, changes of filters, facts, places of objects, words."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from zvview.errors import InvalidInputError, MissingError, ZvviewError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.format.metadata import Axis
from zvview.geometry.batches import Points, Streamlines
from zvview.napari.camera import LayerPlacement, ViewerState
from zvview.napari.describing import describe
from zvview.napari.dock.aiming import find_aim
from zvview.napari.dock.background import Background
from zvview.napari.dock.facts import Label, StoreFacts, read_facts
from zvview.napari.dock.finding import find_objects
from zvview.napari.dock.identifiers import MOST_IDS, format_ids, parse_ids
from zvview.napari.dock.wishes import (
    colour_choices,
    legend_entries,
    same_choice,
    shown_groups,
    shown_labels,
    with_groups,
    with_labels,
    with_objects,
    with_range,
)
from zvview.napari.frame import Frame
from zvview.napari.wording import count_matching, status_text
from zvview.pyramid import build_pyramid
from zvview.stream import Filter, Status
from zvview.stream.filtering import apply_filter, wanted_objects
from zvview.style import Colouring, Membership
from zvview.testing import make_store


@given(st.sets(st.integers(0, 10**15), max_size=20) | st.sets(st.integers(0, 30)))
def test_ids_come_back_from_their_text(ids: set[int]) -> None:
    array = np.array(sorted(ids), np.int64)
    parsed = parse_ids(format_ids(array))
    assert (parsed is None and not ids) or np.array_equal(parsed, array)


def test_ids_are_read_as_people_write_them() -> None:
    assert parse_ids(" 1-5, 9 ").tolist() == [1, 2, 3, 4, 5, 9]
    assert parse_ids("9;2 3 - 4,3,").tolist() == [2, 3, 4, 9]
    assert parse_ids("  ") is None
    for bad in ("a", "1-", "-3", "5-1", "1.5", "9" * 19, f"0-{MOST_IDS}"):
        with pytest.raises(InvalidInputError, match=r"object id|backwards"):
            parse_ids(bad)
    assert format_ids(np.array([1, 2, 3, 7, 9, 10])) == "1-3, 7, 9-10"


LABELS = tuple(Label(text) for text in ("a", "b", "c", None))


@given(st.lists(st.booleans(), min_size=4, max_size=4))
def test_ticks_of_labels_and_groups_come_back_from_the_filter(shown: list[bool]) -> None:
    filter = with_labels(Filter(categories={"other": {"x"}}), "type", LABELS, shown)
    assert shown_labels(filter, "type", LABELS) == shown
    assert filter.categories["other"] == {"x"}
    assert ("type" in filter.categories) is not all(shown)
    assert shown_groups(with_groups(filter, shown), LABELS) == shown
    assert shown_groups(Filter(groups=("b",)), LABELS) == [False, True, False, False]


@given(st.tuples(st.floats(-5, 15), st.floats(-5, 15)).map(sorted))
def test_an_end_of_a_range_is_no_limit(chosen: list[float]) -> None:
    filter = with_range(Filter(ranges={"a": (1, 2), "b": (3, 4)}), "a", (chosen[0], chosen[1]), (0.0, 10.0))
    lo, hi = filter.ranges.get("a", (-np.inf, np.inf))
    assert lo == (chosen[0] if chosen[0] > 0 else -np.inf) and hi == (chosen[1] if chosen[1] < 10 else np.inf)
    assert filter.ranges["b"] == (3, 4)
    assert ("a" in filter.ranges) is bool(np.isfinite([lo, hi]).any())


def test_what_a_store_can_be_coloured_by() -> None:
    lines = read_facts(make_store({}, "streamline", size=2000))
    titles = [title for title, _ in colour_choices(lines)]
    assert titles[:4] == ["constant", "direction", "object", "group"]
    assert {"fa", "direction[0]", "direction[2]"} <= set(titles)
    assert lines.directions == ("x", "y", "z") and sum(label.count or 0 for label in lines.groups) > 0
    points = make_store({}, "point_cloud", size=2000)
    facts = read_facts(points)
    batch = points.level(0).read()
    assert dict(facts.ranges) == {
        "intensity": (batch.attributes["intensity"].min(), batch.attributes["intensity"].max())
    }
    counts = np.bincount(batch.attributes["type"])
    assert [label.count for label in facts.categories["type"]] == counts.tolist()
    assert not facts.has_objects and facts.groups == () and facts.directions == ()
    choices = [choice for _, choice in colour_choices(facts)]
    assert [choice.mode for choice in choices] == ["constant", "category", "attribute"]
    assert same_choice(Colouring("attribute", "intensity", "turbo", (0, 1)), choices[2])
    assert not same_choice(choices[1], choices[2])


def test_without_an_index_ranges_come_from_a_sample_and_counts_are_unknown() -> None:
    place: dict[str, bytes] = {}
    make_store(place, "point_cloud", size=2000).close()
    for key in [key for key in place if key.startswith("zvview/")]:
        del place[key]
    facts = read_facts(zvview.open(place))
    values = zvview.open(place).level(0).read().attributes["intensity"]
    lo, hi = facts.ranges["intensity"]
    assert values.min() <= lo < hi <= values.max()
    assert [label.count for label in facts.categories["type"]] == [None, None]


def test_legends_name_labels_groups_limits_and_axes() -> None:
    facts = StoreFacts(
        categories={"type": LABELS}, groups=(Label("left", 3),), directions=("right", "up"), units={"size": "um"}
    )
    coded = legend_entries(facts, Colouring("category", "type"))
    assert [entry.label for entry in coded] == ["a", "b", "c", "missing"]
    assert len({entry.colour for entry in coded}) == 4
    assert [entry.label for entry in legend_entries(facts, Colouring("group"))] == ["left"]
    assert [entry.label for entry in legend_entries(facts, Colouring("direction"))] == ["right", "up"]
    ends = legend_entries(facts, Colouring("attribute", "size", limits=(1, 2)))
    assert [entry.label for entry in ends] == ["1 um", "2 um"]
    assert legend_entries(facts, Colouring("object")) == ()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=8, unique=True))
def test_the_place_of_objects_holds_them_and_little_more(streamlines: zvview.Store, ids: list[int]) -> None:
    lo, hi = find_objects(streamlines, np.array(ids))
    positions = streamlines.level(0).read_objects(ids).positions
    bin_shape = streamlines.level(0).resolution
    assert (lo <= positions.min(axis=0)).all() and (hi >= positions.max(axis=0)).all()
    assert (positions.min(axis=0) - lo <= bin_shape).all() and (hi - positions.max(axis=0) <= bin_shape).all()


@pytest.fixture(scope="module")
def streamlines() -> zvview.Store:
    return make_store({}, "streamline", size=6000, n_objects=60, chunk_shape=(250,) * 3)


def test_the_place_of_large_objects_is_told_by_coarse_levels_and_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    place: dict[str, bytes] = {}
    make_store(place, "streamline", size=60_000, n_objects=600, chunk_shape=(250,) * 3).close()
    build_pyramid(place)
    store = zvview.open(place)
    ids = store.level(1).present_object_ids[:20]
    positions = store.level(0).read_objects(ids).positions
    monkeypatch.setattr("zvview.napari.dock.finding._MOST_VERTICES", int(store.level(1).chunk_vertex_counts.sum()))
    lo, hi = find_objects(store, ids)
    slack = 2 * store.level(1).resolution
    assert (np.abs(lo - positions.min(axis=0)) <= slack).all() and (np.abs(hi - positions.max(axis=0)) <= slack).all()
    monkeypatch.setattr("zvview.napari.dock.finding._MOST_VERTICES", 0)
    monkeypatch.setattr(zvview.Level, "read_objects", None)  # nothing may be read
    lo, hi = find_objects(store, ids)
    assert (lo <= positions.min(axis=0)).all() and (hi >= positions.max(axis=0)).all()
    assert (positions.min(axis=0) - lo <= 250).all() and (hi - positions.max(axis=0) <= 250).all()


def test_objects_that_are_not_there_have_no_place(streamlines: zvview.Store) -> None:
    lo, hi = find_objects(streamlines, np.array([3]))
    with_others = find_objects(streamlines, np.array([3, 10**9]))
    np.testing.assert_array_equal(with_others, (lo, hi))
    for store, ids in ((streamlines, [10**9]), (streamlines, []), (make_store({}, "point_cloud", size=50), [1])):
        with pytest.raises(MissingError):
            find_objects(store, np.array(ids, np.int64))


@pytest.mark.parametrize("ndisplay", [2, 3])
def test_the_camera_sees_the_box_whole_and_large(ndisplay: int) -> None:
    axes = tuple(Axis(name, "time" if name == "t" else "space") for name in "xyzt")
    frame = Frame.of(axes, (np.zeros(4), np.full(4, 1e7)), np.ones(4))
    assert frame.origin.any()
    rng = np.random.default_rng(ndisplay)
    matrix = np.diag(rng.uniform(0.5, 2, 4))
    displayed = tuple(range(1 + 4 - ndisplay, 5))
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0] if ndisplay == 3 else np.zeros((3, 3))
    state = ViewerState(
        displayed,
        np.zeros(5),
        np.zeros(5),
        np.zeros(5),
        np.zeros(ndisplay),
        1.0,
        (500.0, 800.0),
        basis[0],
        basis[1],
        basis[2],
        0.0,
    )
    placement = LayerPlacement(matrix, frame.origin + 5, first_axis=1)
    lo, hi = np.array([10, 20, 30, 3.0]) + 5e6, np.array([60, 30, 35, 4.0]) + 5e6
    aim = find_aim(state, placement, frame, lo, hi)
    corners = np.array(list(itertools.product(*zip(lo, hi, strict=True))))
    world = (corners[:, list(frame.order)] - frame.origin) @ matrix.T + placement.offset
    relative = world[:, [axis - 1 for axis in displayed]] - aim.centre
    canvas = relative @ basis[[1, 2]].T if ndisplay == 3 else relative
    share = np.abs(canvas * aim.zoom).max(axis=0) / (np.array([500, 800]) / 2)
    assert (share <= 0.86).all() and share.max() > (0.4 if ndisplay == 3 else 0.84)
    cut = [axis for axis in range(1, 5) if axis not in displayed]
    assert sorted(aim.point) == cut
    assert all(world[:, axis - 1].min() <= aim.point[axis] <= world[:, axis - 1].max() for axis in cut)


def test_sliders_that_stand_in_the_box_stay() -> None:
    frame = Frame.of(tuple(Axis(n, "space") for n in "xyz"), (np.zeros(3), np.full(3, 100.0)), np.ones(3))
    state = ViewerState(
        (1, 2), np.array([5.0, 0, 0]), *np.zeros((2, 3)), np.zeros(2), 1.0, (9.0, 9.0), *np.zeros((3, 3)), 0.0
    )
    placement = LayerPlacement(np.eye(3), np.zeros(3), 0)
    assert find_aim(state, placement, frame, np.array([1, 1, 4.0]), np.array([2, 2, 6.0])).point == {}
    assert find_aim(state, placement, frame, np.array([1, 1, 6.0]), np.array([2, 2, 8.0])).point == {0: 7.0}
    dot = find_aim(state, placement, frame, np.full(3, 5.0), np.full(3, 5.0))
    assert np.isfinite(dot.zoom)


TYPE = AttributeMetadata("type", np.dtype("u1"), categories=Categories(("pre", "post"), 255))


def test_vertices_are_described_with_units_labels_and_groups() -> None:
    attributes = {"type": TYPE, "size": AttributeMetadata("size", np.dtype("f4"), unit="um")}
    attributes["normal"] = AttributeMetadata("normal", np.dtype("f4"), row_shape=(3,))
    values = {"id": 7, "type": 1, "size": 1.23456, "normal[0]": 0.5, "normal[1]": 0.0, "normal[2]": -1.0}
    groups = Membership.of([np.array([7, 9]), np.array([7])], ("left", "old"))
    found = describe(values, attributes, groups)
    parts = ["object 7", "type post", "size 1.235 um", "normal (0.5, 0, -1)", "group left, old"]
    assert str(found) == " \u00b7 ".join(parts)
    assert found.object_id == 7 and found.groups == ("left", "old")
    assert str(describe({"id": -1, "type": 255}, attributes, groups)) == "type missing"
    assert str(describe({"id": float("nan"), "type": 9}, attributes, None)) == "type unknown code 9"
    assert str(describe({}, {}, None)) == ""


@given(
    st.sets(st.sampled_from(["postsynaptic", "presynaptic", "none"])),
    st.sampled_from([None, "ranges", "objects", "groups", "second"]),
)
def test_counts_of_what_matches_are_exact_or_unknown(labels: set[str], further: str | None) -> None:
    filter = Filter(categories={"type": labels})
    conditions: dict[str, Filter] = {
        "ranges": Filter(ranges={"intensity": (0, 5)}, categories={"type": labels}),
        "objects": with_objects(filter, np.array([1])),
        "groups": with_groups(filter, [True, False]),
        "second": Filter(categories={"type": labels, "other": {"a"}}),
    }
    filter = conditions.get(further or "", filter)
    statistics = {0: {"type": {"counts": {"postsynaptic": 12, "presynaptic": 8}}}, 1: {"type": {"counts": {}}}}
    expected = 12 * ("postsynaptic" in labels) + 8 * ("presynaptic" in labels)
    assert count_matching(filter, statistics) == (expected if further is None else None)
    text = status_text(Status(5, 20, 20, 1, 1, 100, (0,), 2), filter, statistics)
    said = f"5 of {expected} matching vertices" if further is None else "5 matching vertices of an unknown number"
    assert said in text


def test_counts_are_those_of_the_store() -> None:
    store = make_store({}, "point_cloud", size=3000)
    filter = Filter(categories={"type": {"presynaptic"}})
    passed = apply_filter(store.level(0).read(), filter, wanted_objects(filter, None))
    assert count_matching(filter, store.statistics) == len(passed)
    assert count_matching(filter, {}) is None
    assert "matching" not in status_text(Status(level_count=1), Filter(), store.statistics)


def test_questions_are_asked_one_at_a_time_and_answers_that_are_late_never_come(qtbot: Any) -> None:
    asker = _Asker()
    release = threading.Event()
    asker.background.ask(lambda token: release.wait(5), asker.take)
    asker.background.ask(lambda token: (token.is_cancelled, threading.current_thread().name), asker.take)
    release.set()
    qtbot.waitUntil(lambda: bool(asker.answers), timeout=5000)
    qtbot.wait(50)
    assert asker.answers == [(False, "zvview-dock-test")] and not asker.background.is_busy

    def fail(token: Any) -> None:
        raise MissingError("object", 3)

    asker.background.ask(fail, asker.take)
    qtbot.waitUntil(lambda: len(asker.answers) == 2, timeout=5000)
    assert isinstance(asker.answers[1], ZvviewError)
    hanging = threading.Event()
    asker.background.ask(lambda token: hanging.wait(5), asker.take)
    begun = time.perf_counter()
    asker.background.close()
    assert time.perf_counter() - begun < 1 and not asker.background.is_busy
    hanging.set()
    qtbot.waitUntil(lambda: "zvview-dock-test" not in {t.name for t in threading.enumerate()}, timeout=5000)
    assert len(asker.answers) == 2


class _Asker:
    def __init__(self) -> None:
        self.background, self.answers = Background("zvview-dock-test"), []

    def take(self, answer: Any) -> None:
        self.answers.append(answer)


def test_a_time_axis_is_no_obstacle_to_finding() -> None:
    axes = (Axis("x", "space"), Axis("y", "space"), Axis("t", "time"))
    store = zvview.create({}, kind="streamline", axes=axes, chunk_shape=(10, 10, 5), bin_shape=(1, 1, 1))
    store.write(Streamlines.from_list([[[1, 1, 0], [5, 5, 3]], [[30, 30, 1], [31, 35, 9.0]]]))
    lo, hi = find_objects(store, np.array([1]))
    np.testing.assert_allclose([lo, hi], [[29.75, 29.75, 0.75], [31.25, 35.25, 9.25]])


def test_points_with_objects_have_places() -> None:
    store = zvview.create({}, kind="point_cloud", chunk_shape=(10, 10, 10))
    store.write(Points(np.arange(30.0).reshape(-1, 3), object_ids=np.repeat([4, 8], 5)))
    facts = read_facts(store)
    assert facts.has_objects and facts.numbers == ()
    lo, hi = find_objects(store, np.array([8]))
    assert (lo <= [15, 16, 17]).all() and (hi >= [27, 28, 29]).all()
