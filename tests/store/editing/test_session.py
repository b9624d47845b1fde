"""Sessions against plain dictionaries: random operations on every kind, taken back and done again."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zvview
from tests.store.editing.models import VertexModel, assert_same, describe_lines, edit_at_random, keys_of, needed
from zvview.errors import ConflictError, InvalidInputError, MissingError, UnsupportedError
from zvview.store.editing import line_reading
from zvview.store.editing.edits import VertexRefs
from zvview.store.editing.recording import are_equal
from zvview.store.editing.review import Review
from zvview.store.editing.session import EditSession
from zvview.testing import make_store

VERTEX_KINDS = ("point_cloud", "graph", "skeleton", "mesh")


def open_session(kind: str, size: int = 150, **options: object) -> EditSession:
    """A session on a small store in memory."""
    return make_store({}, kind, size=size, chunk_shape=(250.0,) * 3, **options).edit()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", VERTEX_KINDS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=6, deadline=None)
def test_any_operations_come_to_what_they_do_in_memory_and_can_be_undone(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    session = open_session(kind, n_objects=1 if kind == "point_cloud" else None)
    model = VertexModel.of(kind, session.find())
    values = [session.edits]
    end = session.on_change(lambda before, after: values.append(after))
    for _ in range(12):
        edit_at_random(session, model, rng)
    end()
    assert_same(session, model)
    for value in values[-2::-1]:
        session.undo()
        assert session.edits is value
    assert not session.can_undo and are_equal(session.edits, zvview.Edits())
    while session.can_redo:
        session.redo()
    assert_same(session, model)


def test_a_box_finds_what_moved_into_it_and_not_what_left_it() -> None:
    session = open_session("point_cloud", 500)
    found = session.find()
    inside = ((found.positions >= 200) & (found.positions <= 600)).all(axis=1)
    leaver, comer = found.take(np.flatnonzero(inside)[:1]), found.take(np.flatnonzero(~inside)[:1])
    session.move(leaver, [0.0, 0.0, 0.0])
    session.move(comer, [300.0, 300.0, 300.0])
    names = keys_of(session.find(box=([200] * 3, [600] * 3)).refs)
    assert len(names) == inside.sum()
    assert keys_of(comer.refs)[0] in names and keys_of(leaver.refs)[0] not in names


def test_a_new_point_is_found_looked_up_moved_and_deleted_like_any_other() -> None:
    session = open_session("point_cloud")
    refs = session.add([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], {**needed(session), "intensity": 7})
    assert session.look_up(refs).attributes["intensity"].tolist() == [7, 7]
    session.move(refs, [[2.0, 2.0, 3.0], [5.0, 5.0, 6.0]])
    assert session.find(box=([5] * 3, [6] * 3)).positions.tolist() == [[5.0, 5.0, 6.0]]
    session.delete(refs)
    assert not len(session.look_up(refs)) and session.edits.added is None
    with pytest.raises(MissingError):
        session.move(refs, [[2.0, 2.0, 3.0], [5.0, 5.0, 6.0]])
    assert session.add([[1.0, 2.0, 3.0]], attributes=needed(session)).rows.tolist() == [-3]


def test_a_whole_selection_gets_one_value_and_categories_by_their_labels() -> None:
    session = open_session("point_cloud")
    found = session.find()
    label = session.schema.columns["type"].categories.labels[0]  # type: ignore[union-attr]
    session.set_attributes(found, {"type": label, "intensity": 3})
    again = session.look_up(found)
    assert (again.attributes["type"] == 0).all() and (again.attributes["intensity"] == 3).all()
    with pytest.raises(InvalidInputError, match="no category"):
        session.set_attributes(found, {"type": "none such"})
    with pytest.raises(MissingError):
        session.set_attributes(found, {"none such": 1})


def test_a_category_is_never_made_up() -> None:
    points, trees, lines = (open_session(kind) for kind in ("point_cloud", "skeleton", "polyline"))
    assert points.schema.must_be_given == ("type",) and lines.schema.must_be_given == ()

    def branch(**given: Any) -> zvview.VertexRefs:
        return trees.add_branch(trees.find().take(np.array([0])), np.zeros((2, 3)), **given)

    for session, add in (
        (points, lambda **given: points.add(np.zeros((2, 3)), **given)),
        (trees, lambda **given: trees.paste(np.zeros((2, 3)), [[1, 0]], **given)),
        (trees, branch),
    ):
        with pytest.raises(InvalidInputError, match=r"'type' has no category for what is unknown.*=\{'type': "):
            add()
        assert not session.is_changed
        found = session.look_up(add(attributes={"type": [0, 1]}))
        assert found.attributes["type"].tolist() == [0, 1]
        session.discard()
    assert not len(points.add(np.empty((0, 3))))  # nothing needs no value


def test_a_category_of_a_line_is_never_made_up() -> None:
    batch = zvview.Polylines.from_list(
        [np.arange(12.0).reshape(4, 3) + 20 * number for number in range(3)],
        object_ids=[0, 1, 2],
        attributes={"part": np.arange(12, dtype=np.int8) % 3},
        categories={"part": zvview.Categories(("a", "b", "c"))},
    )
    store = zvview.create({}, kind="polyline", chunk_shape=(50.0,) * 3, bin_shape=(1.0,) * 3)
    store.write(batch)
    session = store.edit()
    longer, again = np.arange(15.0).reshape(5, 3), np.arange(12.0).reshape(4, 3)
    for refused in (
        lambda: session.add_line(longer),
        lambda: session.add_lines(zvview.Polylines.from_list([longer])),
        lambda: session.set_line(0, longer),
        lambda: session.set_lines(zvview.Polylines.from_list([longer, again], object_ids=[0, 1])),
    ):
        with pytest.raises(InvalidInputError, match="'part' has no category for what is unknown"):
            refused()
    assert not session.is_changed
    session.set_line(0, again)
    session.set_lines(zvview.Polylines.from_list([again], object_ids=[1]))
    session.insert_line_vertices(0, [4], [[50.0, 50.0, 50.0]])
    assert session.line(0).attributes["part"].tolist() == [0, 1, 2, 0, 0]
    assert session.line(1).attributes["part"].tolist() == [1, 2, 0, 1]
    session.set_line(0, longer, {"part": "c"})
    assert session.line(session.add_line(longer, {"part": "b"})).attributes["part"].tolist() == [1] * 5
    assert session.line(0).attributes["part"].tolist() == [2] * 5


def test_what_cannot_be_is_refused_and_leaves_the_edits_as_they_were() -> None:
    session = open_session("point_cloud")
    found = session.find()
    before = session.edits
    refs = zvview.VertexRefs(found.refs.chunks[:1], np.array([10**6]))
    for wrong in (
        lambda: session.move(found, np.zeros((1, 3))),
        lambda: session.move(found, np.full((len(found), 3), np.nan)),
        lambda: session.add([[0.0, 0.0]], attributes=needed(session)),
        lambda: session.add([[0.0, 0.0, 1e300]], attributes=needed(session)),
        lambda: session.delete(refs),
        lambda: session.delete("all"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInputError):
            wrong()
    with pytest.raises(UnsupportedError):
        session.connect(found, found)
    with pytest.raises(UnsupportedError):
        session.add_line([[0, 0, 0], [1, 1, 1]])
    assert session.edits is before


def test_those_who_look_on_are_told_of_each_change_until_they_end_it() -> None:
    session = open_session("point_cloud")
    told: list[tuple[zvview.Edits, zvview.Edits]] = []
    end = session.on_change(lambda before, after: told.append((before, after)))
    found = session.find()
    assert not told
    session.delete(found.take(np.arange(3)))
    session.undo()
    assert told == [(told[0][0], told[0][1]), (told[0][1], told[0][0])] and told[1][1] is session.edits
    end()
    session.redo()
    assert len(told) == 2


def test_a_review_tells_how_many_of_what() -> None:
    session = open_session("point_cloud")
    found = session.find()
    assert str(session.review()) == "no edits" and not session.review()
    session.move(found.take(np.arange(3)), np.ones((3, 3)))
    session.delete(found.take(np.arange(2, 14)))
    session.set_attributes(found.take(np.arange(1)), {"intensity": 1})
    session.add(np.zeros((4, 3)), attributes=needed(session))
    assert str(session.review()) == "2 moved, 12 deleted, 4 added, 1 with other values"
    session.discard()
    assert not session.is_changed and not session.can_undo


@pytest.mark.parametrize("kind", ["graph", "skeleton", "mesh"])
def test_objects_are_deleted_joined_split_and_relabelled_with_all_that_is_theirs(kind: str) -> None:
    session = open_session(kind, 400, n_objects=4)
    owners = session.find().object_ids
    assert owners is not None
    first, second, third = np.unique(owners).tolist()[:3]
    counts = {i: len(session.vertices_of(i)) for i in (first, second, third)}
    new = session.relabel_object(first)
    assert len(session.vertices_of(new)) == counts[first] and not len(session.vertices_of(first))
    assert session.join_objects([new, second]) == new
    assert len(session.vertices_of(new)) == counts[first] + counts[second]
    session.delete_objects([new])
    assert new not in session.edits.new_objects
    whole = session.vertices_of(third)
    part = whole.take(np.arange(5))
    split = session.split_object(part)
    left, own = session.vertices_of(third), session.vertices_of(split)
    assert keys_of(own.refs) == keys_of(part.refs) and len(left) == counts[third] - 5
    assert len(left.links) + len(own.links) <= len(whole.links)
    with pytest.raises(InvalidInputError, match="nothing would be left"):
        session.split_object(own)
    with pytest.raises(MissingError):
        session.delete_objects(10**9)


def test_a_skeleton_takes_branches_new_parents_and_whole_trees() -> None:
    session = open_session("skeleton", 300, n_objects=2)
    one, other = sorted(set(session.find().object_ids.tolist()))  # type: ignore[union-attr]
    tree, second = session.vertices_of(one), session.vertices_of(other)
    leaf = second.take(np.setdiff1d(np.arange(len(second)), second.links[:, 1])[:1])
    is_leaf = ~np.isin(tree.links[:, 0], tree.links[:, 1])
    child, parent = tree.links[is_leaf][-1]
    session.connect(leaf, tree.take(np.setdiff1d(np.arange(len(tree)), [child])[3:4]))
    joined = session.vertices_of(one)
    assert len(joined) == len(tree) + len(second) and len(joined.links) == len(joined) - 1
    assert len(np.unique(joined.links[:, 0])) == len(joined) - 1
    with pytest.raises(InvalidInputError, match="no cycles"):
        session.connect(tree.take(np.array([0])), tree.take(np.array([1])))
    with pytest.raises(InvalidInputError, match="no cycles"):
        session.set_parent(tree.take(np.array([parent])), tree.take(np.array([child])))
    session.set_parent(tree.take(np.array([child])), leaf)
    assert len(session.vertices_of(one).links) == len(joined) - 1
    cut = session.cut(tree.take(np.array([child])), leaf)
    assert cut is not None and len(session.vertices_of(cut)) + len(session.vertices_of(one)) == len(joined)
    refs = session.add_branch(leaf, np.ones((4, 3)), attributes=needed(session))
    assert set(session.look_up(refs).object_ids.tolist()) == {one}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", ["line", "polyline", "streamline"])
def test_lines_are_edited_as_wholes(kind: str) -> None:
    session = open_session(kind, 300)
    first, second, third = session._objects.ids[:3].tolist()
    line = session.line(first)
    session.move_line_vertices(first, [0], [[1.0, 2.0, 3.0]])
    assert session.line(first).positions[0].tolist() == [1.0, 2.0, 3.0]
    session.reverse_line(first)
    assert session.line(first).positions[-1].tolist() == [1.0, 2.0, 3.0]
    name = next(iter(session.schema.columns))
    session.set_line_attributes(first, {name: 1}, rows=[0])
    assert (session.line(first).attributes[name][0] == 1).all()
    if kind != "line":
        session.insert_line_vertices(first, [1, len(line)], [[5.0, 5.0, 5.0], [6.0, 6.0, 6.0]])
        assert len(session.line(first)) == len(line) + 2 and session.line(first).positions[-1].tolist() == [6.0] * 3
        new = session.split_line(first, 3)
        assert session.line(first).positions[-1].tolist() == session.line(new).positions[0].tolist()
        assert session.join_lines([second, new, third]) == second
        with pytest.raises(InvalidInputError, match="was deleted"):
            session.line(third)
        assert new not in session.edits.new_objects
    added = session.add_line([[0, 0, 0], [1, 1, 1]])
    session.set_line(added, [[0, 0, 0], [2, 2, 2]], {name: 1})
    session.delete_line_vertices(added, [0])
    assert added not in session.edits.lines and added not in session.edits.new_objects
    session.delete_objects([first])
    assert session.review().lines_deleted == (1 if kind == "line" else 2)
    while session.can_undo:
        session.undo()
    assert are_equal(session.edits, zvview.Edits())


def test_a_box_finds_lines_as_they_are_now() -> None:
    session = describe_lines({}).edit()
    ids = session.find_lines().tolist()
    assert ids == list(range(0, 30, 3))
    box = ([100] * 3, [600] * 3)
    inside = {n for n in ids if ((session.line(n).positions >= 100) & (session.line(n).positions <= 600)).all(1).any()}
    assert session.find_lines(box).tolist() == sorted(inside) != ids
    first, other = min(inside), min(set(ids) - inside)
    session.set_line(first, [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    session.move_line_vertices(other, [2], [[200.0, 200.0, 200.0]])
    new = session.add_line([[0.0, 0.0, 0.0], [300.0, 300.0, 300.0]])
    assert session.find_lines(box).tolist() == sorted((inside - {first}) | {other, new})
    for wrong in (session.find, lambda: session.vertices_of(0)):
        with pytest.raises(UnsupportedError, match="wholes"):
            wrong()


def test_a_line_is_read_once_for_an_operation_and_anew_where_its_chunks_were_looked_at_anew() -> None:
    place: dict[str, bytes] = {}
    make_store(place, "streamline", size=150, chunk_shape=(250.0,) * 3).close()
    session, other = (zvview.open(place).edit() for _ in range(2))
    assert isinstance(session, EditSession) and isinstance(other, EditSession)
    number = int(session.find_lines()[0])
    old = session.line(number).positions
    with mock.patch.object(line_reading, "stored_lines", side_effect=AssertionError):
        session.move_line_vertices(number, [0], old[:1] + 1)
    session.undo()
    other.move_line_vertices(number, [1], old[1:2] + 2)
    other.commit()
    session.prepare(zvview.open(place).level(0).chunks, again=True)
    session.move_line_vertices(number, [0], old[:1] + 1)
    now = session.line(number).positions
    assert np.allclose(now[:2], [old[0] + 1, old[1] + 2])
    session.commit()


def test_a_split_line_keeps_the_attributes_and_groups_of_the_line() -> None:
    session = describe_lines({}).edit()
    new = session.split_line(3, 2)
    told = session.edits.object_attributes
    assert told["length"][new] == 1.0 and told["name"][new] == "line 1"
    assert session.edits.groups[0].added.tolist() == [new]
    again = session.relabel_object(new)
    assert session.edits.object_attributes["name"][again] == "line 1" and new not in session.edits.new_objects
    assert session.edits.groups[0].added.tolist() == [again]
    session.remove_from_group("left", [3, again])
    assert session.edits.groups[0].removed.tolist() == [3] and not len(session.edits.groups[0].added)
    session.add_to_group(0, 3)
    assert session.edits.groups == {}


def test_attributes_of_objects_are_set_at_once_and_refused_where_they_do_not_fit() -> None:
    session = describe_lines({}).edit()
    session.set_object_attributes([3, 6, 9], {"length": 2, "name": "same"})
    session.set_object_attributes(9, {"length": 5})
    told = session.edits.object_attributes
    assert {n: float(v) for n, v in told["length"].items()} == {3: 2.0, 6: 2.0, 9: 5.0}
    assert told["name"].keys() == {3, 6, 9} and told["name"][6].dtype.kind == "U"
    before = session.edits
    for wrong in ({"length": "x"}, {"name": "far too long a name"}, {"name": 7}, {"length": [1.0, 2.0, 3.0]}):
        with pytest.raises(InvalidInputError):
            session.set_object_attributes([3, 6], wrong)
    with pytest.raises(MissingError):
        session.set_object_attributes([3], {"none such": 1})
    with pytest.raises(MissingError):
        session.set_object_attributes([4], {"length": 1})
    with pytest.raises(MissingError):
        session.add_to_group("none such", [3])
    assert session.edits is before


def test_stores_that_cannot_be_edited_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store({}, "point_cloud", size=50)
    monkeypatch.setattr(type(store.metadata), "is_old_layout", property(lambda self: True))
    with pytest.raises(UnsupportedError, match="zvview upgrade"):
        store.edit()


def test_two_commits_of_one_session_at_once_are_a_conflict() -> None:
    session = open_session("point_cloud")
    found = session.find()
    with session._is_committing:
        with pytest.raises(ConflictError, match="being saved"):
            session.commit()
        with pytest.raises(ConflictError, match="being saved"):
            session.delete(found)


def test_operations_from_several_threads_wait_for_each_other() -> None:
    session = open_session("point_cloud", 400)
    found = session.find()

    def move(first: int) -> None:
        for row in range(first, first + 100):
            session.move(found.take(np.array([row])), [1.0, 2.0, 3.0])

    threads = [threading.Thread(target=move, args=(first,)) for first in range(0, 400, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert session.review().moved == 400


def test_links_to_what_is_not_there_and_cycles_are_refused() -> None:
    graph = open_session("graph")
    found = graph.find()
    one, other = found.take(np.array([0])), found.take(np.array([1]))
    graph.delete(other)
    before = graph.edits
    for missing in (
        other.refs,
        VertexRefs(one.refs.chunks, np.array([10**6])),
        VertexRefs(one.refs.chunks, -one.refs.rows - 9),
    ):
        with pytest.raises(InvalidInputError, match="not there"):
            graph.connect(one, missing)
    assert graph.edits is before
    skeleton = open_session("skeleton")
    for links in ([[0, 1], [1, 2], [2, 0]], [[0, 0]]):
        with pytest.raises(InvalidInputError, match="cycle"):
            skeleton.paste(np.arange(9.0).reshape(3, 3), links, attributes=needed(skeleton))
    assert not skeleton.is_changed


@pytest.mark.parametrize("links", [[[0, 1, 2, 3]] * 3, [0, 1, 2], [[0.0, 1.0, 2.0]], [[0, 1], [2]]])
def test_pasted_links_of_another_shape_are_refused_and_not_cut_anew(links: list[object]) -> None:
    session = open_session("mesh")
    with pytest.raises(InvalidInputError, match="links"):
        session.paste(np.arange(12.0).reshape(4, 3), links)
    assert not session.is_changed


def test_links_that_are_there_and_those_of_a_vertex_with_itself_are_refused() -> None:
    graph = open_session("graph")
    found = graph.find()
    one, other = (found.take(found.links[0, [end]]) for end in (0, 1))
    with pytest.raises(InvalidInputError, match="there already"):
        graph.connect(other, one)
    with pytest.raises(InvalidInputError, match="a vertex twice"):
        graph.connect(one, one)
    graph.cut(one, other)
    graph.connect(other, one)
    with pytest.raises(InvalidInputError, match="there already"):
        graph.connect(one, other)
    graph.undo()
    graph.undo()
    assert not graph.is_changed
    with pytest.raises(InvalidInputError, match="there already"):
        graph.paste(np.arange(6.0).reshape(2, 3), [[0, 1], [1, 0]], attributes=needed(graph))
    mesh = open_session("mesh")
    corners = mesh.find()
    for face, match in ((corners.links[0, [1, 2, 0]], "there already"), (corners.links[0, [1, 1, 0]], "twice")):
        with pytest.raises(InvalidInputError, match=match):
            mesh.add_faces(corners.take(face))
    with pytest.raises(InvalidInputError, match="1 of the 2 links are there already"):
        mesh.paste(np.arange(9.0).reshape(3, 3), [[0, 1, 2], [1, 2, 0]], attributes=needed(mesh))
    assert not mesh.is_changed


def test_negative_and_greatest_object_ids() -> None:
    lines = [np.arange(9.0).reshape(3, 3).astype("f4") * 10 + i for i in range(3)]
    place: dict[str, bytes] = {}
    batch = zvview.Streamlines.from_list(lines, object_ids=np.array([-7, -1, 2**63 - 1]))
    zvview.create(place, kind="streamline", axes="xyz").write(batch)
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    session = store.edit()
    assert session.find_lines().tolist() == [-7, -1, 2**63 - 1]
    assert session.find_lines(([0] * 3, [21.5] * 3)).tolist() == [-7, -1]
    with pytest.raises(InvalidInputError, match="no free object id"):
        session.split_line(-1, 1)
    place = {}
    positions = np.arange(6.0).reshape(2, 3)
    zvview.create(place, kind="point_cloud", axes="xyz").write(zvview.Points(positions, object_ids=np.array([-3, 4])))
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    points = store.edit()
    points.add([[1.0, 1.0, 1.0]], object_ids=-3)
    with pytest.raises(InvalidInputError, match="-5"):
        points.add([[1.0, 1.0, 1.0]], object_ids=-5)
    points.commit()
    assert len(points.vertices_of(-3)) == 2


def test_a_new_object_that_lost_all_its_vertices_again_is_as_if_never_made() -> None:
    session = open_session("skeleton", n_objects=3)
    first, second = (session.add(np.full((2, 3), value), attributes=needed(session)) for value in (1.0, 2.0))
    (number,) = set(session.look_up(second).object_ids.tolist())  # type: ignore[union-attr]
    session.delete(first)
    assert session.edits.new_objects == {number} and session.look_up(second).object_ids.tolist() == [number] * 2  # type: ignore[union-attr]
    session.reassign(second, 0)
    assert not session.edits.new_objects and session.review() == Review(added=2)
    session.undo()
    assert session.edits.new_objects == {number}
    session.delete(second)
    assert not session.is_changed


@pytest.mark.parametrize("end", ["commit", "discard", "reload"])
def test_names_from_before_a_commit_a_discard_or_a_reload_are_refused(end: str) -> None:
    session = open_session("point_cloud")
    found, new = session.find(), session.add([[1.0, 2.0, 3.0]], attributes=needed(session))
    getattr(session, end)()
    for names in (found, found.refs, found.take(np.arange(2)), new):
        with pytest.raises(InvalidInputError, match="find the vertices again"):
            session.delete(names)
    session.delete(session.find())


def test_new_vertices_of_another_session_are_refused_and_stored_ones_are_not() -> None:
    store = make_store({}, "point_cloud", size=100)
    mine, theirs = store.edit(), store.edit()
    new = mine.add([[1.0, 2.0, 3.0]], attributes=needed(mine))
    theirs.add([[4.0, 5.0, 6.0]], attributes=needed(theirs))
    with pytest.raises(InvalidInputError, match="another session"):
        theirs.delete(new)
    theirs.delete(mine.find().take(np.arange(3)))
    assert theirs.review().deleted == 3
