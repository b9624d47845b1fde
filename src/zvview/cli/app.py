"""The entrance of the command line: the commands put together."""

from __future__ import annotations

from typing import Annotated

import typer

from zvview.cli.check import check
from zvview.cli.convert import convert
from zvview.cli.demo import demo
from zvview.cli.export import export
from zvview.cli.info import info
from zvview.cli.journal import journal
from zvview.cli.link import link
from zvview.cli.open import open_places
from zvview.cli.pyramid import pyramid
from zvview.cli.serve import serve_places
from zvview.cli.upgrade import upgrade

__all__ = ["app", "main"]

app = typer.Typer(
    name="zvview",
    help="Make, look at and check Zarr Vectors stores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(info)
app.command()(check)
app.command()(convert)
app.command()(pyramid)
app.command()(journal)
app.command()(upgrade)
app.command()(export)
app.command("open")(open_places)
app.command("serve")(serve_places)
app.command()(link)
app.command()(demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        from zvview import __version__

        typer.echo(f"zvview {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and leave with its exit code."""
    app(prog_name="zvview")
