"""Which objects a view is to show, where a filter names them or their groups, as far as the client can show a choice.

Objects are chosen as segments, each of which the client asks for by itself; of more than it can ask for, groups are
told by a property of annotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.errors import DamagedError, MissingError
from zvview.neuroglancer.sources.segments import Segments
from zvview.store.layout import Groups
from zvview.store.store import Store
from zvview.stream.filtering import Filter, wanted_objects
from zvview.style.membership import Membership

__all__ = ["MOST_CHOSEN", "Choice", "choice_layer", "choose"]

MOST_CHOSEN: Final = 256
"""Objects that are shown one by one: the client makes a request, and a link carries a number, for each."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The objects that are to be seen.

    Attributes
    ----------
    objects : (n,) int64 array or None
        None for all.
    groups : tuple of int or None
        Numbers of the groups whose members are to be seen, where these are too many to be shown one by one.
    membership : Membership or None
        Groups of all objects; None where there are none, or where they were not asked for.
    notes : tuple of str
        What is not as it was wished, in plain words.
    """

    objects: NDArray[np.int64] | None = None
    groups: tuple[int, ...] | None = None
    membership: Membership | None = None
    notes: tuple[str, ...] = ()

    def of_annotations(self, filter: Filter) -> Filter:
        """What of a filter shaders of annotations are to look at: attributes, and groups instead of their members."""
        return replace(filter, object_ids=None, groups=self.groups)


def choose(store: Store, filter: Filter, *, with_groups: bool = False, can_tell_groups: bool = False) -> Choice:
    """What a filter wants of the objects of a store; reads groups.

    Parameters
    ----------
    store : Store
    filter : Filter
    with_groups : bool
        Whether groups are needed even if the filter names none.
    can_tell_groups : bool
        Whether there are annotations that tell the group of each object.
    """
    if not filter.names_objects and not with_groups:
        return Choice()
    try:
        groups = store.groups if with_groups or filter.groups is not None else None
        wanted = wanted_objects(filter, groups)
    except (DamagedError, MissingError) as error:
        return Choice(notes=(f"all objects are shown, not only those that are chosen: {error}",))
    membership = None if groups is None else Membership.of(groups.members, groups.names)
    if wanted is None or len(wanted) <= MOST_CHOSEN:
        return Choice(wanted, None, membership)
    is_by_group = can_tell_groups and filter.object_ids is None
    numbers = _as_numbers(filter, groups, membership) if is_by_group else None
    if numbers is not None:
        told = f"{len(wanted):,} objects are chosen by group: seen from afar they are thinned out as all are"
        return Choice(None, numbers, membership, (told,))
    told = f"of {len(wanted):,} objects that are chosen {MOST_CHOSEN} are shown: Neuroglancer asks for each by itself"
    return Choice(wanted[:MOST_CHOSEN], None, membership, (told,))


def choice_layer(name: str, store: Store, objects: NDArray[np.int64]) -> dict[str, Any]:
    """A layer that shows nothing of its own, by which annotations know which objects are chosen.

    Parameters
    ----------
    name : str
    store : Store
    objects : (n,) int64 array
    """
    ids = store.level(store.levels[0]).object_ids
    segments = Segments.of(objects if ids is None else ids)
    chosen = segments.of_objects(objects[segments.has(objects)])
    return {
        "type": "segmentation",
        "name": name,
        "source": "local://equivalences",
        "tab": "segments",
        "segments": [str(segment) for segment in chosen.tolist()],
    }


def _as_numbers(filter: Filter, groups: Groups | None, membership: Membership | None) -> tuple[int, ...] | None:
    """Numbers of the groups of a filter; None where objects are in several, of which annotations tell the first."""
    if filter.groups is None or groups is None or membership is None:
        return None
    if (np.diff(membership.objects) == 0).any():
        return None
    return tuple(_number_of(group, groups.names) for group in filter.groups)


def _number_of(group: int | str, names: Sequence[str]) -> int:
    return group if isinstance(group, int) else names.index(group)
