"""``zvview pyramid``: coarser levels for a store, or a look at what they would be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from zvview.cli.output import count_text, make_console, plain_errors, print_json, progress_bar

if TYPE_CHECKING:
    from zvview.pyramid.design import LevelDesign

__all__ = ["pyramid"]


def pyramid(
    store: Annotated[str, typer.Argument(help="A folder or a zip; or a collection in a folder.", metavar="STORE")],
    levels: Annotated[int | None, typer.Option(help="Coarse levels; default as many as --target takes.")] = None,
    factor: Annotated[float, typer.Option(help="By how much the vertices shall fall per level.")] = 6.0,
    target: Annotated[int, typer.Option(help="Vertices at which no coarser level is made.")] = 50_000,
    method: Annotated[str | None, typer.Option(help="One of the kind's methods; default its first.")] = None,
    sparsity: Annotated[float | None, typer.Option(help="Share of the objects that each level keeps.")] = None,
    bin_shape: Annotated[
        list[str] | None, typer.Option(help="Bin of a coarse level, such as 4,4,4; once for each level.")
    ] = None,
    chunk_shape: Annotated[
        list[str] | None, typer.Option(help="Chunk of a coarse level, such as 256,256,256; once for each level.")
    ] = None,
    cross_level_links: Annotated[bool, typer.Option(help="Write links between neighbouring levels.")] = False,
    seed: Annotated[int, typer.Option(help="Of the hashes that choose.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that share the work.")] = 0,
    plan: Annotated[bool, typer.Option("--plan", help="Print what would be written, and write nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Make all coarse levels of a store anew. Level 0 is not touched; a build that fails leaves the store as it was."""
    from zvview.pyramid.build import build_pyramid
    from zvview.pyramid.design import PyramidOptions
    from zvview.pyramid.members import places_of
    from zvview.pyramid.planning import plan_pyramid

    with plain_errors():
        options = PyramidOptions(
            levels=levels,
            factor=factor,
            target=target,
            method=method,
            object_sparsity=sparsity,
            bin_shapes=_shapes(bin_shape),
            chunk_shapes=_shapes(chunk_shape),
            cross_level_links=cross_level_links,
            seed=seed,
        )
        shown: dict[str, list[dict[str, Any]]] = {}
        for place in places_of(store):
            if plan:
                planned = plan_pyramid(place, options)
                shown[place] = [_row(p.design, p.vertex_count, is_exact=p.is_exact) for p in planned]
            else:
                with progress_bar(make_console(stderr=True)) as progress:
                    built = build_pyramid(place, options, workers=workers, progress=progress)
                shown[place] = [
                    _row(b.design, b.vertex_count, chunks=b.chunk_count, objects=b.object_count) for b in built
                ]
    if json:
        print_json(shown)
        return
    for place, rows in shown.items():
        _show(place, rows)
        if levels is None and (reason := _tell_end(place, rows, target)):
            make_console().print(f"[dim]{escape(reason)}[/]", soft_wrap=True)


def _row(design: LevelDesign, vertices: int, **more: Any) -> dict[str, Any]:
    return {
        "level": design.level,
        "vertices": vertices,
        "bin_shape": list(design.bin_shape),
        "chunk_shape": list(design.chunk_shape),
        "method": design.method,
        **more,
    }


def _show(place: str, rows: list[dict[str, Any]]) -> None:
    console = make_console()
    if not rows:
        console.print(f"{escape(place)}: no coarser level", soft_wrap=True)
        return
    table = Table(title=escape(place), title_justify="left", title_style="bold")
    for column in ("level", "vertices", "bin", "chunk", "method"):
        table.add_column(column, justify="left" if column == "method" else "right")
    for row in rows:
        about = "" if row.get("is_exact", True) else "about "
        edges = (" x ".join(f"{e:g}" for e in row[key]) for key in ("bin_shape", "chunk_shape"))
        table.add_row(str(row["level"]), f"{about}{row['vertices']:,}", *edges, row["method"])
    console.print(table)


def _tell_end(place: str, rows: list[dict[str, Any]], target: int) -> str:
    """Why there is no further level."""
    from zvview.store.opening import open as open_place

    if rows:
        vertices, level = rows[-1]["vertices"], rows[-1]["level"]
    else:
        with open_place(place) as store:
            vertices, level = store.level(0).vertex_count, 0  # type: ignore[union-attr]
    held = count_text(vertices, "vertex", "vertices")
    if vertices <= target:
        return f"level {level} has {held}: few enough (--target {target})"
    return (
        f"level {level} has {held}, more than the target of {target:,}, but a coarser one would not "
        "hold a third fewer: what is left cannot be thinned without losing its shape (--sparsity leaves objects out)"
    )


def _shapes(given: list[str] | None) -> tuple[tuple[float, ...], ...] | None:
    from zvview.errors import InvalidInputError

    if not given:
        return None
    try:
        return tuple(tuple(float(edge) for edge in shape.split(",")) for shape in given)
    except ValueError as error:
        raise InvalidInputError(f"{', '.join(given)}: expected edges joined by commas, such as 4,4,4") from error
