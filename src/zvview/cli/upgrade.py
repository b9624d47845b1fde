"""``zvview upgrade``: a store in the layout of 0.7.0 made anew in format 0.9."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from zvview.cli.output import make_console, plain_errors, print_json, progress_bar
from zvview.errors import InvalidInputError

__all__ = ["upgrade"]


def upgrade(
    store: Annotated[str, typer.Argument(help="A folder or a zip; or a collection in a folder.", metavar="STORE")],
    out: Annotated[
        str | None, typer.Argument(help="Where the new store shall be; by default in the place of the old one.")
    ] = None,
    mode: Annotated[str, typer.Option(help="w replaces the store at OUT; w- does not.")] = "w-",
    memory: Annotated[
        int, typer.Option(min=1, help="MB of the content that are in memory at a time; the process takes more.")
    ] = 256,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make a store in the layout of 0.7.0 anew in format 0.9, with all that it holds; nothing is done to others.

    The store is replaced as a whole, or stays as it was.
    """
    from zvview.convert.upgrading import upgrade as make
    from zvview.format.names import WRITTEN_VERSION
    from zvview.geometry.arguments import check_choice
    from zvview.pyramid.members import places_of

    with plain_errors():
        check_choice(mode, "mode", ("w-", "w"))
        places = places_of(store)
        if out is not None and places != [store]:
            raise InvalidInputError(f"{store} is a collection: its stores are upgraded in their place, without OUT")
        with progress_bar(make_console(stderr=True)) as progress:
            made = [
                make(place, out, overwrite=mode == "w", memory_bytes=memory << 20, progress=progress)
                for place in places
            ]
    if json:
        print_json(
            {one.place: {"from": one.old_version, "is_new": one.is_new, "notes": list(one.notes)} for one in made}
        )
        return
    console = make_console()
    for one in made:
        done = f"made anew in format {WRITTEN_VERSION}" if one.is_new else "there is nothing to do"
        console.print(f"[bold]{escape(one.place)}[/]: format {one.old_version}, {done}", soft_wrap=True)
        for note in one.notes if one.is_new else ():
            console.print(f"  [yellow]note:[/] {escape(note)}", soft_wrap=True)
