"""Cancellation: a token that the caller sets from any thread and that every long call looks at."""

from __future__ import annotations

import threading
from collections.abc import Callable

from zvview.errors import Cancelled

__all__ = ["CancelToken"]


class CancelToken:
    """Asks a running call to stop at its next step; it then raises :class:`zvview.errors.Cancelled`.

    Thread-safe. One token may be given to any number of calls; once set it stays set.
    """

    __slots__ = ("_callbacks", "_lock", "_set")

    def __init__(self) -> None:
        self._set = False
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._set

    def cancel(self) -> None:
        """Set the token; requests in flight are dropped at once, computation stops at its next step."""
        with self._lock:
            self._set = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def raise_if_cancelled(self) -> None:
        """Raise :class:`~zvview.errors.Cancelled` when the token is set."""
        if self._set:
            raise Cancelled("the call was cancelled")

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when the token is set (at once if it is); returns a function that withdraws it."""
        with self._lock:
            if not self._set:
                self._callbacks.append(callback)
                return lambda: self._withdraw(callback)
        callback()
        return lambda: None

    def _withdraw(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)
