"""Where a pyramid is built: the store made anew in a folder beside it, and scratch that outlives a killed build."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zvview.format import names
from zvview.format.documents import encode_document
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.scratch_beside import open_scratch_beside
from zvview.store.editing.commit_names import COMMITS_KEY
from zvview.store.hierarchy import document_key
from zvview.store.index_view import IndexView
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.open import Place
from zvview.store.places.source import ROOT_KEY
from zvview.store.remaking import Remaking, carry, open_remaking, read_documents, true_index
from zvview.version import __version__

__all__ = ["Workplace", "open_workplace"]


@dataclass(frozen=True, slots=True, eq=False)
class Workplace:
    """The store that is made anew, before its coarse levels.

    Attributes
    ----------
    place : str
        Of the store, as shown in messages.
    sink : FolderSink
        Takes the coarse levels and all documents that change; holds the rest already.
    documents, encoded : mapping by path
        Of what it holds, and of the root.
    index : IndexView or None
        Of the store as it was, where that is still true.
    scratch : Scratch
    """

    place: str
    sink: FolderSink
    documents: Mapping[str, dict[str, Any]]
    encoded: Mapping[str, bytes]
    index: IndexView | None
    scratch: Scratch

    def forget(self, paths: Iterable[str]) -> None:
        """Take documents back, so that others can be put in their place; the store as it was keeps its own."""
        for path in paths:
            os.remove(os.path.join(self.sink.folder, document_key(path)))


@contextlib.contextmanager
def open_workplace(place: Place, wishes: str, *, storage_options: Mapping[str, Any] | None) -> Iterator[Workplace]:
    """A copy of the store at `place` without its coarse levels, which takes its place when the block ends well.

    Level 0 is not copied where the place is a folder: its files are linked. Scratch is kept when the block ends badly,
    and found again by the next one of the same store, `wishes` and version of zvview.

    Raises
    ------
    NotZarrVectorsError, UnsupportedError
        There is no store, or it lies where it can be replaced only in pieces, or has links inside.
    ConflictError
        Another process is changing the store, or did so meanwhile; it is as that change left it.
    UnreachableError
        The folder in which the store lies cannot be written, or its disk is full.
    """
    with contextlib.ExitStack() as stack:
        remaking = stack.enter_context(open_remaking(place, "building its levels", storage_options=storage_options))
        if isinstance(remaking.source, FolderSource):
            target = os.path.realpath(remaking.source.folder)
            scratch = stack.enter_context(open_scratch_beside(target, f"{__version__} {remaking.state} {wishes}"))
            sink = stack.enter_context(remaking.replace(lambda path: not _is_replaced(path)))
            assert isinstance(sink, FolderSink)
            yield _begin(remaking, sink, scratch)
        else:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zvview-"))
            staged = os.path.join(folder, "store")
            sink = FolderSink(staged)
            yield _begin(remaking, sink, Scratch(os.path.join(folder, "scratch")))
            sink.commit()
            made = FolderSource(staged)
            with remaking.replace() as whole:
                carry(made, whole, [(key, key) for key in made.list_keys("") if key != ROOT_KEY])
                carry(made, whole, [(ROOT_KEY, ROOT_KEY)])


def _begin(remaking: Remaking, sink: FolderSink, scratch: Scratch) -> Workplace:
    source, keys = remaking.source, remaking.keys
    documents, encoded = read_documents(source, keys)
    index = true_index(source, encoded)
    kept = _without_coarse_levels(keys)
    held = {"", *(key.rpartition("/")[0] for key in kept if key.rpartition("/")[2] == names.ZARR_JSON)}
    documents = {p: d for p, d in documents.items() if p in held}
    encoded = {p: b for p, b in encoded.items() if p in held}
    altered = _without_lost_families(documents, set(keys) - set(kept))
    rewritten = {p: encode_document(d) for p, d in altered.items()}
    own = {document_key(p): (b,) for p, b in rewritten.items()}
    carry(source, sink, [(key, key) for key in kept if key not in own])
    sink.put_many(own.items())
    return Workplace(source.place, sink, documents | altered, encoded | rewritten, index, scratch)


def _without_coarse_levels(keys: Sequence[str]) -> list[str]:
    """The objects that are not those of coarse levels, nor groups that held nothing else; the root is left out."""
    kept = [key for key in keys if key != ROOT_KEY and not _is_replaced(key)]
    lost = [key for key in keys if _is_replaced(key)]
    for family, depth in ((names.LINKS, 3), (names.LINK_ATTRIBUTES, 4)):
        prefix = f"0/{family}/"
        rest = [key for key in kept if key.startswith(prefix)]
        if any(key.startswith(prefix) for key in lost) and all(key.count("/") < depth for key in rest):
            kept = [key for key in kept if not key.startswith(prefix)]
    return kept


def _without_lost_families(documents: Mapping[str, dict[str, Any]], lost: set[str]) -> dict[str, dict[str, Any]]:
    """The document of level 0, if it announces families of which nothing is left."""
    families = {key.split("/")[1] for key in lost if key.startswith("0/")}
    gone = {family for family in families if f"0/{family}" not in documents}
    own = documents.get("0", {}).get("attributes", {}).get(names.LEVEL)
    present = own.get("arrays_present") if isinstance(own, dict) else None
    if not isinstance(present, list) or not gone.intersection(present):
        return {}
    level = {**own, "arrays_present": [name for name in present if name not in gone]}
    return {"0": {**documents["0"], "attributes": {**documents["0"]["attributes"], names.LEVEL: level}}}


def _is_replaced(key: str) -> bool:
    """Whether an object belongs to coarse levels: their own, links of level 0 to them, zvview's index of them all."""
    first, *rest = key.split("/")
    if key == COMMITS_KEY:
        return False
    if first == names.INDEX or (first.isdigit() and first != "0"):
        return True
    if first != "0" or len(rest) < 2 or rest[0] not in (names.LINKS, names.LINK_ATTRIBUTES):
        return False
    delta = rest[1] if rest[0] == names.LINKS else rest[2] if len(rest) > 2 else ""
    return delta[:1] in ("+", "-")
