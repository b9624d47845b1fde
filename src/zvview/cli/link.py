"""``zvview link``: an address that opens stores, exports or a state in Neuroglancer, for oneself and for others."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zvview.cli.inputs import parse_numbers
from zvview.cli.output import FAILURE, make_console, plain_errors
from zvview.cli.serve import check_neuroglancer, tell_note
from zvview.errors import InvalidInputError, UnreachableError

if TYPE_CHECKING:
    from zvview.neuroglancer.viewing import View

__all__ = ["link"]

_HOSTED = "https://neuroglancer-demo.appspot.com"
_RELATIVE = ("./", ".|")  # how sources begin that are told from where their export is


def link(
    places: Annotated[
        list[str],
        typer.Argument(help="Exports or their addresses, links or state files; or stores.", metavar="PLACE..."),
    ],
    prefix: Annotated[str, typer.Option(help="Address of the client that opens the shareable link.")] = _HOSTED,
    url: Annotated[str | None, typer.Option(help="Where an export on this machine is on the web.")] = None,
    state_json: Annotated[
        Path | None, typer.Option(help="File to write the state to; hosted, it makes a short link.", metavar="OUT")
    ] = None,
    at: Annotated[str | None, typer.Option(help="Coordinates of the middle of the picture, such as 10,20,30.")] = None,
    image: Annotated[
        list[str] | None, typer.Option(help="Address of a volume of voxels to show below; may be given again.")
    ] = None,
) -> None:
    """Print a link that others can open, or the reasons why they cannot.

    Exports, their addresses, links and state files give a link; stores are read by no client but through this machine:
    they are served until Ctrl+C, by a local link.
    """
    from zvview.neuroglancer.links.reading import hosted_at, read_state, with_layers_of
    from zvview.neuroglancer.links.shareable import source_urls
    from zvview.neuroglancer.links.urls import origin_of

    with plain_errors():
        position = None if at is None else parse_numbers(at, "--at")
        if _are_stores(places):
            if url is not None or prefix != _HOSTED:
                raise InvalidInputError(
                    f"{', '.join(places)}: only this machine reads stores, so that --url and --prefix mean nothing; "
                    "'zvview export' makes files that can be hosted, and linked so"
                )
            _serve(places, position, state_json, image or ())
            return
        origin_of(prefix)
        if url is not None:
            origin_of(url)
        states, is_moved = [], False
        for place in map(_without_page, places):
            is_address = place.startswith(("http://", "https://")) and "#!" not in place
            base = url or (place.removesuffix("/state.json") if is_address else None)
            state = read_state(place)
            is_moved |= any(source.startswith(_RELATIVE) for _, source in source_urls(state))
            states.append(state if base is None else hosted_at(state, base))
        if url is not None and not is_moved:
            raise InvalidInputError(
                f"{', '.join(places)}: all sources are told with their addresses already, so that --url means nothing; "
                "for an export 'zvview export' with --url, run again, writes its state.json anew"
            )
        state = _at(_with_images(reduce(with_layers_of, states), image or ()), position)
        _write(state, state_json)
        if not _tell_link(state, prefix):
            if any(source.startswith(_RELATIVE) for _, source in source_urls(state)):
                make_console(stderr=True).print("Tell with --url where the export is on the web.")
            raise typer.Exit(FAILURE)


def _are_stores(places: Sequence[str]) -> bool:
    """Whether all places are stores; refuses a mixture."""
    from zvview.neuroglancer.links.reading import is_link

    found = [not is_link(place) and not _is_hosted_export(place) for place in places]
    if any(found) != all(found):
        stores = ", ".join(place for place, is_store in zip(places, found, strict=True) if is_store)
        raise InvalidInputError(
            "one link holds no stores, which only this machine reads, beside exports and links: "
            f"export {stores} first, with 'zvview export'"
        )
    return all(found)


def _is_hosted_export(place: str) -> bool:
    from zvview.neuroglancer.links.reading import read_state

    if not place.startswith(("http://", "https://")):
        return False
    try:
        return bool(read_state(_without_page(place)))
    except UnreachableError:
        return False


def _without_page(place: str) -> str:
    """An address without the page that opens an export, which is what a browser shows of it."""
    is_address = place.startswith(("http://", "https://")) and "#!" not in place
    return place.partition("#")[0].partition("?")[0].removesuffix("/index.html") if is_address else place


def _with_images(state: Mapping[str, Any], addresses: Sequence[str]) -> dict[str, Any]:
    """A state with images below its layers."""
    from zvview.neuroglancer.images import Image, image_layer

    images = [image_layer(Image(a, f"image {n}" if n > 1 else "image")) for n, a in enumerate(addresses, 1)]
    return {**state, "layers": [*images, *state.get("layers", [])]}


def _at(state: Mapping[str, Any], position: Sequence[float] | None) -> dict[str, Any]:
    if position is None:
        return dict(state)
    dimensions = state.get("dimensions", {})
    rest = list(state.get("position", []))[len(position) : len(dimensions)]
    if len(position) + len(rest) != len(dimensions):
        raise InvalidInputError(f"--at has {len(position)} numbers, expected one for each of {', '.join(dimensions)}")
    return {**state, "position": [*position, *rest]}


def _write(state: Mapping[str, Any], out: Path | None) -> None:
    if out is None:
        return
    try:
        out.write_text(json.dumps(state, indent=1), encoding="utf-8")
    except OSError as error:
        raise UnreachableError(f"cannot write {out}: {error.strerror}") from error


def _tell_link(state: Mapping[str, Any], prefix: str) -> bool:
    """The shareable link, or why there is none; whether there is one."""
    from zvview.neuroglancer.links.shareable import doubts_about, reasons_not_public
    from zvview.neuroglancer.links.urls import make_link, size_warning

    reasons = reasons_not_public(state)
    for reason in reasons:
        tell_note(f"not shareable: {reason}")
    if reasons:
        return False
    found = make_link(state, prefix=prefix)
    warning = size_warning(found)
    for text in (*doubts_about(state), *([warning] if warning else [])):
        tell_note(text)
    typer.echo(found)
    return True


def _serve(
    places: Sequence[str], position: Sequence[float] | None, state_json: Path | None, images: Sequence[str]
) -> None:
    """Serve stores until Ctrl+C, by a link for this machine only."""
    check_neuroglancer()
    from zvview.neuroglancer.links.shareable import reasons_not_public
    from zvview.neuroglancer.viewing import serve

    def tell(shown: View) -> None:
        state = _at(shown.state(), position)
        shown.viewer.set_state(state)
        _write(state, state_json)
        for text in (*shown.notes, *(f"not shareable: {reason}" for reason in reasons_not_public(state))):
            tell_note(text)
        make_console(stderr=True).print(
            "'zvview export' makes files that can be hosted and shared. Ctrl+C ends this local link."
        )
        typer.echo(shown.url)

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl+C does
    serve(*places, images=images, on_ready=tell, on_note=tell_note)
