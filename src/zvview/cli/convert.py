"""``zvview convert``: files of the field to stores, stores to files, a part of a store to a store of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from zvview.cli.inputs import parse_inputs, parse_numbers, parse_selection
from zvview.cli.output import count_text, make_console, plain_errors, print_json, progress_bar
from zvview.errors import InvalidInputError

if TYPE_CHECKING:
    from zvview.convert.reports import Report, Written

__all__ = ["LEFT_OUT", "convert"]

LEFT_OUT = 1
"""Exit code where all went well but for files or records that were left out."""

_SHOWN_SKIPPED = 20
_EACH = "For one input of several: NAME:VALUE."


def convert(
    places: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders of files, or stores, each PATH or NAME=PATH; then what is made of them: a store, a "
            "file of a format by its suffix, or a collection of stores where there are several inputs.",
            metavar="IN... OUT",
        ),
    ],
    format: Annotated[list[str] | None, typer.Option(help=f"Format of the input, whatever its suffix. {_EACH}")] = None,
    to: Annotated[str | None, typer.Option(help="Format of the output, or 'store'.")] = None,
    level: Annotated[int, typer.Option(help="Level of the store that is read; 0 is exact.")] = 0,
    box: Annotated[str | None, typer.Option(help="Part of a store: X0,Y0,Z0,X1,Y1,Z1, inclusive.")] = None,
    objects: Annotated[list[str] | None, typer.Option(help="Part of a store: ids of objects, ID,ID,...")] = None,
    groups: Annotated[list[str] | None, typer.Option(help="Part of a store: names of groups, NAME,NAME,...")] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help=f"Unit of the coordinates, such as micrometer; after --scale. {_EACH}")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help=f"Kind, where a format can give several. {_EACH}")] = None,
    axes: Annotated[
        list[str] | None, typer.Option(help=f"Columns of a table that are the axes, X,Y,Z. {_EACH}")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="Of a table: ROLE=COLUMN; the roles are axes and object_id.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Of a table: a column that is left out.")] = None,
    scale: Annotated[
        list[str] | None, typer.Option(help=f"Coordinates are multiplied by S, or by SX,SY,SZ. {_EACH}")
    ] = None,
    affine: Annotated[
        list[str] | None, typer.Option(help=f"Map of the coordinates: a text file, or 12 or 16 numbers. {_EACH}")
    ] = None,
    mode: Annotated[str, typer.Option(help="w replaces the store or file at OUT; w- does not.")] = "w-",
    chunk_shape: Annotated[str | None, typer.Option(help="Edges of chunks, E,E,E; by default from the data.")] = None,
    codec: Annotated[str | None, typer.Option(help="raw, zstd, blosc or gzip.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the store or the collection.")] = None,
    memory: Annotated[
        int, typer.Option(min=1, help="MB of the content that are in memory at a time; the process takes more.")
    ] = 256,
    pyramid: Annotated[bool, typer.Option("--pyramid/--no-pyramid", help="Whether coarser levels are built.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Convert files to a store or a collection, a store to a file, or a part of a store to a store.

    Leaves with 1 where files or records were left out, with 2 where nothing was made.
    """
    from zvview.convert.converting import convert as make
    from zvview.convert.making_stores import StoreOptions

    with plain_errors():
        if len(places) < 2:
            raise InvalidInputError("expected one input or more, then the place of what is made of them")
        single = {"format": format, "kind": kind, "unit": unit, "axes": axes, "scale": scale, "affine": affine}
        sources = parse_inputs(
            places[:-1],
            single={option: values for option, values in single.items() if values},
            columns=column or (),
            drop=drop or (),
        )
        selection = parse_selection(level, box, objects or (), groups or ())
        edges = None if chunk_shape is None else parse_numbers(chunk_shape, "--chunk-shape")
        without: list[str] = []
        with progress_bar(make_console(stderr=True)) as progress:
            report = make(
                sources,
                places[-1],
                to=to,
                selection=selection,
                store=StoreOptions(edges, codec, name, memory << 20),
                mode=mode,
                after=_pyramid_builder(progress, without) if pyramid else None,
                progress=progress,
            )
        if json:
            print_json(report.to_dict())
        else:
            show(report, make_console())
            for place in without:
                make_console(stderr=True).print(f"no pyramid in {escape(place)}: it is built in folders and zips only")
        if report.skipped:
            raise typer.Exit(LEFT_OUT)


def _pyramid_builder(progress: Callable[[int, int, str], None] | None, without: list[str]) -> Callable[[str], None]:
    """What builds the coarser levels of a store; places where that cannot be done are put into `without`."""

    def build(place: str) -> None:
        from zvview.pyramid.build import build_pyramid

        if os.path.exists(place):
            build_pyramid(place, progress=progress)
        else:  # an address, or a store inside of a zip
            without.append(place)

    return build


def show(report: Report, console: Console) -> None:
    """Print what was made, and what was left out."""
    if report.is_collection:
        console.print(f"[bold]{escape(report.place)}[/]: a collection of {count_text(len(report.written), 'store')}")
    for made in report.written:
        console.print(f"[bold]{escape(made.place)}[/]: {escape(_told(made))}", soft_wrap=True)
        for note in made.notes:
            console.print(f"  [yellow]note:[/] {escape(note)}", soft_wrap=True)
    if skipped := report.skipped:
        console.print(f"[yellow]{len(skipped)} left out:[/]")
        for entry in skipped[:_SHOWN_SKIPPED]:
            console.print(f"  {escape(entry.place)}: {escape(entry.reason)}", soft_wrap=True)
        if len(skipped) > _SHOWN_SKIPPED:
            console.print(f"  ... and {len(skipped) - _SHOWN_SKIPPED} more; --json lists all")


def _told(made: Written) -> str:
    parts = [made.kind if made.format == "store" else f"{made.kind} as {made.format}"]
    parts += [] if made.vertices is None else [count_text(made.vertices, "vertex", "vertices")]
    parts += [] if made.objects is None else [count_text(made.objects, "object")]
    return f"{', '.join(parts)}, from {made.source}"
