"""Journals that sessions left behind, without those whose edits are in the store already.

A process may end between the moment at which a commit counts and the one at which it throws its journal away. So a
journal tells the name of the commit that was tried, and a store those of the commits that were made.
"""

from __future__ import annotations

from zvview.store.editing.commit_names import was_made
from zvview.store.editing.host import EditHost
from zvview.store.editing.saved_journals import SavedJournal, find_journals

__all__ = ["find_unsaved", "is_in_store"]


def find_unsaved(host: EditHost) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those that are saved are thrown away."""
    out = []
    for saved in find_journals(host.place):
        if saved.commit is not None and is_in_store(host, saved.commit):
            saved.remove()
        else:
            out.append(saved)
    return tuple(out)


def is_in_store(host: EditHost, name: str) -> bool:
    """Whether the commit of that name was made."""
    return host.retry(lambda: was_made(host.reader(0).hierarchy.source, name))
