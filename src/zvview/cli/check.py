"""``zvview check``: everything that is wrong with a store, worst first."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from zvview.cli.output import count_text, make_console, plain_errors, print_json, progress_bar

if TYPE_CHECKING:
    from zvview.store.check import Finding, Findings

__all__ = ["check"]

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def check(
    store: Annotated[str, typer.Argument(help="A folder, a zip, or an http, s3 or gs address.", metavar="STORE")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Check a store: every cell, every reference, every claim. Leaves with 1 where there are errors."""
    from zvview.store.check import check as find

    with plain_errors():
        with progress_bar(make_console(stderr=True)) as progress:
            findings = find(store, progress=progress)
        if json:
            print_json(findings.to_dict())
        else:
            show(findings, make_console())
        if not findings.ok:
            raise typer.Exit(1)


def show(findings: Findings, console: Console) -> None:
    """Print findings by kind, worst first."""
    for (severity, code), alike in groupby(sorted(findings, key=_order), key=lambda f: (f.severity, f.code)):
        group = list(alike)
        console.print(f"[bold {_COLOURS[severity]}]{severity}[/] [bold]{code}[/]")
        for finding in group:
            console.print(f"  {escape(finding.where)}: {escape(finding.message)}", soft_wrap=True)
        console.print(f"  [dim]{escape(group[0].remedy)}[/]", soft_wrap=True)
    if not len(findings):
        console.print(f"[green]{escape(findings.place)}: nothing found[/]", soft_wrap=True)
        return
    counts = {"error": len(findings.errors), "warning": len(findings.warnings), "note": len(findings.notes)}
    told = ", ".join(count_text(n, name) for name, n in counts.items() if n)
    console.print(f"{escape(findings.place)}: {told}", soft_wrap=True)


def _order(finding: Finding) -> tuple[int, str]:
    return list(_COLOURS).index(finding.severity), finding.code
