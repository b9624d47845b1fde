"""To whom the vertices of a chunk belong, as attributes beside their own: the colour of the object, and its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import DamagedError
from zvview.format.attributes import AttributeMetadata, Categories
from zvview.neuroglancer.sources.chunks import Chunks
from zvview.store.store import Store
from zvview.stream.facts import StoreFacts
from zvview.stream.parts import ChunkPart
from zvview.style.colourmaps import colour_ids
from zvview.style.membership import Membership

__all__ = ["OwnedChunks", "Owners"]

_OBJECT, _GROUP = "object", "group"
_COLOUR: Final = AttributeMetadata(
    _OBJECT, np.dtype(np.uint8), (3,), channel_names=("red", "green", "blue"), description="Colour of the object"
)


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """What objects tell of their vertices.

    Attributes
    ----------
    attributes : mapping of str to AttributeMetadata
        ``object``, a colour, and ``group``, the first of each object; where vertices have none of that name, and the
        store has objects, and groups.
    membership : Membership or None
    """

    attributes: Mapping[str, AttributeMetadata] = field(default_factory=dict)
    membership: Membership | None = None

    @classmethod
    def of(cls, store: Store, taken: Mapping[str, Any]) -> Self:
        """Of a store whose vertices have some attributes; reads its groups."""
        found: dict[str, AttributeMetadata] = {}
        if store.level(store.levels[0]).object_ids is None:
            return cls()
        if _OBJECT not in taken:
            found[_OBJECT] = _COLOUR
        try:
            groups = store.groups
        except DamagedError:
            groups = None
        if groups is None or not len(groups) or _GROUP in taken:
            return cls(found)
        membership = Membership.of(groups.members, groups.names)
        labels = Categories(membership.labels, missing=len(membership.labels))
        found[_GROUP] = AttributeMetadata(_GROUP, np.dtype(np.int64), categories=labels, description="Group")
        return cls(found, membership)

    def tell(self, ids: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Values of the attributes of vertices that belong to some objects, (n,)."""
        found: dict[str, NDArray[Any]] = {}
        if _OBJECT in self.attributes:
            found[_OBJECT] = np.rint(colour_ids(ids)[:, :3] * 255).astype(np.uint8)
        if self.membership is not None:
            groups = self.membership.groups_of(ids)
            found[_GROUP] = np.where(groups < 0, len(self.membership.labels), groups)
        return found


class OwnedChunks(Chunks):
    """The chunks of a store of points, each with what its object tells.

    Parameters
    ----------
    store : Store
    levels : int, optional
        How many of the levels, the finest first; all by default.
    facts : StoreFacts, optional
        What is known of the store by now.
    """

    def __init__(self, store: Store, *, levels: int | None = None, facts: StoreFacts | None = None) -> None:
        super().__init__(store, levels=levels, facts=facts)
        self.owners = Owners.of(store, self.facts.attributes)

    def read(self, level: int, rows: Sequence[int], cancel: CancelToken | None = None) -> list[ChunkPart]:
        """Chunks at `rows` of the table of a level, which counts from the finest."""
        parts = super().read(level, rows, cancel)
        return [self._with_owners(part) for part in parts] if self.owners.attributes else parts

    def _with_owners(self, part: ChunkPart) -> ChunkPart:
        ids = part.object_ids
        if ids is None:
            return part
        return replace(part, attributes={**part.attributes, **self.owners.tell(ids.astype(np.int64))})
