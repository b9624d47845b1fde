"""``zvview journal``: edits of a store that were left behind, shown, committed or thrown away."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from zvview.cli.output import bytes_text, make_console, plain_errors, print_json
from zvview.errors import ConflictError, InvalidInputError

if TYPE_CHECKING:
    from zvview.store.editing.journal_file import SavedJournal
    from zvview.store.store import Store

__all__ = ["journal"]


def journal(
    store: Annotated[str, typer.Argument(help="A folder or a zip; or a collection in a folder.", metavar="STORE")],
    show: Annotated[bool, typer.Option("--show", help="Tell what there is, which is what it does by itself.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Write the edits into the store.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Throw the edits away.")] = False,
    partly: Annotated[
        bool, typer.Option(help="Commit also where some of what was edited is not found in the store any more.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Edits that were not saved: show them, commit them or discard them.

    Only those that a session left behind, in a crash for example; those of running programs are theirs.
    """
    import zvview
    from zvview.pyramid.members import places_of
    from zvview.store.editing.left_behind import find_unsaved
    from zvview.store.editing.review import review

    with plain_errors():
        if show + commit + discard > 1:
            raise InvalidInputError("--show, --commit and --discard: expected one of them")
        told: dict[str, list[dict[str, Any]]] = {}
        for place in places_of(store):
            with zvview.open(place) as opened:
                assert isinstance(opened, zvview.Store)
                found = find_unsaved(opened)
                told[opened.place] = []
                for saved in reversed(found):  # the oldest first
                    entry: dict[str, Any] = {"since": saved.since, "edits": asdict(review(saved.edits))}
                    entry["text"] = str(review(saved.edits))
                    if commit:
                        entry |= _commit(opened, saved, partly=partly)
                    if discard:
                        saved.remove()
                    told[opened.place].append(entry)
    if json:
        print_json(told)
        return
    console = make_console()
    done = "committed" if commit else "thrown away" if discard else "not saved"
    for place, entries in told.items():
        if not entries:
            console.print(f"{escape(place)}: there are no edits that were left behind", soft_wrap=True)
        for entry in entries:
            console.print(
                f"[bold]{escape(place)}[/]: {entry['text']}, of {entry['since']}: [bold]{done}[/]", soft_wrap=True
            )
            if commit:
                written = bytes_text(entry["written_bytes"])
                console.print(f"  {written} written; {entry['kept']}", soft_wrap=True)


def _commit(store: Store, saved: SavedJournal, *, partly: bool) -> dict[str, Any]:
    """Write edits that were left behind; what came of them."""
    session = store.edit(journal=False)
    rebased = session.restore(saved)
    if not rebased.is_whole and not partly:
        raise ConflictError(
            f"{store.place} changed since it was edited. Of the edits of {saved.since}, {rebased}. "
            "Nothing was written; --partly commits the rest"
        )
    committed = session.commit()
    if not session.is_changed:
        saved.remove()
    kept = f"{rebased}; {committed.note}" if committed.note else str(rebased)
    return {"chunks": committed.chunks, "written_bytes": committed.written_bytes, "kept": kept}
