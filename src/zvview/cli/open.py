"""``zvview open``: stores in a napari window."""

from __future__ import annotations

from typing import Annotated

import typer

from zvview.cli.display import check_packages, require_display
from zvview.cli.output import plain_errors

__all__ = ["open_places"]


def open_places(
    places: Annotated[
        list[str], typer.Argument(help="Folders, zips, or http, s3 or gs addresses of stores.", metavar="PLACE...")
    ],
    level: Annotated[
        int | None, typer.Option(help="The level to show whatever the zoom; by default the zoom chooses.")
    ] = None,
    slab: Annotated[
        float | None, typer.Option(help="Thickness that a 2-D view shows, in the stores' units.", min=0)
    ] = None,
    flat: Annotated[
        bool | None, typer.Option("--2d/--3d", help="How to begin; by default 3-D where a store has three axes.")
    ] = None,
) -> None:
    """Open stores in napari, all in one window."""
    with plain_errors():
        check_packages()
        require_display()
        from zvview.napari.window import run, show_stores

        show_stores(places, level=level, slab=slab, is_flat=flat)
        run()
