"""``zvview info``: what a store holds, at a glance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zvview.cli.output import bytes_text, count_text, make_console, plain_errors, print_json

__all__ = ["info"]

_SHOWN_LABELS = 6


def info(
    store: Annotated[str, typer.Argument(help="A folder, a zip, or an http, s3 or gs address.", metavar="STORE")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what a store holds: kind, axes, levels, attributes, links, groups."""
    from zvview.cli.describe import describe, measure_size
    from zvview.store.opening import open

    with plain_errors(), open(store) as opened:
        document = {**describe(opened), "size_bytes": measure_size(store)}
        if json:
            print_json(document)
        else:
            show(document, make_console())


def show(document: dict[str, Any], console: Console) -> None:
    """Print what :func:`zvview.cli.describe.describe` gave."""
    if "collection" in document:
        members = count_text(len(document["collection"]), "store")
        console.print(f"[bold]{escape(document['place'])}[/]: a collection of {members}")
        for name, member in document["collection"].items():
            console.print(f"\n[bold cyan]{escape(name)}[/]")
            show(member, console)
    elif "error" in document:
        console.print(f"[red]{escape(document['error'])}[/]", soft_wrap=True)
    else:
        _show_store(document, console)
    for note in document.get("notes", ()):
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)


def _show_store(document: dict[str, Any], console: Console) -> None:
    head = Table.grid(padding=(0, 2))
    axes = [f"{a['name']} ({a['unit']})" if a["unit"] else a["name"] for a in document["axes"]]
    lo, hi = (_numbers(side) for side in document["bounds"])
    rows = {
        "store": document["place"],
        "format": f"Zarr Vectors {document['version']}",
        "kind": document["kind"] if len(document["kinds"]) == 1 else f"{document['kind']} of {document['kinds']}",
        "axes": ", ".join(axes),
        "bounds": f"{lo} to {hi}",
    }
    if document.get("size_bytes") is not None:
        rows["size"] = bytes_text(document["size_bytes"])
    if "parametric" in document:
        types = ", ".join(f"{count} {name}" for name, count in document["parametric"]["types"].items())
        rows["parametric"] = f"{count_text(document['parametric']['objects'], 'object')} ({types})"
    if document["headers"]:
        rows["headers"] = ", ".join(document["headers"])
    for name, text in rows.items():
        head.add_row(f"[bold]{name}[/]", escape(text))
    console.print(head)
    console.print(_levels_table(document["levels"]))
    for level in document["levels"]:
        if "error" in level:
            console.print(f"[red]level {level['level']}: {escape(level['error'])}[/]", soft_wrap=True)
    finest = next((level for level in document["levels"] if "error" not in level), None)
    if finest is not None:
        _show_content(finest, console)


def _levels_table(levels: Iterable[dict[str, Any]]) -> Table:
    table = Table(title="levels", title_justify="left", title_style="bold", header_style="bold")
    for name in ("level", "vertices", "chunks", "objects"):
        table.add_column(name, justify="right")
    for name in ("resolution", "chunk shape", "links"):
        table.add_column(name)
    for level in levels:
        if "error" not in level:
            declared = "" if level["is_counted"] else " (declared)"
            table.add_row(
                str(level["level"]),
                f"{level['vertices']:,}{declared}",
                f"{level['chunks']:,}",
                "-" if level["objects"] is None else f"{level['objects']:,}",
                _numbers(level["resolution"]),
                _numbers(level["chunk_shape"]),
                ", ".join(f"{delta:+d}" if delta else "0" for delta in level["link_deltas"]) or "-",
            )
    return table


def _show_content(level: dict[str, Any], console: Console) -> None:
    if level["attributes"]:
        table = Table(title="vertex attributes", title_justify="left", title_style="bold", header_style="bold")
        for name in ("name", "dtype", "channels", "unit", "categories"):
            table.add_column(name)
        for name, entry in level["attributes"].items():
            channels = ", ".join(map(str, entry["channels"]))
            table.add_row(escape(name), entry["dtype"], escape(channels), escape(entry["unit"] or ""), _labels(entry))
        console.print(table)
    lines = {
        "link attributes": level["link_attributes"],
        "object attributes": level["object_attributes"],
        "group attributes": level["group_attributes"],
    }
    if level["groups"] is not None:
        names = level["groups"]["names"]
        shown = ", ".join(names[:_SHOWN_LABELS]) + (", ..." if len(names) > _SHOWN_LABELS else "")
        lines["groups"] = [f"{level['groups']['count']}" + (f" ({shown})" if names else "")]
    for title, values in lines.items():
        if values:
            console.print(f"[bold]{title}[/]  {escape(', '.join(values))}", soft_wrap=True)


def _labels(entry: dict[str, Any]) -> str:
    if entry["categories"] is None:
        return ""
    labels, count = entry["categories"]["labels"], entry["categories"]["count"]
    more = f", ... ({count})" if count > _SHOWN_LABELS else ""
    return escape(", ".join(labels[:_SHOWN_LABELS]) + more)


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{v:g}" for v in values)
