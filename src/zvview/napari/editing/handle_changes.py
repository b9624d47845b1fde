"""Changes of the vertices that are handles, made one after the other on the thread on which changes take turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zvview.napari.editing.handle_tools import HandleTool
from zvview.napari.editing.line_handles import LineHandles
from zvview.napari.editing.vertex_handles import VertexHandles
from zvview.store.editing.session import EditSession

__all__ = ["HandleChanges", "Made"]


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What came of a change.

    Attributes
    ----------
    changes : HandleChanges
        To which it belongs.
    tool : HandleTool or None
        The handles as they are now; None where no object is chosen.
    value : object
        What the session, or who called it, answered to a change of all edits.
    """

    changes: HandleChanges
    tool: HandleTool | None
    value: object = None


class HandleChanges:
    """The handles as all changes leave them that had their turn; what is shown may be some changes behind.

    The thread of the window makes changes; only the thread on which they take turns runs them.
    """

    def __init__(self) -> None:
        self._latest: HandleTool | None = None

    def choose(self, session: EditSession, ids: tuple[int, ...]) -> Made:
        """Make the vertices of these objects the handles; reads them."""
        self._latest = (LineHandles if session.schema.is_lines else VertexHandles)(session, ids)
        return Made(self, self._latest)

    def of_tool(self, shown: HandleTool, change: Callable[[HandleTool], object]) -> Callable[[EditSession], Made]:
        """A change of a copy of what is shown."""

        def work(session: EditSession) -> Made:
            tool = shown.after(shown if self._latest is None else self._latest)
            change(tool)
            self._latest = tool
            return Made(self, tool)

        return work

    def of_session(self, change: Callable[[EditSession], object]) -> Callable[[EditSession], Made]:
        """A change of all edits, after which the handles are read from them anew."""

        def work(session: EditSession) -> Made:
            value = change(session)
            if self._latest is not None:
                tool = self._latest.after(self._latest)
                tool.load()
                self._latest = tool
            return Made(self, self._latest, value)

        return work
