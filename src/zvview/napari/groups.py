"""The groups of a store's objects, which colours may need; read off the thread of the window."""

from __future__ import annotations

import threading

from zvview.errors import ZvviewError
from zvview.store.store import Store
from zvview.style import Membership

__all__ = ["GroupsOfStore", "read_membership"]


class GroupsOfStore:
    """The groups of a store's objects, read once, and only if somebody asks. From any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._is_asked = self._is_read = False
        self.known: Membership | None = None
        """None as long as they were not read, and where there are none."""

    def read(self) -> Membership | None:
        """The groups; reads."""
        with self._lock:
            if not self._is_read:
                self.known, self._is_read = read_membership(self._store), True
            return self.known

    def known_or_ask(self) -> Membership | None:
        """The groups if they are known; else a thread of its own begins to read them. Returns at once."""
        if not self._is_asked:
            self._is_asked = True
            threading.Thread(target=self._read_quietly, name="zvview-groups", daemon=True).start()
        return self.known

    def _read_quietly(self) -> None:
        try:
            self.read()
        except ZvviewError:
            self._is_asked = False  # the streamer reports sources out of reach; the next question tries again


def read_membership(store: Store) -> Membership | None:
    """The group of each object of a store, or None where it has no groups; reads."""
    groups = store.groups
    return None if groups is None else Membership.of(groups.members, groups.names)
