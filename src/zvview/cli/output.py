"""What all commands say alike: where they print, errors as one line, and values as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from zvview.errors import ZvviewError

__all__ = [
    "FAILURE",
    "INTERRUPTED",
    "bytes_text",
    "count_text",
    "make_console",
    "plain_errors",
    "print_json",
    "progress_bar",
]

FAILURE = 2
"""Exit code where a command could not do what it was asked."""

INTERRUPTED = 130
"""Exit code where the user broke a command off, as shells have it."""

_PIPED_WIDTH = 160


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not cut or colour what goes into a file or a pipe."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPED_WIDTH)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show an error of zvview as one line, without a traceback, and leave with :data:`FAILURE`."""
    try:
        yield
    except ZvviewError as error:
        text = " ".join(str(error).split())
        make_console(stderr=True).print(f"[bold red]error:[/] [red]{escape(text)}[/]", soft_wrap=True)
        raise typer.Exit(FAILURE) from None


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


@contextmanager
def progress_bar(console: Console) -> Iterator[Callable[[int, int, str], None] | None]:
    """What takes progress (done, total, what is being done); nothing where nobody looks."""
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(done: int, total: int, text: str) -> None:
            bar.update(task, completed=done, total=total, description=text)

        yield tell


def bytes_text(size: int) -> str:
    """A number of bytes for people, such as ``1.25 MB``."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def count_text(count: int, noun: str, plural: str | None = None) -> str:
    """A number of things for people.

    >>> count_text(1, "object"), count_text(12345, "vertex", "vertices")
    ('1 object', '12,345 vertices')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
