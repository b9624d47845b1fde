"""``zvview demo``: a sample in a napari window; where nobody looks, a flight that keeps pictures and figures."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from zvview.cli.display import check_packages, has_display, require_display, virtual_display
from zvview.cli.output import bytes_text, make_console, plain_errors, progress_bar
from zvview.errors import UnreachableError

if TYPE_CHECKING:
    from zvview.napari.flight import StopFigures

__all__ = ["demo"]

_FOLDER = "zvview-demo"
_FIGURES = "statistics.json"


def demo(
    name: Annotated[str, typer.Argument(help="One of those that --list shows.", metavar="[NAME]")] = "",
    output: Annotated[
        Path | None,
        typer.Option(help=f"Play a scripted flight, and keep pictures and figures here; without a display {_FOLDER}."),
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the samples.")] = False,
) -> None:
    """Open a sample in napari, by default five neurons of a fly with their synapses.

    Without a display it plays under Xvfb: the camera flies in, and screenshots and the streaming statistics are kept.
    """
    from zvview.samples import SAMPLES, find_sample, prepare_sample

    console = make_console()
    if list_all:
        for sample in SAMPLES:
            console.print(f"[bold]{sample.name}[/]: {escape(sample.about)}", soft_wrap=True)
        return
    with plain_errors():
        sample = find_sample(name) if name else SAMPLES[0]
        check_packages()
        is_watched = has_display()
        if is_watched:
            require_display()
        with progress_bar(make_console(stderr=True)) as progress:
            place = prepare_sample(sample, progress)
        console.print(f"[bold]{escape(sample.title)}[/] {escape(str(place))}", soft_wrap=True)
        console.print(f"[dim]{escape(sample.about)}[/]", soft_wrap=True)
        if is_watched and output is None:
            from zvview.napari.window import run, show_sample

            show_sample(sample, place)
            run()
            return
        folder = _make_folder(output or Path(_FOLDER))
        with nullcontext() if is_watched else virtual_display():
            from zvview.napari.window import play_sample

            stops = play_sample(sample, place, folder)
        document = {"sample": sample.name, "about": sample.about, "stops": [stop.to_dict() for stop in stops]}
        (folder / _FIGURES).write_text(json_format.dumps(document, indent=2) + "\n", encoding="utf-8")
        console.print(_table(stops))
        console.print(f"{len(stops)} pictures and {_FIGURES} are in {escape(str(folder))}", soft_wrap=True)


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnreachableError(f"{folder}: {error.strerror}") from error
    return folder


def _table(stops: Sequence[StopFigures]) -> Table:
    """A row for each layer at each stop."""
    table = Table(header_style="bold")
    table.add_column("stop")
    table.add_column("layer")
    for heading in ("level", "vertices", "of", "chunks", "shown", "read", "first", "settled", "GUI work, 99 %"):
        table.add_column(heading, justify="right")
    for stop in stops:
        for row, layer in enumerate(stop.layers):
            table.add_row(
                "" if row else stop.stop,
                escape(layer.name),
                f"{'+'.join(map(str, layer.levels)) or '-'} of {layer.level_count}",
                f"{layer.vertices_shown:,}",
                "-" if layer.vertices_total is None else f"{layer.vertices_total:,}",
                f"{layer.chunks_ready} of {layer.chunks_wanted}",
                bytes_text(layer.bytes_shown),
                bytes_text(layer.bytes_read),
                f"{layer.first_ms:.1f} ms",
                f"{layer.settled_ms:.1f} ms",
                f"{layer.work_p99_ms:.1f} ms",
                end_section=row == len(stop.layers) - 1,
            )
    return table
