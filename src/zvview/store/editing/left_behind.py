"""Journals that sessions left behind, without those whose edits are in the store already.

A process may end between the moment at which a commit counts and the one at which it throws its journal away. So a
journal tells the name of the commit that was tried, and a store those of the commits that were made.
"""

from __future__ import annotations

from zvview.store.editing.commit_names import was_made
from zvview.store.editing.host import EditHost
from zvview.store.editing.saved_journals import SavedJournal, find_journals, warn_once

__all__ = ["find_unsaved", "is_in_store"]


def find_unsaved(host: EditHost) -> tuple[SavedJournal, ...]:
    """The journals of a store that sessions left behind, the latest first; those that are saved are thrown away.

    Those that are saved in part are left out, since what is in the store already would be added again: a warning tells.
    """
    out = []
    for saved in find_journals(host.place):
        if saved.commit is None or not is_in_store(host, saved.commit):
            out.append(saved)
        elif saved.is_edited_since:
            warn_once(saved.path, _tell_half(saved))
        else:
            saved.remove()
    return tuple(out)


def _tell_half(saved: SavedJournal) -> str:
    return (
        f"the edits of {saved.place} since {saved.since} are in it in part: saving them seemed to fail, but what was "
        "edited until then is in the store. What was edited after that is not, and has to be done again; the file "
        f"{saved.path} is kept until you delete it"
    )


def is_in_store(host: EditHost, name: str) -> bool:
    """Whether the commit of that name was made."""
    return host.retry(lambda: was_made(host.reader(0).hierarchy.source, name))
