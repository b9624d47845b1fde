"""Layers become a store, or a collection of stores: made aside with their levels, put in their place as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zvview.cancel import CancelToken
from zvview.convert.rewriting import rewrite_store
from zvview.errors import UnsupportedError
from zvview.format import documents, names
from zvview.napari.looks import LOOK_KEY, encode_look
from zvview.napari.opening import name_of
from zvview.napari.writing.columns import free_name
from zvview.napari.writing.content import LayerContent
from zvview.napari.writing.dressing import DressedSink, dress_folder
from zvview.napari.writing.grid import choose_grid
from zvview.pyramid.build import build_pyramid
from zvview.samples import Look
from zvview.store.collection import collection_attributes
from zvview.store.creating import create
from zvview.store.editing.commit import commit_edits
from zvview.store.editing.edits import Edits
from zvview.store.hierarchy import document_key
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.source import Sink
from zvview.store.replacing import open_new_sink
from zvview.store.staging import open_stage, put_copy, put_stage
from zvview.store.store import Store

__all__ = ["Entry", "Progress", "WholeStore", "save"]

Progress = Callable[[int, int, str], None]
"""Called with what is done, all there is, and what is being done."""


@dataclass(frozen=True, slots=True, eq=False)
class WholeStore:
    """The store that a layer stands for, with all its levels.

    Attributes
    ----------
    name : str
        Of the layer.
    store : Store
    edits : Edits or None
        Of the store, which does not have them yet: what is written has.
    look : Look or None
        Of the layer, where it is another one than it was opened with.
    """

    name: str
    store: Store
    edits: Edits | None = None
    look: Look | None = None


Entry = WholeStore | Callable[[], LayerContent]
"""The store that a layer stands for, or what gives the content of one that streams from none."""


def save(
    place: str,
    entries: Sequence[Entry],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> list[str]:
    """Write one entry as a store, several as a collection; gives what could not be done for them, in words.

    It may run on any thread: an entry that is called gives what is written only when that is due.

    Stores are copied byte for byte; where there are edits, these are saved into the copy before it appears, and so is a
    look that is another one.

    Raises
    ------
    ExistsError
        Something is at the place, and is no store or shall not be replaced.
    ConflictError
        A store was changed while it was copied, or is changed where it would be replaced.
    Cancelled
        The token was set.
    """
    notes: list[str] = []
    sink = open_new_sink(place, overwrite=overwrite)
    try:
        with open_stage(place) as stage:
            found = [entry if isinstance(entry, WholeStore) else entry() for entry in entries]
            members = member_names(found) if len(found) > 1 else [""]
            for number, (entry, member) in enumerate(zip(found, members, strict=True)):
                folder = os.path.join(stage, str(number))
                notes += _put(entry, sink, member, folder, progress, cancel)
            if len(entries) > 1:
                attributes = collection_attributes(name_of(place), members)
                data = documents.encode_document(documents.group(attributes))
                sink.put_many([(document_key(""), (data,))])
        sink.commit()
    except BaseException:
        sink.abort()
        raise
    return notes


def member_names(entries: Sequence[LayerContent | WholeStore]) -> list[str]:
    """A name in a collection for each entry: that of its layer, as far as it can be one."""
    taken = [names.INDEX]
    for entry in entries:
        taken.append(free_name(entry.name, taken))
    return taken[1:]


def _put(
    entry: LayerContent | WholeStore,
    sink: Sink,
    under: str,
    folder: str,
    progress: Progress | None,
    cancel: CancelToken | None,
) -> list[str]:
    """Put an entry into a sink, under a path; `folder` is for what must be made first."""
    if isinstance(entry, LayerContent):
        notes = _make(entry, folder, progress, cancel)
        put_stage(folder, sink, under=under)
        return notes
    store, edits = entry.store, entry.edits
    source = store.reader(store.levels[0]).hierarchy.source
    tell = None if progress is None else lambda done, total: progress(done, total, f"copying {entry.name}")
    if source.can_list and edits is None:
        dressed = sink if entry.look is None else DressedSink(sink, entry.look, under)
        put_copy(source, dressed, under=under, progress=tell, cancel=cancel)
        return []
    lost: tuple[str, ...] = ()
    if edits is None:
        lost = rewrite_store(store, folder, name=entry.name, progress=progress, cancel=cancel)
    elif source.can_list:
        aside = FolderSink(folder)
        put_copy(source, aside, progress=tell, cancel=cancel)
        aside.commit()
        commit_edits(folder, edits, cancel=cancel)
    else:
        raise UnsupportedError(
            f"{store.place} cannot list what it holds, so that its edits cannot be laid over a copy: save it without"
        )
    if entry.look is not None:
        dress_folder(folder, entry.look)
    put_stage(folder, sink, under=under)
    return [f"{entry.name}: {note}" for note in lost]


def _make(content: LayerContent, folder: str, progress: Progress | None, cancel: CancelToken | None) -> list[str]:
    """Write what is in memory, and its levels, to a folder of its own."""
    batch = content.batch
    tell = None if progress is None else lambda done, total: progress(done, total, f"writing {content.name}")
    with create(
        folder,
        kind=batch.kind,
        axes=content.axes,
        dtype=batch.positions.dtype,
        attributes=dict(content.attributes),
        name=content.name,
        **choose_grid(batch, content.axes),
    ) as store:
        store.write(
            batch,
            content.object_attributes or None,
            user_metadata={**content.user_metadata, LOOK_KEY: encode_look(content.look)},
            progress=tell,
            cancel=cancel,
        )
    try:
        build_pyramid(folder, progress=progress, cancel=cancel)
    except UnsupportedError as error:  # a package for it is not installed
        return [*content.notes, f"{content.name} has no coarser levels: {error}"]
    return [f"{content.name}: {note}" for note in content.notes]
