"""Reading for the dock: one thread, the latest question alone, answers on the thread of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakMethod

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ZvviewError
from zvview.napari.courier import Courier
from zvview.napari.latest import LatestWorker

__all__ = ["Background"]

T = TypeVar("T")


class Background:
    """Asks one question at a time; a new one cancels the one before, whose answer never comes.

    All methods must be called on the thread of the window. The thread starts with the first question, also with the
    first after :meth:`close`.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._worker: LatestWorker | None = None
        self._courier = Courier(self._arrive)
        self._token: CancelToken | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._token is not None

    def ask(self, question: Callable[[CancelToken], T], answer: Callable[[T | ZvviewError], None]) -> None:
        """Call `question` on the thread, and `answer`, a bound method that is held weakly, with what it gives."""
        self.cancel()
        token, kept = CancelToken(), WeakMethod(answer)
        self._token = token

        def work() -> None:
            try:
                found: Any = question(token)
            except Cancelled:
                return
            except ZvviewError as error:
                found = error
            self._courier.send((token, kept, found))

        if self._worker is None:
            self._worker = LatestWorker(self._name)
        self._worker.submit(work)

    def cancel(self) -> None:
        """Ask no longer."""
        if self._token is not None:
            self._token.cancel()
            self._token = None

    def close(self) -> None:
        """Cancel, and end the thread as soon as it looks up; it is not waited for."""
        self.cancel()
        if self._worker is not None:
            self._worker.close(timeout_s=0)
            self._worker = None

    def _arrive(self, mail: tuple[CancelToken, WeakMethod[Any], Any]) -> None:
        token, kept, found = mail
        if token is not self._token:
            return
        self._token = None
        answer = kept()
        if answer is not None:
            answer(found)
