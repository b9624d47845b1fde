"""The driver: foreign files to a store, a store to a file or a store, several inputs to a collection."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from zvview.cancel import CancelToken
from zvview.convert.contract import Format
from zvview.convert.importing import Progress
from zvview.convert.making_files import make_file
from zvview.convert.making_stores import StoreOptions, make_stores
from zvview.convert.overlapping import refuse_overlap
from zvview.convert.registry import ENTRIES, find_entry, load_format
from zvview.convert.reports import Report
from zvview.convert.sources import Selection, Source
from zvview.errors import InvalidInputError
from zvview.geometry.arguments import check_choice
from zvview.store.places.open import Place

__all__ = ["convert"]


def convert(
    sources: str | os.PathLike[str] | Source | Sequence[str | os.PathLike[str] | Source],
    target: Place,
    *,
    to: str | None = None,
    selection: Selection | None = None,
    store: StoreOptions | None = None,
    mode: str = "w-",
    after: Callable[[str], object] | None = None,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> Report:
    """Convert one input to a store or a foreign file, or several to a collection with a store for each.

    Parameters
    ----------
    sources : path or Source, or several
        Foreign files, folders of them, stores, collections.
    target : str, path, mapping or zarr store
        Nothing may be there unless `mode` says otherwise.
    to : str, optional
        ``"store"`` or the name of a format; by default the suffix of `target` tells: a store where it is no format's.
    selection : Selection, optional
        What of a store is converted; of line-like kinds each part of a line that a box cuts becomes a line.
    store : StoreOptions, optional
    mode : "w-" or "w"
        Whether a store, or a file of the same format, at `target` is replaced; of a link, what it leads to.
    after : callable, optional
        Called with the place of each store once it is there, such as what builds its pyramid; not for foreign files.
    progress, cancel : optional

    Raises
    ------
    InvalidInputError
        Inputs or options that contradict each other; inputs of a collection that state different units; a target inside
        an input, or an input inside the target.
    BadFileError
        An input that its format's rules contradict. Nothing is written then.
    MissingError, UnsupportedError, ExistsError, UnreachableError, Cancelled
    """
    check_choice(mode, "mode", ("w-", "w"))
    given = [sources] if isinstance(sources, str | os.PathLike | Source) else list(sources)
    inputs = [s if isinstance(s, Source) else Source(os.fspath(s)) for s in given]
    if not inputs:
        raise InvalidInputError("there is nothing to convert")
    refuse_overlap(inputs, target)
    wanted = selection or Selection()
    form = _foreign_target(target, to)
    if form is not None:
        if len(inputs) > 1:
            raise InvalidInputError(f"several inputs make a collection of stores, not one {form.name} file")
        path = Path(os.fspath(target)).expanduser()  # type: ignore[arg-type]
        return make_file(inputs[0], path, form, wanted, mode == "w", progress, cancel)
    report = make_stores(inputs, target, wanted, store or StoreOptions(), mode, progress, cancel)
    if after is not None:
        for made in report.written:
            after(made.place)
    return report


def _foreign_target(target: Place, to: str | None) -> Format | None:
    """The format to be written, None for a store."""
    if to is not None:
        check_choice(to, "to", ["store", *(entry.name for entry in ENTRIES)])
    is_path = isinstance(target, str | os.PathLike)
    entry = find_entry(target) if to is None and is_path else None  # type: ignore[arg-type]
    name = to or (None if entry is None else entry.name)
    if name in (None, "store"):
        return None
    if not is_path:
        raise InvalidInputError(f"a {name} file is written to a path, not to {target!r:.80}")
    return load_format(str(name))
