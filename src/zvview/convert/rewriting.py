"""A store written anew in the format of today, in a folder of its own: what it holds, and levels like those it had.

The way of all that cannot be copied byte for byte: stores in an older layout, and places that cannot list their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from zvview.cancel import CancelToken
from zvview.convert.contract import Extras, Outgoing
from zvview.convert.copying import LevelInput
from zvview.errors import DamagedError, InvalidInputError, UnsupportedError
from zvview.format import names
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions
from zvview.store.creating import NewStore, resolve_options
from zvview.store.growth import grow
from zvview.store.level import Level
from zvview.store.store import Store
from zvview.store.writing.options import bins_of_chunk

__all__ = ["Progress", "rewrite_store"]

Progress = Callable[[int, int, str], None]
"""Called with what is done, all there is (0 where that is not known), and what is being done."""

_OWN_ATTRIBUTES = frozenset((names.ROOT, names.MULTISCALES, names.OME, names.USER_METADATA))


def rewrite_store(
    store: Store,
    folder: str,
    *,
    name: str | None = None,
    memory_bytes: int = 256 << 20,
    progress: Progress | None = None,
    cancel: CancelToken | None = None,
) -> tuple[str, ...]:
    """Write what a store holds to a folder where nothing is; gives what had to be left out, in words.

    Objects, groups, links, all attributes, parametric objects, headers and the attributes of the root go along, chunks
    and bins stay. Coarse levels are made anew where there were some: as many as it takes, and of a small store as many
    as there were.

    Parameters
    ----------
    store : Store
        Of one kind.
    folder : str
        When this raises, what is in it is to be dropped.
    name : str, optional
        How collections show the new store.
    memory_bytes : int
        About how much of the content is in memory at a time.
    progress, cancel : optional

    Raises
    ------
    UnsupportedError
        A store that lists several kinds, which cannot be told apart.
    DamagedError
        A part of it cannot be read, or did not come out as it went in.
    Cancelled
        The token was set.
    """
    if len(store.kinds) != 1:
        listed = ", ".join(store.kinds) or "none"
        raise UnsupportedError(f"{store.place} lists the kinds {listed}: only a store of one kind can be written anew")
    level = store.level(0)
    content = LevelInput(Outgoing(store, level, cancel=cancel), max(1 << 20, memory_bytes // 4))
    new = NewStore(folder, resolve_options(**_options(store, content), name=name, memory_bytes=memory_bytes))
    tell = None if progress is None else lambda done, total: progress(done, total, "writing")
    with new.writer(progress=tell, cancel=cancel) as writer:
        done = 0
        for incoming in content.batches():
            writer.append(incoming.batch, incoming.object_attributes)
            done += len(incoming.batch)
            if progress is not None:
                progress(done, max(done, level.vertex_count), "reading")
        extras = content.extras()
        writer.close(
            groups=_groups(store, extras),
            group_attributes=extras.group_attributes,
            parametric=store.parametric,
            headers=extras.headers,
            user_metadata=extras.user_metadata,
            root_attributes={k: v for k, v in store.metadata.raw.items() if k not in _OWN_ATTRIBUTES},
        )
    lost = _check_content(level, new.level(0))
    new.close()
    grow(folder, store.bounds)
    if len(store.levels) > 1:
        build_pyramid(folder, _levels_like(store), progress=progress, cancel=cancel)
    return lost


def _options(store: Store, content: LevelInput) -> dict[str, Any]:
    root, level = store.metadata, content.level
    options: dict[str, Any] = {
        "kind": store.kind,
        "axes": store.axes,
        "attributes": content.attribute_specs,
        "object_attributes": content.specs_of("object"),
        "link_attributes": content.specs_of("link"),
        "chunk_shape": root.chunk_shape.tolist(),
        "dtype": level.dtype if root.offset is None else np.float64,  # a sum needs more digits than its terms
        "crs": root.crs,
    }
    if not level.vertex_count:
        options["bounds"] = tuple(bound.tolist() for bound in store.bounds)
    try:
        bins_of_chunk(options["chunk_shape"], root.base_bin_shape.tolist())
    except InvalidInputError:  # writers of 0.7.0 did not check it
        return options
    return options | {"bin_shape": root.base_bin_shape.tolist()}


def _groups(store: Store, extras: Extras) -> Mapping[Any, Any] | None:
    """Groups as they were: by number where they have no names."""
    known = store.groups
    if known is None or known.names or extras.groups is None:
        return extras.groups
    return dict(enumerate(extras.groups.values()))


def _levels_like(store: Store) -> PyramidOptions:
    levels = [store.level(number) for number in store.levels]
    options = PyramidOptions(cross_level_links=any(delta for level in levels for delta in level.link_deltas))
    return options if levels[0].vertex_count > options.target else replace(options, levels=len(levels) - 1)


def _check_content(old: Level, new: Level) -> tuple[str, ...]:
    """What was written must be as much as there was, since the old store may go; what of it is less is told."""
    before, after = _tell_counts(old), _tell_counts(new)
    if before != after:
        raise DamagedError("copy of the store", found=after, expected=before)
    if old.object_ids is None or new.object_ids is None or len(old.object_ids) == len(new.object_ids):
        return ()
    lost = len(np.setdiff1d(old.object_ids, new.object_ids))
    return (f"{lost} objects without a point are left out, and so are their attributes",)


def _tell_counts(level: Level) -> str:
    ids = level.present_object_ids
    return f"{level.vertex_count} vertices" + ("" if ids is None else f" of {len(ids)} objects")
