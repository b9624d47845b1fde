"""What a foreign format offers: its files as batches, and a level of a store as its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import ArrayLike

from zvview.cancel import CancelToken
from zvview.errors import BadFileError, ZvviewError
from zvview.format.metadata import Axis
from zvview.geometry.batches import Batch
from zvview.store.level import Level
from zvview.store.store import Store
from zvview.store.writing.options import AttributeSpec

__all__ = ["Extras", "Format", "Incoming", "Input", "Outgoing", "ReadOptions", "Skipped"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file of a folder, or a record of a file, that was left out, and why."""

    place: str
    reason: str

    @classmethod
    def of(cls, place: str, error: ZvviewError) -> Skipped:
        """A file that was left out for an error; the line or record that it names stands in the reason."""
        if not isinstance(error, BadFileError):
            return cls(place, str(error))
        return cls(place, f"{error.where}: {error.reason}" if error.where else error.reason)


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """One batch of a file, with a row of attributes for each of its objects in order of first appearance."""

    batch: Batch
    object_attributes: Mapping[str, ArrayLike] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What is known of an input when its last batch was read; as the arguments of :meth:`zvview.Writer.close`.

    ``skipped`` and ``notes`` are told to the caller: what was left out, and what was changed on the way.
    """

    groups: Mapping[str, ArrayLike | range] | None = None
    group_attributes: Mapping[str, ArrayLike] | None = None
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    user_metadata: Mapping[str, Any] = field(default_factory=dict)
    skipped: Sequence[Skipped] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the caller says of an input that its files do not.

    Attributes
    ----------
    kind : str, optional
        Kind of the store, where a format can give several.
    unit : str, optional
        Unit of the coordinates, such as ``"micrometer"``; never guessed.
    axes : sequence of str, optional
        Names of the axes.
    columns : mapping of str to str
        Of tables: which column is an axis, ``"object_id"``, ...
    drop : sequence of str
        Of tables: columns that are left out.
    batch_bytes : int
        About how much is read at a time.
    cancel : CancelToken, optional
        For formats that look through a file before its first batch.
    """

    kind: str | None = None
    unit: str | None = None
    axes: Sequence[str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    batch_bytes: int = 64 << 20
    cancel: CancelToken | None = None


class Input(Protocol):
    """Files opened to be read, batch by batch, so that what is larger than memory can be converted."""

    @property
    def kind(self) -> str:
        """Kind of the store that is made of it."""
        ...

    @property
    def axes(self) -> Sequence[Axis]:
        """Axes with their units, as the format or the caller states them."""
        ...

    @property
    def attribute_specs(self) -> Mapping[str, AttributeSpec]:
        """Units and channel names of vertex attributes."""
        ...

    def batches(self) -> Iterator[Incoming]:
        """Everything, once.

        Raises
        ------
        BadFileError
            Names the file and the line or record; of a folder only where every file is bad.
        """
        ...

    def extras(self) -> Extras:
        """To be asked when :meth:`batches` is through."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Outgoing:
    """What of a store is to be written to a foreign file.

    Attributes
    ----------
    store : Store
    level : Level
    box : (lo, hi), optional
        Inclusive corners; what touches it, cut exactly.
    objects : sequence of int, optional
    groups : sequence of str, optional
    cancel : CancelToken, optional
    progress : callable, optional
        Called with vertices done and all there are.
    """

    store: Store
    level: Level
    box: tuple[ArrayLike, ArrayLike] | None = None
    objects: Sequence[int] | None = None
    groups: Sequence[str] | None = None
    cancel: CancelToken | None = None
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """A foreign format.

    Attributes
    ----------
    name : str
        As in ``--format``, such as ``"trk"``.
    title : str
        For people, such as ``"TrackVis streamlines"``.
    suffixes : tuple of str
        Of its files, lower case, with the dot.
    kinds : tuple of str
        Kinds of stores that can be written to it.
    open_input : callable
        Opens a file, or a folder of files where the format has one object per file.
    write : callable
        Writes to a path, which must not exist; a file appears whole or not at all.
    lengths : tuple of str
        Vertex attributes that are lengths in the unit of the coordinates, such as radii: scaled along with them.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    kinds: tuple[str, ...]
    open_input: Callable[[Path, ReadOptions], Input]
    write: Callable[[Path, Outgoing], None]
    lengths: tuple[str, ...] = ()
