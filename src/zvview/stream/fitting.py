"""How far a view must be narrowed until the finest level fits its budget: told by counts, no vertex is read for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from zvview.store.store import Store
from zvview.stream.facts import gather_facts
from zvview.stream.holdings import Holdings
from zvview.stream.plan import Plan, plan_view
from zvview.stream.settings import StreamSettings
from zvview.stream.view import ViewState

__all__ = ["first_that_fits"]


def first_that_fits(store: Store, views: Sequence[ViewState]) -> tuple[int | None, float]:
    """Index of the first of some views that the finest level fits, None where it fits none; and what the first expects.

    Parameters
    ----------
    store : Store
    views : sequence of ViewState
        Locked to the finest level, each of them narrower than the one before; one at least.

    Returns
    -------
    index : int or None
    expected : float
        Vertices of the finest level in the chunks of the first view; what the store's index or its metadata tell.
    """
    holdings = Holdings(gather_facts(store), StreamSettings())

    def plan(view: ViewState) -> Plan:
        return plan_view(holdings.tree, view, holdings.limits(view.axes))

    def fits(view: ViewState) -> bool:
        found = plan(view)
        return not found.notes and found.cut.predicted <= view.budget_vertices

    at = bisect_left(views, True, key=fits)
    in_view = plan(views[0]).chunks[0]
    return (at if at < len(views) else None), float(holdings.predictions.vertices[0][in_view].sum())
