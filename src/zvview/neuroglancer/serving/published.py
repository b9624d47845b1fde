"""A store that is served: its sources, made anew when another state of the store takes the place of the one before."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from zvview.errors import ConflictError
from zvview.neuroglancer.serving.answers import Answer, Answers
from zvview.neuroglancer.sources.contract import Source, StaleLevelsError
from zvview.store.store import Store

__all__ = ["Published"]

_TRIES = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A state of the store, and what answers for it."""

    state: object
    answers: Answers


class Published:
    """Answers for a store in whatever state it is.

    Parameters
    ----------
    store : Store
    make_sources : callable
        Gives the sources of the store as it is now, by name; with ``with_levels=False`` those that do not rely on its
        coarse levels.
    """

    def __init__(self, store: Store, make_sources: Callable[..., Mapping[str, Source]]) -> None:
        self.store = store
        self._make = make_sources
        self._lock = threading.Lock()
        self._seen = self._look()

    @property
    def sources(self) -> Mapping[str, Source]:
        """Those of the state that was seen last."""
        return self._seen.answers.sources

    def answer(self, path: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a request, of one state of the store; any thread.

        Raises
        ------
        ConflictError
            The store changes again and again.
        UnreachableError
        """
        for _ in range(_TRIES):
            seen, is_stale = self._seen, False
            try:
                if self._is_still(seen):
                    answer = seen.answers.answer(path, headers)
                    if self._is_still(seen):  # else what was read may be of two states
                        return answer
            except StaleLevelsError:
                is_stale = self._is_still(seen)
            except ConflictError:
                pass
            with self._lock:
                if self._seen is seen:
                    self._seen = self._look(with_levels=not is_stale)
        raise ConflictError(f"{self.store.place} was changed {_TRIES} times while it was read; try again later")

    def _is_still(self, seen: _Seen) -> bool:
        return _state_of(self.store) is seen.state

    def _look(self, *, with_levels: bool = True) -> _Seen:
        state = _state_of(self.store)
        made = self._make(self.store) if with_levels else self._make(self.store, with_levels=False)
        return _Seen(state, Answers(made, secrets.token_hex(8)))


def _state_of(store: Store) -> object:
    """Another object for each state of the store."""
    return store.reader(next(iter(store.levels), 0)).hierarchy
