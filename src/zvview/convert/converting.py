"""The driver: foreign files to a store, a store to a file or a store, several inputs to a collection."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zvview.cancel import CancelToken
from zvview.convert.appearing import check_free, replace_file
from zvview.convert.contract import Extras, Format, Outgoing, Skipped
from zvview.convert.importing import Opened, Progress, open_source, write_opened
from zvview.convert.overlapping import refuse_overlap
from zvview.convert.registry import ENTRIES, explain_missing_packages, find_entry, load_format
from zvview.convert.selecting import is_whole
from zvview.convert.sources import Selection, Source, expand, open_store, split_groups
from zvview.errors import InvalidInputError, UnsupportedError
from zvview.geometry.arguments import check_choice
from zvview.store.creating import create
from zvview.store.creating_collection import create_collection
from zvview.store.places.open import Place
from zvview.store.store import Store
from zvview.store.writing.options import CodecSpec

__all__ = ["Report", "StoreOptions", "Written", "convert"]


@dataclass(frozen=True, slots=True, eq=False)
class StoreOptions:
    """How stores are written; the names are those of :func:`zvview.create`."""

    chunk_shape: Sequence[float] | None = None
    codec: CodecSpec = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """One store or foreign file that was made.

    Attributes
    ----------
    place : str
    source : str
    format : str
        ``"store"`` or the name of a foreign format.
    kind : str
    vertices : int or None
        None of parts of a store that went to a foreign file.
    objects : int or None
        None where there are none.
    skipped : tuple of Skipped
        Files or records that were left out.
    notes : tuple of str
        What was changed on the way, such as polygons cut into triangles.
    """

    place: str
    source: str
    format: str
    kind: str
    vertices: int | None
    objects: int | None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a conversion made.

    Attributes
    ----------
    place : str
    is_collection : bool
    written : tuple of Written
    """

    place: str
    is_collection: bool = False
    written: tuple[Written, ...] = field(default=())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """All that was left out."""
        return tuple(entry for made in self.written for entry in made.skipped)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        written = [
            {name: getattr(made, name) for name in ("place", "source", "format", "kind", "vertices", "objects")}
            | {"skipped": [{"place": s.place, "reason": s.reason} for s in made.skipped], "notes": list(made.notes)}
            for made in self.written
        ]
        return {"place": self.place, "is_collection": self.is_collection, "written": written}


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
        return _write_foreign(inputs[0], path, form, wanted, mode == "w", progress, cancel)
    report = _write_stores(inputs, target, wanted, store or StoreOptions(), mode, progress, cancel)
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


def _write_stores(
    inputs: Sequence[Source],
    target: Place,
    selection: Selection,
    options: StoreOptions,
    mode: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    """A store of one input, a collection of several."""
    found = [entry for source in inputs for entry in expand(source)]
    with ExitStack() as held:
        opened = [open_source(source, selection, held, cancel) for source in found]
        if len(opened) == 1 and len(inputs) == 1:
            return _write_store(opened[0], target, options, mode, progress, cancel)
        return _write_collection(opened, target, options, mode, progress, cancel)


def _write_store(
    opened: Opened,
    target: Place,
    options: StoreOptions,
    mode: Any,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    name = options.name or opened.source.name
    new = create(target, mode=mode, name=name, **_creation(opened, options))
    extras = write_opened(opened, new, progress, cancel)
    made = _written(new, new.place, opened, extras)
    new.close()
    return Report(new.place, written=(made,))


def _write_collection(
    opened: Sequence[Opened],
    target: Place,
    options: StoreOptions,
    mode: Any,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    names = [one.name for one in opened]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidInputError(f"two inputs are called {twice[0]!r}: give them names, NAME=PATH")
    _check_one_frame(opened)
    told: dict[str, Extras] = {}
    with create_collection(target, name=options.name, mode=mode) as collection:
        for one in opened:
            new = collection.create(one.name, **_creation(one, options))
            told[one.name] = write_opened(one, new, progress, cancel)
    with collection.open() as made:
        written = [_written(made[one.name], f"{made.place}/{one.name}", one, told[one.name]) for one in opened]
        return Report(made.place, True, tuple(written))


def _creation(opened: Opened, options: StoreOptions) -> dict[str, Any]:
    content = opened.content
    return {
        "kind": content.kind,
        "axes": opened.axes,
        "attributes": opened.attribute_specs,
        "chunk_shape": options.chunk_shape,
        "codec": options.codec,
        **opened.options,
    }


def _written(store: Store, place: str, opened: Opened, extras: Extras) -> Written:
    level = store.level(0)
    ids = level.object_ids
    objects = None if ids is None else len(ids)
    source = opened.source.path
    return Written(
        place, source, "store", store.kind, level.vertex_count, objects, tuple(extras.skipped), tuple(extras.notes)
    )


def _check_one_frame(opened: Sequence[Opened]) -> None:
    """Refuse inputs whose axes of one name have different units, stated or not."""
    known: dict[str, tuple[str | None, str]] = {}
    for one in opened:
        for axis in one.axes:
            unit, first = known.setdefault(axis.name, (axis.unit, one.name))
            if unit != axis.unit:
                raise InvalidInputError(
                    f"{one.name} states {axis.unit or 'no unit'} for {axis.name}, {first} {unit or 'none'}: "
                    "a collection is in one frame; state unit and scale of each input"
                )


def _write_foreign(
    source: Source,
    path: Path,
    form: Format,
    selection: Selection,
    overwrite: bool,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    if not source.is_store:
        with tempfile.TemporaryDirectory(prefix="zvview-") as folder:  # one pass in, one pass out
            between = os.path.join(folder, "store")
            first = _write_stores([source], between, selection, StoreOptions(), "w-", progress, cancel)
            inner = Source(between, format="store")
            report = _write_foreign(inner, path, form, Selection(), overwrite, progress, cancel)
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
