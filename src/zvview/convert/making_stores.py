"""Inputs become stores: one input a store, several a collection with a store for each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from zvview.cancel import CancelToken
from zvview.convert.contract import Extras
from zvview.convert.importing import Opened, Progress, open_source, write_opened
from zvview.convert.reports import Report, Written
from zvview.convert.sources import Selection, Source, expand
from zvview.errors import InvalidInputError
from zvview.store.creating import NewStore, resolve_options
from zvview.store.creating_collection import create_collection
from zvview.store.places.open import Place
from zvview.store.store import Store
from zvview.store.writing.options import CodecSpec

__all__ = ["StoreOptions", "make_stores"]

_FEWEST_BYTES = 1 << 20  # of a batch


@dataclass(frozen=True, slots=True, eq=False)
class StoreOptions:
    """How stores are written.

    Attributes
    ----------
    chunk_shape, codec, name
        As in :func:`zvview.create`.
    memory_bytes : int
        About how much of the content is in memory at a time; what is more waits in the folder for temporary files. The
        process takes two to three times as much, and 100 MB for itself.
    """

    chunk_shape: Sequence[float] | None = None
    codec: CodecSpec = None
    name: str | None = None
    memory_bytes: int = 256 << 20


def make_stores(
    inputs: Sequence[Source],
    target: Place,
    selection: Selection,
    options: StoreOptions,
    mode: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> Report:
    """A store of one input, a collection of several.

    Raises
    ------
    InvalidInputError
        Inputs of a collection that state different units, or have one name.
    BadFileError, UnsupportedError, ExistsError, UnreachableError, Cancelled
    """
    most = max(_FEWEST_BYTES, options.memory_bytes // 4)
    found = [replace(e, batch_bytes=min(e.batch_bytes, most)) for source in inputs for e in expand(source)]
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
    new = NewStore(target, resolve_options(name=name, **_creation(opened, options)), overwrite=mode == "w")
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
        "memory_bytes": options.memory_bytes,
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
