"""Writing edits into their store: everything that they change, at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import ConflictError, InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.format.grid import format_chunk_keys
from zvview.store.committing.applied import Commit
from zvview.store.committing.opening import open_commit
from zvview.store.editing.coarser import RefreshedLevel, refresh_coarser
from zvview.store.editing.commit_names import with_name
from zvview.store.editing.committed import Committed
from zvview.store.editing.digests import digest_chunks
from zvview.store.editing.edits import Edits
from zvview.store.editing.host import check_editable, place_of
from zvview.store.editing.link_trees import find_unsound
from zvview.store.editing.put_lines import put_line_edits
from zvview.store.editing.put_vertices import put_vertex_edits
from zvview.store.editing.review import is_empty
from zvview.store.editing.schema import Schema
from zvview.store.growth import grow, grow_by_commit
from zvview.store.patching.overlay import Overlay
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.open import Place
from zvview.store.places.prefixed import PrefixedSource
from zvview.store.places.remote import RemoteSource
from zvview.store.places.source import Source
from zvview.store.reading.reader import LevelReader
from zvview.store.replacing import open_new_sink
from zvview.store.staging import open_stage, put_copy, put_stage
from zvview.store.store import Store

__all__ = ["commit_edits", "commit_into_copy"]

_DOING = "saving edits"
_SHOWN = 5  # chunks and objects that a message names


def commit_edits(
    place: Place | Source, edits: Edits, *, name: str | None = None, cancel: CancelToken | None = None
) -> Committed:
    """Write edits into the store at a place, coarse levels included.

    Where they lead out of the store's bounds its grid grows first, in a step of its own: a store that grew is sound.

    Parameters
    ----------
    place : str, path, mapping, zarr store or Source
        A source stands for the place that it reads.
    edits : Edits
        Of this store.
    name : str, optional
        By which the store tells afterwards that the commit was made (:mod:`~zvview.store.editing.commit_names`).
    cancel : CancelToken, optional
        Until the changes are written; then it is too late.

    Raises
    ------
    ConflictError
        A chunk that the edits rely on changed since, or a new object's id was given to another; or another process is
        changing the store. Nothing was written.
    UnsupportedError
        The store cannot be edited, or not where it is.
    UnreachableError
        It cannot be written, or the disk is full; it is as it was.
    DamagedError
        What the edits touch cannot be read.
    Cancelled
    """
    if is_empty(edits):
        return Committed()
    with open_commit(place, _DOING) as commit:
        reader = _check(commit, edits)
        wider = _wider_bounds(reader, edits)
        if wider is None:
            return _write(commit, edits, reader, name, cancel)
        named = commit.source.place
    _grow(place, named, wider)
    with open_commit(place, _DOING) as commit:
        return _write(commit, edits, _check(commit, edits), name, cancel)


def commit_into_copy(source: Source, to: Place, edits: Edits, *, cancel: CancelToken | None = None) -> Committed:
    """Write edits of a store into a copy of it, all levels included; the store itself stays as it is.

    The copy appears with the edits in it, or not at all.

    Parameters
    ----------
    source : Source
        The store. It must be able to list.
    to : str, path or mapping
        Where the copy shall be; nothing may be there.
    edits : Edits
    cancel : CancelToken, optional

    Raises
    ------
    ExistsError
        Something is there.
    ZvviewError
        As :func:`commit_edits`, and what keeps a copy from being made.
    """
    sink = open_new_sink(to)
    try:
        with open_stage(to) as stage:
            folder = os.path.join(stage, "copy")
            copy = FolderSink(folder)
            try:
                put_copy(source, copy, cancel=cancel)
                copy.commit()
            except BaseException:
                copy.abort()
                raise
            done = commit_edits(folder, edits, cancel=cancel)
            put_stage(folder, sink)
        sink.commit()
    except BaseException:
        sink.abort()
        raise
    return done


def _check(commit: Commit, edits: Edits) -> LevelReader:
    """Level 0 of the store of today, with which the edits do not conflict."""
    store = Store(commit.source)
    check_editable(store)
    reader = store.reader(0)
    _check_fit(store.place, reader, edits)
    _check_bases(store.place, reader, edits)
    _check_new_objects(store.place, reader, edits)
    _check_trees(store.place, reader, edits)
    return reader


def _check_fit(place: str, reader: LevelReader, edits: Edits) -> None:
    try:
        Schema.of(reader).check_fit(edits)
    except InvalidInputError as error:
        raise ConflictError(
            f"another program changed what {place} holds, or put another store there, since it was read: {error}. "
            "Nothing was written"
        ) from error


def _check_bases(place: str, reader: LevelReader, edits: Edits) -> None:
    if not edits.bases:
        return
    coords = np.array(sorted(edits.bases), np.int64)
    digests = digest_chunks(reader, coords)
    told = [edits.bases[key] for key in sorted(edits.bases)]
    changed = [i for i, (now, then) in enumerate(zip(digests, told, strict=True)) if now != then]
    if changed:
        shown = ", ".join(format_chunk_keys(coords[changed[:_SHOWN]]))
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise ConflictError(
            f"another program changed chunks of {place} since they were read, on which the edits rely: {shown}{more}. "
            "Nothing was written. Reload to apply the edits to the store as it is now, and save again"
        )


def _check_new_objects(place: str, reader: LevelReader, edits: Edits) -> None:
    if not edits.new_objects or reader.objects is None:
        return
    new = np.array(sorted(edits.new_objects), np.int64)
    taken = new[reader.objects.find_rows(new) >= 0].tolist()
    if taken:
        shown = ", ".join(map(str, taken[:_SHOWN]))
        raise ConflictError(
            f"another program made objects in {place} with the ids of new ones among the edits: {shown}. "
            "Nothing was written. Reload to give them other ids, and save again"
        )


def _check_trees(place: str, reader: LevelReader, edits: Edits) -> None:
    if reader.kind != names.SKELETON:
        return
    nodes = find_unsound(edits, reader)
    if len(nodes):
        nodes = nodes if reader.root.offset is None else nodes + reader.root.offset
        shown = ", ".join(f"({', '.join(f'{x:g}' for x in node)})" for node in nodes[:_SHOWN].tolist())
        more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
        raise ConflictError(
            f"another program hung nodes of {place} on others, with which these edits would close a ring: the nodes at "
            f"{shown}{more} would hang on ones below them. Nothing was written. Reload to keep all edits but these, "
            "and save again"
        )


def _wider_bounds(reader: LevelReader, edits: Edits) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Least and greatest corner in world coordinates, where new positions leave the bounds of the store; else None."""
    root = reader.root
    parts = [positions for positions in _new_positions(edits) if len(positions)]
    if not parts:
        return None
    lo = np.min([p.min(axis=0) for p in parts], axis=0)
    hi = np.max([p.max(axis=0) for p in parts], axis=0)
    if (lo >= root.lo).all() and (hi <= root.hi).all():
        return None
    lo, hi = np.minimum(lo, root.lo), np.maximum(hi, root.hi)
    shift = np.zeros(root.ndim) if root.offset is None else root.offset
    world_lo, world_hi = lo + shift, hi + shift
    return (  # there and back is not always the same number
        np.where(world_lo - shift > lo, np.nextafter(world_lo, -np.inf), world_lo),
        np.where(world_hi - shift < hi, np.nextafter(world_hi, np.inf), world_hi),
    )


def _grow(place: Place | Source, named: str, wider: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    try:
        if isinstance(place, RemoteSource | PrefixedSource):
            grow_by_commit(place, wider)
        else:
            grow(place_of(place), wider)
    except (InvalidInputError, UnsupportedError) as error:
        raise type(error)(
            f"new positions lead out of the bounds of {named}, which cannot grow to them: {error}. Nothing was "
            "written; undo these edits, or move the vertices back into the bounds"
        ) from error


def _new_positions(edits: Edits) -> Iterator[NDArray[np.float64]]:
    """Positions that vertices have now and had not before."""
    for entry in edits.chunks.values():
        yield entry.positions[entry.is_moved & ~entry.is_deleted]
    if edits.added is not None:
        yield edits.added.positions
    yield from (line.positions for line in edits.lines.values() if line is not None)


def _write(
    commit: Commit, edits: Edits, reader: LevelReader, name: str | None, cancel: CancelToken | None
) -> Committed:
    overlay = Overlay(commit.source)
    touched = put_line_edits(overlay, edits) if reader.is_sequence else put_vertex_edits(overlay, edits)
    refreshed = refresh_coarser(overlay, touched.chunks, touched.objects, cancel)
    if cancel is not None:
        cancel.raise_if_cancelled()
    told = _tell_levels(refreshed.levels, is_empty_before=not len(reader.layout.vertices.chunks))
    changes: dict[str, bytes | None] = {**overlay.changes, **refreshed.changes}
    applied = commit.apply(changes if name is None else with_name(commit.source, changes, name))
    note = "; ".join(part for part in (told, applied.note) if part)
    count = 0 if touched.objects is None else len(touched.objects)
    return Committed(len(touched.chunks), count, len(refreshed.levels), applied.written_bytes, note)


def _tell_levels(levels: Sequence[RefreshedLevel], *, is_empty_before: bool) -> str:
    """What to do about coarse levels that went because nothing was left of them; no later commit makes them again."""
    dropped = [level.level for level in levels if not level.vertex_count]
    if dropped:
        return f"nothing is left of level {dropped[0]} and coarser ones: 'zvview pyramid' makes them again"
    if is_empty_before and not levels:
        return "the store was empty and has no coarse levels: 'zvview pyramid' makes them"
    return ""
