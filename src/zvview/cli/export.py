"""``zvview export``: what Neuroglancer needs of a store, as files for any web server or bucket."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from zvview.cli.output import (
    INTERRUPTED,
    bytes_text,
    count_text,
    make_console,
    plain_errors,
    print_json,
    progress_bar,
)

__all__ = ["export"]


class Form(StrEnum):
    """What the files of an export look like."""

    DIRECTORY = "directory"
    SHARDED = "sharded"
    ZIP = "zip"


def export(
    place: Annotated[str, typer.Argument(help="A store, or a collection of stores.", metavar="PLACE")],
    out: Annotated[str, typer.Argument(help="A new folder or zip, or one of an export before.", metavar="OUT")],
    format: Annotated[
        Form, typer.Option(help="A file for each cell; few files of many cells; or those in one zip.")
    ] = Form.DIRECTORY,
    url: Annotated[
        str | None, typer.Option(help="Where OUT is going to be on the web, for the sources in state.json.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Threads (2) or processes that share the work; default one for each core.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a store for Neuroglancer; a second run writes what changed since, one that was broken off goes on."""
    from zvview.neuroglancer.exporting.exporting import export as write

    told = make_console(stderr=True)
    try:
        with plain_errors(), progress_bar(told) as progress:
            done = write(
                place,
                out,
                format=format.value,
                url=url,
                workers=os.cpu_count() or 1 if workers is None else workers,
                progress=progress,
            )
    except KeyboardInterrupt:
        told.print(f"broken off: the same command goes on where {escape(out)} is now", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    if json:
        print_json(asdict(done))
        return
    console = make_console()
    for note in done.notes:
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    held = f"{count_text(done.files, 'file')}, {bytes_text(done.nbytes)}"
    changed = f"{done.written:,} written" if done.written or done.removed else "nothing changed"
    changed += f", {done.removed:,} removed" if done.removed else ""
    console.print(f"[bold]{escape(done.out)}[/]: {held}; {changed}", soft_wrap=True)
