"""``zvview serve``: stores in Neuroglancer's client, live from this machine."""

from __future__ import annotations

import importlib.util
import signal
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from zvview.cli.output import make_console, plain_errors
from zvview.errors import UnsupportedError

if TYPE_CHECKING:
    from zvview.neuroglancer.viewing import View

__all__ = ["check_neuroglancer", "serve_places", "tell_note"]


def serve_places(
    places: Annotated[
        list[str],
        typer.Argument(
            help="Folders, zips, or http, s3 or gs addresses of stores or collections; or exports on this machine.",
            metavar="PLACE...",
        ),
    ],
    image: Annotated[
        list[str] | None,
        typer.Option(help="Folder or address of a volume of voxels to show below; may be given again."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine; by default any that is free.", min=0, max=65535)] = 0,
    address: Annotated[
        str | None,
        typer.Option(help="Name or IPv4 address by which other machines shall reach this one; by default none does."),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether to open the client.")] = True,
    allow_origin: Annotated[
        str | None,
        typer.Option(
            help="Address of a client elsewhere that may read, such as https://neuroglancer-demo.appspot.com."
        ),
    ] = None,
) -> None:
    """Show stores in Neuroglancer's client until Ctrl+C; only this machine can reach them unless asked."""
    with plain_errors():
        check_neuroglancer()
        from zvview.neuroglancer.serving.mounting import LOOPBACK
        from zvview.neuroglancer.viewing import serve

        def tell(shown: View) -> None:
            _tell(shown, allow_origin, is_open=address is not None)
            if browser:
                webbrowser.open(shown.url)

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl+C does
        serve(
            *places,
            images=image or (),
            port=port,
            address=LOOPBACK if address is None else address,
            allow_origin=allow_origin,
            on_ready=tell,
            on_note=tell_note,
        )


def check_neuroglancer() -> None:
    """Refuse to go on without the client.

    Raises
    ------
    UnsupportedError
    """
    for name in ("neuroglancer", "tornado", "cachetools"):
        if importlib.util.find_spec(name) is None:
            raise UnsupportedError(f'{name} is not installed: pip install "zvview[neuroglancer]"')


def tell_note(text: str) -> None:
    """Say beside standard output what is left out or not exact."""
    make_console(stderr=True).print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)


def _tell(shown: View, allow_origin: str | None, *, is_open: bool) -> None:
    """Addresses on standard output, last; all else beside it."""
    told = make_console(stderr=True)
    for note in shown.notes:
        tell_note(note)
    if is_open:
        told.print("Whoever has the address below reads these stores; nothing is encrypted on the way.")
    if allow_origin is not None:
        told.print("A page of another site reads from this machine only if its user allows the browser to, when asked.")
    told.print("Ctrl+C ends.")
    typer.echo(shown.url)
    if allow_origin is not None:
        typer.echo(shown.link(allow_origin))
