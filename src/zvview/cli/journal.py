"""``zvview journal``: edits of a store that were left behind, shown, committed or thrown away."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.markup import escape

from zvview.cli.output import bytes_text, make_console, plain_errors, print_json
from zvview.errors import ConflictError, InvalidInputError, NotZarrVectorsError, UnreachableError, ZvviewError

if TYPE_CHECKING:
    from zvview.store.editing.saved_journals import SavedJournal
    from zvview.store.store import Store

__all__ = ["journal"]

T = TypeVar("T")
R = TypeVar("R")


def journal(
    store: Annotated[
        str,
        typer.Argument(help="A folder, a zip or an s3 or gs address: of a store, or of a collection.", metavar="STORE"),
    ],
    show: Annotated[bool, typer.Option("--show", help="Tell what there is, which is what it does by itself.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Write the edits into the store.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Throw the edits away.")] = False,
    partly: Annotated[
        bool, typer.Option(help="Commit also where some of what was edited is not found in the store any more.")
    ] = False,
    signed: Annotated[
        bool, typer.Option("--signed", help="At an address: with the credentials of the environment.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Edits that were not saved: show them, commit them or discard them.

    Only those that a session left behind, in a crash for example; those of running programs are theirs.
    """
    with plain_errors():
        if show + commit + discard > 1:
            raise InvalidInputError("--show, --commit and --discard: expected one of them")
        wish = _Wish(commit, discard, partly)
        told: dict[str, list[dict[str, Any]]] = {}
        try:
            _go_through(store, wish, told, {"anon": False} if signed else None)
        finally:  # what was done is told also where the next cannot be
            if json and told:
                print_json(told)
            elif told:
                _tell(told, commit=commit, discard=discard)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be done with the edits; nothing: they are shown."""

    commit: bool
    discard: bool
    partly: bool


def _go_through(
    place: str, wish: _Wish, told: dict[str, list[dict[str, Any]]], options: Mapping[str, Any] | None
) -> None:
    """Do with the edits of a store, or of a collection's members, what is wished, and take down what came of each."""
    import zvview
    from zvview.store.editing.left_behind import find_unsaved

    try:
        opened = zvview.open(place, storage_options=options)
    except ZvviewError as error:
        left = _left_of_gone(place, may_be_collection=isinstance(error, UnreachableError))
        if not left:
            raise
        if wish.commit and isinstance(error, (UnreachableError, NotZarrVectorsError)):
            raise type(error)(f"{error}. Unsaved edits of it are kept for when it is there again") from error
        if wish.commit:
            raise
        _warn(error)
        for gone, journals in left.items():
            _deal_with(journals, None, wish, told.setdefault(gone, []))
        return
    with opened:
        members = [opened] if isinstance(opened, zvview.Store) else list(opened.values())
        for note in () if isinstance(opened, zvview.Store) else opened.notes:
            _warn(note)
        for member in members:
            _deal_with(_heeding(find_unsaved, member), member, wish, told.setdefault(member.place, []))


def _left_of_gone(place: str, *, may_be_collection: bool) -> dict[str, tuple[SavedJournal, ...]]:
    """What was left behind of a store that cannot be opened, or of each member of a collection."""
    from zvview.store.editing.saved_journals import find_journals, find_places

    places = (place, *(find_places(place) if may_be_collection else ()))
    found = {gone: _heeding(find_journals, gone) for gone in places}
    return {gone: journals for gone, journals in found.items() if journals}


def _deal_with(left: Sequence[SavedJournal], store: Store | None, wish: _Wish, entries: list[dict[str, Any]]) -> None:
    """Do with edits of a store what is wished, the oldest first; without the store they are not committed."""
    from zvview.store.editing.review import review

    for saved in reversed(left):
        entry: dict[str, Any] = {"since": saved.since, "edits": asdict(review(saved.edits))}
        entry["text"] = str(review(saved.edits))
        if wish.commit and store is not None:
            entry |= _commit(store, saved, partly=wish.partly)
        if wish.discard:
            saved.remove()
        entries.append(entry)


def _heeding(find: Callable[[T], R], where: T) -> R:
    """What is found; warnings are told as the command tells them."""
    with warnings.catch_warnings(record=True) as noticed:
        warnings.simplefilter("always")
        found = find(where)
    for warning in noticed:
        _warn(warning.message)
    return found


def _warn(what: object) -> None:
    make_console(stderr=True).print(f"[yellow]{escape(f'warning: {what}')}[/]", soft_wrap=True)


def _tell(told: Mapping[str, list[dict[str, Any]]], *, commit: bool, discard: bool) -> None:
    console = make_console()
    done = "committed" if commit else "thrown away" if discard else "not saved"
    for place, entries in told.items():
        if not entries and sys.exc_info()[0] is None:
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
    try:
        rebased = session.restore(saved)
        if not rebased.is_whole and not partly:
            raise ConflictError(
                f"{store.place} changed since it was edited. Of the edits of {saved.since}, {rebased}. "
                "Nothing was written; --partly commits the rest"
            )
        committed = session.commit()
        if not session.is_changed:
            saved.remove()
    finally:
        session.close()
    kept = f"{rebased}; {committed.note}" if committed.note else str(rebased)
    return {"chunks": committed.chunks, "written_bytes": committed.written_bytes, "kept": kept}
