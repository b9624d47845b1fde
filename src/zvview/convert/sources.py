"""What is converted, and what of it, in the words of the caller."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from numpy.typing import ArrayLike

from zvview.cancel import CancelToken
from zvview.convert.contract import ReadOptions
from zvview.convert.registry import find_entry
from zvview.errors import InvalidInputError, UnreachableError
from zvview.store.collection import Collection
from zvview.store.level import Level
from zvview.store.opening import open
from zvview.store.store import Store

__all__ = ["Selection", "Source", "expand", "holds_store", "open_store", "split_groups"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_STORE_SUFFIX = re.compile(r"\.(zarrvectors|zarr|zv|zip)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input: a file, a folder of files of one format, or a store; and what the caller states of it.

    Attributes
    ----------
    path : str
    name : str, optional
        Of the store that is made of it; by default that of the file.
    format : str, optional
        Where the suffix does not tell it.
    kind, unit, axes, columns, drop, batch_bytes
        See :class:`~zvview.convert.contract.ReadOptions`.
    scale : sequence of float, optional
        Coordinates are multiplied by it: one number, or one for each space axis. `unit` is that of the product.
    affine : (S, S + 1) or (S + 1, S + 1) array_like, optional
        Map of the coordinates over S space axes, instead of `scale`.
    member : str, optional
        The store of a collection that is meant.
    """

    path: str
    name: str | None = None
    format: str | None = None
    kind: str | None = None
    unit: str | None = None
    axes: Sequence[str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    drop: Sequence[str] = ()
    scale: Sequence[float] | None = None
    affine: ArrayLike | None = None
    batch_bytes: int = 64 << 20
    member: str | None = None

    @property
    def given_name(self) -> str:
        """The name given, or that of the file without its suffix."""
        if self.name or self.member:
            return self.name or self.member or ""
        last = os.path.basename(self.path.rstrip("/\\")) or self.path
        entry = None if self.is_store else find_entry(last)
        if entry is None:
            return _STORE_SUFFIX.sub("", last) or last
        suffix = max((s for s in entry.suffixes if last.lower().endswith(s)), key=len)
        return last[: -len(suffix)] or last

    @property
    def is_store(self) -> bool:
        """Whether a store is at the path, rather than foreign files."""
        return self.format == "store" or (self.format is None and holds_store(self.path))

    def read_options(self, cancel: CancelToken | None = None) -> ReadOptions:
        """What a format is told."""
        return ReadOptions(self.kind, self.unit, self.axes, self.columns, self.drop, self.batch_bytes, cancel)


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What of a store is meant; everything by default. See :class:`~zvview.convert.contract.Outgoing`."""

    level: int = 0
    box: tuple[ArrayLike, ArrayLike] | None = None
    objects: Sequence[int] | None = None
    groups: Sequence[str] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing was asked for that only a store has."""
        return self.level == 0 and self.box is None and self.objects is None and self.groups is None


def holds_store(path: str) -> bool:
    """Whether `path` is to be opened as a store or a collection: an address, a Zarr folder, or a zip with a Zarr group.

    Raises
    ------
    UnreachableError
        Nothing is there.
    """
    if _ADDRESS.match(path):
        return True
    place = os.path.expanduser(path)
    if os.path.isdir(place):
        return os.path.isfile(os.path.join(place, "zarr.json"))
    if not os.path.exists(place):
        raise UnreachableError(f"{path} does not exist")
    if os.path.basename(place) == "zarr.json":
        return True
    if find_entry(place) is not None or not zipfile.is_zipfile(place):
        return False
    with zipfile.ZipFile(place) as archive:
        return "zarr.json" in archive.namelist()


@contextmanager
def open_store(source: Source) -> Iterator[Store]:
    """The one store of a source, closed at the end.

    Raises
    ------
    InvalidInputError
        A collection of several stores.
    """
    with open(os.path.expanduser(source.path)) as opened:
        if not isinstance(opened, Collection):
            yield opened
            return
        if source.member is None and len(opened) != 1:
            known = ", ".join(opened) or "none"
            raise InvalidInputError(f"{source.path} is a collection ({known}): name one of its stores, PLACE/NAME")
        yield opened[source.member or next(iter(opened))]


def expand(source: Source) -> list[Source]:
    """The source, or one for each store of the collection that it is."""
    if not source.is_store or source.member is not None:
        return [source]
    with open(os.path.expanduser(source.path)) as opened:
        if not isinstance(opened, Collection):
            return [source]
        if source.name is not None and len(opened) > 1:
            raise InvalidInputError(f"{source.path} is a collection, whose stores have names already")
        return [replace(source, member=name) for name in opened]


def split_groups(level: Level, groups: Sequence[str] | None) -> list[str] | None:
    """Names of groups; those that no group has and that hold commas are taken for lists of names."""
    if groups is None:
        return None
    known = level.groups
    names = () if known is None else known.names
    return [name for given in groups for name in ([given] if given in names else given.split(","))]
