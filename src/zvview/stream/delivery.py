"""When to deliver an update, and what it says: at once when all is there, else what there is, not too often."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zvview.store.store import Store
from zvview.stream.frame import Frame
from zvview.stream.giving_way import give_way
from zvview.stream.holdings import Holdings
from zvview.stream.ledger import Ledger
from zvview.stream.parts import join_parts
from zvview.stream.picture import Picture, lacking_notes, paint
from zvview.stream.plan import Plan
from zvview.stream.restriction import Restriction
from zvview.stream.settings import StreamSettings
from zvview.stream.update import Status, Update
from zvview.stream.view import ViewState

__all__ = ["Delivery", "Request", "Scene"]

_MOST_NOTES = 20
_PATIENCE = 10.0  # times what joining takes until what is not settled is delivered: preparing and drawing it cost more
_PATCHED = 5  # times the interval between pictures that are patchwork: what is here soon need not be shown in pieces
_FEW = 10_000  # vertices: of fewer, joining takes as long as of none


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A view, numbered, with the time it was asked for."""

    generation: int
    view: ViewState
    asked: float


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What there is to show for a plan.

    Attributes
    ----------
    holdings : Holdings
    plan : Plan
    frame : Frame
    restriction : Restriction
    """

    holdings: Holdings
    plan: Plan
    frame: Frame
    restriction: Restriction

    @property
    def vertices(self) -> float:
        """How many the frame shows."""
        pairs = zip(self.holdings.predictions.vertices, self.frame.chunks, strict=True)
        return sum(float(counts[mask].sum()) for counts, mask in pairs)

    @property
    def is_complete(self) -> bool:
        """Whether all is there that the view needs."""
        return self.frame.is_complete and self.holdings.is_reach_known and not self.holdings.facts.is_partial


class Delivery:
    """Delivers to one receiver, from the streamer's thread only."""

    def __init__(
        self, store: Store, settings: StreamSettings, ledger: Ledger, receive: Callable[[Update], None]
    ) -> None:
        self._interval_s, self._ledger, self._receive = settings.update_interval_s, ledger, receive
        self._picture = Picture(join_parts(store.kind, store.metadata.ndim, {}, []), 0, ())
        self._painted: Scene | None = None
        self._last: tuple[int, bool, Status] | None = None
        self._delivered_at = 0.0
        self._unmet_since: float | None = None
        self._vertex_s = 0.0
        self.settled_at: float | None = None

    def expect(self, request: Request) -> None:
        """A new view is asked for."""
        self.settled_at = None
        if self._unmet_since is None:
            self._unmet_since = request.asked

    def deliver(self, request: Request, scene: Scene | None, problem: str | None, notes: Sequence[str]) -> float | None:
        """Deliver what is due; returns when something will be, None where nothing is waiting.

        Parameters
        ----------
        request : Request
        scene : Scene or None
            None as long as nothing is known of the store, or of what the view's filter concerns.
        problem : str or None
        notes : sequence of str
        """
        if scene is None and self._painted is None and problem is None:
            return None
        is_settled = scene is not None and scene.plan.view is request.view and scene.is_complete
        is_same = scene is None or self._shows(scene)
        status = self._status(scene, problem, notes)
        if is_same and self._last == (request.generation, is_settled, status):
            return None
        now = time.perf_counter()
        is_first = (
            scene is not None and bool(scene.frame.levels) and not scene.frame.has_gaps and not self._picture.levels
        )
        if not is_settled and not is_first:
            wait = 0.0 if scene is None or is_same else _PATIENCE * self._vertex_s * scene.vertices
            is_patchwork = scene is not None and not is_same and scene.frame.patches is not None
            is_moving = self._unmet_since is not None and self._unmet_since < request.asked
            least = self._interval_s * (_PATCHED if is_patchwork and not is_moving else 1)
            due = max(self._delivered_at, self._unmet_since or 0.0) + max(least, wait)
            if now < due:
                return due
        if scene is not None and not is_same:
            start = time.perf_counter()
            facts, levels = scene.holdings.facts, scene.holdings.parts_of(scene.frame.chunks)
            if scene.frame.patches is not None:
                levels = give_way(facts, levels, scene.frame.patches)
            self._picture = paint(
                facts,
                levels,
                scene.plan.view,
                scene.restriction.objects,
            )
            assembly_s = time.perf_counter() - start
            self._ledger.note(assembly_s=assembly_s)
            self._vertex_s = assembly_s / max(self._picture.loaded, _FEW)
            self._painted = scene
            status = self._status(scene, problem, notes)
        self._count(request, scene, is_settled)
        self._last = (request.generation, is_settled, status)
        picture = self._picture
        self._receive(
            Update(request.generation, picture.batch, is_settled, status, edits=picture.edits, chunks=picture.chunks)
        )
        return None

    def _shows(self, scene: Scene) -> bool:
        """Whether the picture at hand is that of `scene`, too."""
        if self._painted is None or not _is_same(scene, self._painted):
            return False
        return not self._picture.is_cut or scene.plan.view == self._painted.plan.view

    def _count(self, request: Request, scene: Scene | None, is_settled: bool) -> None:
        now = time.perf_counter()
        self._ledger.count(updates=1)
        if self._last is None or self._last[0] != request.generation:
            self._first_s = now - request.asked
        if scene is not None:
            self._ledger.shown(scene.holdings.keys_of(scene.frame.chunks))
        if is_settled and self.settled_at is None:
            self.settled_at = now
            self._ledger.note(first_update_s=self._first_s, settled_s=now - request.asked)
        self._delivered_at, self._unmet_since = now, None

    def _status(self, scene: Scene | None, problem: str | None, notes: Sequence[str]) -> Status:
        picture = self._picture
        if scene is None:
            return Status(
                len(picture.batch),
                picture.loaded,
                bytes_shown=picture.batch.nbytes,
                problem=problem,
                notes=tuple(notes),
            )
        facts = scene.holdings.facts
        said = [
            *notes,
            *scene.plan.notes,
            *picture.notes,
            *lacking_notes(facts, picture.levels, scene.plan.view),
            *facts.notes,
        ]
        said = list(dict.fromkeys(said))
        if len(said) > _MOST_NOTES:
            said = [*said[:_MOST_NOTES], f"and {len(said) - _MOST_NOTES} more notes"]
        total = facts.total_vertices
        return Status(
            len(picture.batch),
            picture.loaded,
            None if total is not None and total < len(picture.batch) else total,  # the store declares too few
            scene.frame.ready,
            scene.frame.wanted,
            picture.batch.nbytes,
            picture.levels,
            facts.level_count,
            problem,
            tuple(said),
            scene.plan.is_limited,
            picture.is_thinned,
        )


def _is_same(scene: Scene, painted: Scene) -> bool:
    """Whether a picture of one shows the other as well."""
    view, shown = scene.plan.view, painted.plan.view
    return (
        scene.holdings is painted.holdings
        and (view is shown or (view.filter == shown.filter and _are_equal(view, shown)))
        and view.budget_vertices == shown.budget_vertices
        and view.edits is shown.edits
        and scene.frame.shows(painted.frame)
    )


def _are_equal(view: ViewState, shown: ViewState) -> bool:
    """Whether both cut the same slab."""
    slab, other = view.slab, shown.slab
    if slab is None or other is None:
        return slab is None and other is None
    return all((a == b).all() for a, b in zip(slab, other, strict=True))
