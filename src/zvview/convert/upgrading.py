"""Stores in the layout of 0.7.0 made anew in format 0.9, in their place or at another one."""

from __future__ import annotations

import os
import re
from contextlib import closing
from dataclasses import dataclass, replace

from zvview.cancel import CancelToken
from zvview.convert.overlapping import refuse_overlap
from zvview.convert.rewriting import Progress, rewrite_store
from zvview.convert.sources import Source as Input
from zvview.errors import UnsupportedError
from zvview.format import names
from zvview.store.collection import is_collection
from zvview.store.places.open import Place, open_source
from zvview.store.places.source import Sink, Source
from zvview.store.remaking import carry, open_remaking
from zvview.store.replacing import open_new_sink
from zvview.store.staging import open_stage, put_stage
from zvview.store.store import Store, read_root

__all__ = ["Upgraded", "upgrade"]

_LEVEL = re.compile(rf"(?:{names.LEVEL_PREFIX_07})?\d+", re.ASCII)
_OWN = frozenset((names.ZARR_JSON, names.PARAMETRIC, names.HEADERS, names.INDEX))


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What became of a store.

    Attributes
    ----------
    place : str
        Of the store as it is now.
    old_version : str
    is_new : bool
        False where there was nothing to do, and nothing was written.
    notes : tuple of str
        What of the old store could not be trusted, or has no place in format 0.9.
    """

    place: str
    old_version: str
    is_new: bool
    notes: tuple[str, ...] = ()


def upgrade(
    place: Place,
    target: Place | None = None,
    *,
    overwrite: bool = False,
    memory_bytes: int = 256 << 20,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> Upgraded:
    """Make a store in the layout of 0.7.0 anew in format 0.9, with all that it holds; coarse levels are built anew.

    The new store appears as a whole, or nothing changes. A store in format 0.9 is left alone.

    Parameters
    ----------
    place : str, path, mapping or zarr store
    target : the same, optional
        Where the new store shall be; by default it takes the place of the old one, whose writer lock is held.
    overwrite : bool
        Whether a Zarr Vectors store at `target` is replaced.
    memory_bytes : int
        About how much of the content is in memory at a time.
    progress, cancel : optional

    Raises
    ------
    NotZarrVectorsError
        There is no store.
    UnsupportedError
        A collection, whose stores are upgraded one by one; a store of several kinds; or one at an address, without
        `target`.
    ExistsError
        Something is at `target`.
    ConflictError
        Another process is changing the store, or did so meanwhile; it is as that change left it.
    DamagedError
        The old store cannot be read in all its parts.
    Cancelled
        The token was set.
    """
    if target is not None and isinstance(place, str | os.PathLike):
        refuse_overlap([Input(os.fspath(place))], target)
    with closing(open_source(place)) as source:
        root = read_root(source)
        if is_collection(root.attributes):
            raise UnsupportedError(f"{source.place} is a collection: upgrade its stores one by one")
        store = Store(source, root)
        found = Upgraded(store.place, store.version, store.metadata.is_old_layout, store.notes)
        if not found.is_new:
            return found
        if target is not None:
            sink = open_new_sink(target, overwrite=overwrite)
            try:
                lost = _make(source, sink, target, memory_bytes, progress, cancel)
                sink.commit()
            except BaseException:
                sink.abort()
                raise
            return replace(found, place=sink.place, notes=(*found.notes, *lost))
    with open_remaking(place, "upgrading it") as remaking, remaking.replace(lambda path: False) as sink:
        lost = _make(remaking.source, sink, remaking.path, memory_bytes, progress, cancel)
    return replace(found, notes=(*found.notes, *lost))


def _make(
    source: Source, sink: Sink, target: object, memory_bytes: int, progress: Progress | None, cancel: CancelToken | None
) -> tuple[str, ...]:
    """Put the store anew into a sink, with what lies in it that is none of a store's; gives what was left out."""
    with open_stage(target) as stage:
        made = os.path.join(stage, "store")
        lost = rewrite_store(Store(source), made, memory_bytes=memory_bytes, progress=progress, cancel=cancel)
        put_stage(made, sink)
    if source.can_list:
        foreign = [name for name in source.list_names("") if not _LEVEL.fullmatch(name) and name not in _OWN]
        keys = [key for name in foreign for key in (source.list_keys(name) or [name])]
        carry(source, sink, [(key, key) for key in keys])
    return lost
