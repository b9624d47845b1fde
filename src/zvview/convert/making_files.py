"""A store becomes a foreign file."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from zvview.cancel import CancelToken
from zvview.convert.appearing import check_free, replace_file
from zvview.convert.contract import Format, Outgoing
from zvview.convert.importing import Progress
from zvview.convert.making_stores import StoreOptions, make_stores
from zvview.convert.registry import explain_missing_packages
from zvview.convert.reports import Report, Written
from zvview.convert.selecting import is_whole
from zvview.convert.sources import Selection, Source, open_store, split_groups
from zvview.errors import InvalidInputError, UnsupportedError

__all__ = ["make_file"]


def make_file(
    source: Source,
    path: Path,
    form: Format,
    selection: Selection,
    overwrite: bool,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    """Write a store, or what is selected of it, to a file or a folder; foreign files go through a store on the way.

    Raises
    ------
    InvalidInputError
        A frame is stated for a store that is not made anew.
    UnsupportedError
        The format holds no such kind.
    ExistsError, MissingError, UnreachableError, Cancelled
    """
    if not source.is_store:
        with tempfile.TemporaryDirectory(prefix="zvview-") as folder:  # one pass in, one pass out
            between = os.path.join(folder, "store")
            first = make_stores([source], between, selection, StoreOptions(), "w-", progress, cancel)
            inner = Source(between, format="store")
            report = make_file(inner, path, form, Selection(), overwrite, progress, cancel)
            made = replace(report.written[0], source=source.path, skipped=first.skipped, notes=first.written[0].notes)
            return replace(report, written=(made,))
    if source.scale is not None or source.affine is not None or source.unit is not None:
        raise InvalidInputError("scale, affine and unit state what a new store is made of; convert to a store first")
    with open_store(source) as store:
        if store.kind not in form.kinds:
            raise UnsupportedError(f"{form.title} hold {' or '.join(form.kinds)}, not {store.kind}")

        def tell(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total, f"writing {path.name}")

        level = store.level(selection.level)
        groups = split_groups(level, selection.groups)
        outgoing = Outgoing(store, level, selection.box, selection.objects, groups, cancel, tell)
        with explain_missing_packages():
            if overwrite and os.path.lexists(path):
                with replace_file(path, form) as aside:
                    form.write(aside, outgoing)
            else:
                check_free(path)
                form.write(path, outgoing)
        counted = level.vertex_count if is_whole(outgoing) else None
        return Report(str(path), written=(Written(str(path), source.path, form.name, store.kind, counted, None),))
