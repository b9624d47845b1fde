"""Edits, undo, redo, commits that succeed, fail or are killed, reloads, crashes and discards in any order: whatever
happens, a session and its store hold what the same steps come to in memory.

``ZVVIEW_INTERLEAVINGS`` is how many orders are tried for each kind; 300 take an hour.
"""

from __future__ import annotations

import contextlib
import copy
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import zvview
from tests.store.committing.conftest import DyingDisk, FullDisk, Killed
from tests.store.editing.line_models import LineModel, edit_lines_at_random, lines_in, rows_of, some_positions
from tests.store.editing.models import (
    VertexModel,
    describe_lines,
    edit_at_random,
    needed,
    refs_from,
    stored_content,
    vertex_at,
)
from zvview.errors import ConflictError, UnreachableError
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions
from zvview.store.committing.disk import Disk
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.editing.session import EditSession
from zvview.testing import make_store

ORDERS = settings(max_examples=int(os.environ.get("ZVVIEW_INTERLEAVINGS", "3")), stateful_step_count=12, deadline=None)
SEEDS = st.integers(0, 10**6)
MOMENTS = st.integers(0, 60)
NEW = (-1,)
# a node added by itself or the children of a root that was deleted; an edge between two objects of a graph
ALLOWED = {"several-roots", "link-between-objects"}


class Interleavings(RuleBasedStateMachine):
    """A store in a folder, a session, and what they should hold.

    Attributes
    ----------
    model
        What the session should tell.
    saved
        What the store should hold.
    past, future : list of (model, int)
        What undo and redo should lead to, and in how many steps of the session.
    """

    kind = ""

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        self.folder = tempfile.mkdtemp(prefix="zvview-")
        self.place = os.path.join(self.folder, "store.zarrvectors")
        self.make(seed)
        build_pyramid(self.place, PyramidOptions(levels=1))
        self.store = self.open_store()
        self.session = self.store.edit()
        self.saved = self.stored()
        self.begin_with(self.saved)

    def teardown(self) -> None:
        self.session.discard()
        self.session.close()
        findings = [finding for finding in zvview.check(self.place) if finding.code not in ALLOWED]
        shutil.rmtree(self.folder)
        assert findings == []

    @rule(seed=SEEDS, count=st.integers(1, 3))
    def edit(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(count):
            before, steps = copy.deepcopy(self.model), []
            end = self.session.on_change(lambda *_, steps=steps: steps.append(1))
            self.edit_both(rng)
            end()
            if steps:
                self.past.append((before, len(steps)))
                self.future.clear()
        self.compare()

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        before, steps = self.past.pop()
        for _ in range(steps):
            assert self.session.can_undo
            self.session.undo()
        self.future.append((self.model, steps))
        self.model = before
        self.compare()

    @precondition(lambda self: self.future)
    @rule()
    def redo(self) -> None:
        after, steps = self.future.pop()
        for _ in range(steps):
            assert self.session.can_redo
            self.session.redo()
        self.past.append((self.model, steps))
        self.model = after
        self.compare()

    @precondition(lambda self: self.session.is_changed)
    @rule()
    def commit(self) -> None:
        with commits_on(DyingDisk()):
            self.session.commit()
        self.note_commit()

    @precondition(lambda self: self.session.is_changed)
    @rule(at=MOMENTS)
    def commit_to_a_disk_that_is_full_from_some_moment_on(self, at: int) -> None:
        is_saved = False
        with commits_on(FullDisk(at)), contextlib.suppress(UnreachableError):
            self.session.commit()
            is_saved = True
        if is_saved:
            self.note_commit()
        else:
            assert self.session.is_changed and self.content_of(self.stored()) == self.content_of(self.saved)
        self.compare()

    @precondition(lambda self: self.session.is_changed)
    @rule(at=MOMENTS)
    def die_in_a_commit(self, at: int) -> None:
        with commits_on(DyingDisk(at)), contextlib.suppress(Killed):
            self.session.commit()
            self.note_commit()
        self.begin_after_a_crash()

    @precondition(lambda self: self.session.is_changed)
    @rule()
    def die_between_a_commit_and_its_last_word(self) -> None:
        ending = mock.patch.object(EditSession, "_begin_anew", side_effect=Killed)
        with commits_on(DyingDisk()), ending, contextlib.suppress(Killed):
            self.session.commit()
        self.begin_after_a_crash()

    @precondition(lambda self: self.session.is_changed)
    @rule(is_closed=st.booleans())
    def crash(self, is_closed: bool) -> None:
        if is_closed:
            self.session.close()
        self.begin_after_a_crash(are_kept=True)

    @precondition(lambda self: self.session.is_changed)
    @rule()
    def discard(self) -> None:
        self.session.discard()
        assert not self.session.is_changed
        self.begin_with(self.saved)

    @rule(seed=SEEDS, is_tried=st.booleans())
    def another_commits(self, seed: int, is_tried: bool) -> None:
        """Another session changes what this one leaves alone; the edits of both are kept."""
        with self.open_store() as store:
            other = store.edit(journal=False)
            change = self.edit_elsewhere(other, np.random.default_rng(seed))
            with commits_on(DyingDisk()):
                other.commit()
                if is_tried:
                    with contextlib.suppress(ConflictError):
                        self.session.commit()
            told = self.session.reload()
            assert told.is_whole
            self.renumber(dict(told.renumbered))
            change(self.model)
            self.saved = self.stored()
            self.begin_with(self.model)

    def note_commit(self) -> None:
        """The edits should be in the store, and no longer in the session."""
        assert not self.session.is_changed
        self.saved = self.stored()
        assert self.content_of(self.saved) == self.content_of(self.model)
        self.begin_with(self.model)

    def begin_after_a_crash(self, *, are_kept: bool = False) -> None:
        """Another process opens the store and takes up what was left behind: all, where nothing of it was saved."""
        journal, self.session._journal = self.session._journal, None
        if journal is not None:
            journal.flush()
            if journal._lock is not None:  # it dies with its process
                journal._lock.release()
            journal._lock, journal._is_closed = None, True
        self.store.close()
        self.store = self.open_store()
        self.session = self.store.edit()
        found = self.session.find_unsaved()
        assert len(found) <= 1 and (found or not are_kept)
        for left in found:
            told = self.session.restore(left)
            assert told.is_whole or not are_kept
        self.saved = self.stored()
        self.begin_with(self.model)

    def begin_with(self, expected: Any) -> None:
        """Go on where nothing can be undone but edits that were taken up, all at once."""
        self.model = self.told(expected)
        assert self.content_of(self.model) == self.content_of(expected)
        self.past: list[tuple[Any, int]] = [(copy.deepcopy(self.saved), 1)] if self.session.is_changed else []
        self.future: list[tuple[Any, int]] = []

    def compare(self) -> None:
        """The session tells what it should, and what can be undone."""
        assert (self.session.can_undo, self.session.can_redo) == (bool(self.past), bool(self.future))
        assert self.content_of(self.told(self.model)) == self.content_of(self.model)

    def content_of(self, model: Any) -> Any:
        return model.content()

    def open_store(self) -> zvview.Store:
        found = zvview.open(self.place)
        assert isinstance(found, zvview.Store)
        return found


class VertexInterleavings(Interleavings):
    """Points, graphs, skeletons and meshes."""

    def make(self, seed: int) -> None:
        options = {"size": 60, "chunk_shape": (400.0,) * 3, "n_objects": 3}
        make_store(self.place, self.kind, seed=seed, **options).close()  # type: ignore[arg-type]

    def stored(self) -> VertexModel:
        with self.open_store() as store:
            model = VertexModel.of(self.kind, store.edit(journal=False).find())
            assert stored_content(self.kind, store.level(0).read()) == model.content()
        return model

    def told(self, _: VertexModel) -> VertexModel:
        return VertexModel.of(self.kind, self.session.find())

    def edit_both(self, rng: np.random.Generator) -> None:
        edit_at_random(self.session, self.model, rng)

    def edit_elsewhere(self, other: EditSession, rng: np.random.Generator) -> Callable[[VertexModel], None]:
        """Set an attribute of a vertex that has no edits, and hang a new one on it, or put it beside it."""
        edited = {(*key, row) for key, entry in self.session.edits.chunks.items() for row in entry.rows.tolist()}
        free = sorted(name for name in self.saved.vertices if name not in edited)
        if not free:
            return lambda model: None
        name = free[int(rng.integers(len(free)))]
        column = next(n for n, m in other.schema.columns.items() if not m.row_shape and m.categories is None)
        value = np.ones(1, other.schema.columns[column].dtype)
        other.set_attributes(refs_from([name]), {column: value})
        position = some_positions(rng, 1)
        if self.kind == "skeleton":
            new = other.add_branch(refs_from([name]), position, attributes=needed(other))
        else:
            new = other.add(position, object_ids=self.saved.vertices[name].owner, attributes=needed(other))
        added = vertex_at(other.look_up(new), 0)

        def change(model: VertexModel) -> None:
            model.vertices[name].values[column] = value.tobytes()
            model.vertices[NEW] = added
            if self.kind == "skeleton":
                model.links.append((NEW, name))

        return change

    def renumber(self, numbers: dict[int, int]) -> None:
        assert numbers == {}


class LineInterleavings(Interleavings):
    """Streamlines with groups and attributes of objects."""

    def make(self, seed: int) -> None:
        describe_lines(self.place).close()

    def stored(self) -> LineModel:
        with self.open_store() as store:
            return LineModel.of(store)

    def told(self, expected: LineModel) -> LineModel:
        """Its lines; a session does not tell what their attributes and groups are now."""
        return LineModel(lines_in(self.session), dict(expected.lengths), copy.deepcopy(expected.groups))

    def edit_both(self, rng: np.random.Generator) -> None:
        edit_lines_at_random(self.session, self.model, rng)

    def edit_elsewhere(self, other: EditSession, rng: np.random.Generator) -> Callable[[LineModel], None]:
        """Add a line, whose id the session may have given to one of its own, and move one that has no edits."""
        edits = self.session.edits
        new = other.add_line(some_positions(rng, 3))
        touched = {number for number in self.saved.lines if number not in edits.lines}
        number = min(touched, default=new)
        other.move_line_vertices(number, [0], some_positions(rng, 1))
        moved = rows_of(other.read_lines([new, number] if number != new else [new]))

        def change(model: LineModel) -> None:
            model.lines |= moved
            model.lengths[new] = float("nan")

        return change

    def renumber(self, numbers: dict[int, int]) -> None:
        self.model.rename(numbers)


class PointInterleavings(VertexInterleavings):
    kind = "point_cloud"


class GraphInterleavings(VertexInterleavings):
    kind = "graph"


class SkeletonInterleavings(VertexInterleavings):
    kind = "skeleton"


class MeshInterleavings(VertexInterleavings):
    kind = "mesh"


@contextlib.contextmanager
def commits_on(disk: Disk) -> Iterator[None]:
    """Commits to folders are written on a disk of this kind."""
    made = lambda folder: FolderCommit(folder, disk)  # noqa: E731
    with mock.patch("zvview.store.committing.opening.FolderCommit", made):
        yield


MACHINES = (PointInterleavings, GraphInterleavings, SkeletonInterleavings, MeshInterleavings, LineInterleavings)


@pytest.mark.parametrize("machine", MACHINES)
def test_whatever_happens_in_whatever_order_nothing_is_lost_or_done_twice(machine: type[Interleavings]) -> None:
    run_state_machine_as_test(machine, settings=ORDERS)  # type: ignore[no-untyped-call]
