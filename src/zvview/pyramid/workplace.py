"""Where a pyramid is built: the store made anew in a folder beside it, and scratch that outlives a killed build."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zvview.errors import ConflictError, NotZarrVectorsError, UnsupportedError
from zvview.format import names
from zvview.format.documents import encode_document
from zvview.pyramid.scratch import Scratch
from zvview.pyramid.scratch_beside import note_stage, open_scratch_beside
from zvview.store.hierarchy import document_key
from zvview.store.index_view import IndexView
from zvview.store.places.folder import FolderSource
from zvview.store.places.folder_sink import FolderSink
from zvview.store.places.folder_tree import survey_folder
from zvview.store.places.open import Place, open_sink, open_source
from zvview.store.places.source import ROOT_KEY, Source
from zvview.store.remaking import carry, read_documents, true_index

__all__ = ["Workplace", "open_workplace", "state_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Workplace:
    """The store that is made anew, before its coarse levels.

    Attributes
    ----------
    sink : FolderSink
        Takes the coarse levels and all documents that change; holds the rest already.
    documents, encoded : mapping by path
        Of what it holds, and of the root.
    index : IndexView or None
        Of the store as it was, where that is still true.
    scratch : Scratch
    """

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
    and found again by the next one of the same store and `wishes`.

    Raises
    ------
    NotZarrVectorsError, UnsupportedError
        There is no store, or it lies where it can be replaced only in pieces, or has links inside.
    ConflictError
        Another process builds there, or the store was changed meanwhile; it is as that one left it.
    UnreachableError
        The folder in which the store lies cannot be written, or its disk is full.
    """
    source = open_source(place, storage_options=storage_options)
    try:
        if not source.is_local or not source.can_list:
            raise UnsupportedError(
                f"{source.place}: levels are built in a folder, a zip or memory; copy the store to its address then"
            )
        keys = source.list_keys("")
        if ROOT_KEY not in keys:
            raise NotZarrVectorsError(f"{source.place} holds no zarr.json: there is no store")
        if isinstance(source, FolderSource):
            target = os.path.realpath(source.folder)
            before = state_of(source)
            with open_scratch_beside(target, f"{before}{wishes}") as scratch:
                sink = FolderSink(target, overwrite=True)
                with _aborting(sink):
                    note_stage(scratch, sink.folder)
                    sink.make_folders(p for p in survey_folder(source).empty_folders if not _is_replaced(p))
                    yield _begin(source, sink, keys, scratch)
                    if state_of(source) != before:
                        raise ConflictError(f"{source.place} was changed while its levels were built; build them again")
                    sink.commit()
        else:
            with tempfile.TemporaryDirectory(prefix="zvview-") as folder:
                staged = os.path.join(folder, "store")
                sink = FolderSink(staged)
                with _aborting(sink):
                    yield _begin(source, sink, keys, Scratch(os.path.join(folder, "scratch")))
                    sink.commit()
                _copy(FolderSource(staged), place, storage_options)
    finally:
        source.close()


def _begin(source: Source, sink: FolderSink, keys: list[str], scratch: Scratch) -> Workplace:
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
    return Workplace(sink, documents | altered, encoded | rewritten, index, scratch)


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
    if first == names.INDEX or (first.isdigit() and first != "0"):
        return True
    if first != "0" or len(rest) < 2 or rest[0] not in (names.LINKS, names.LINK_ATTRIBUTES):
        return False
    delta = rest[1] if rest[0] == names.LINKS else rest[2] if len(rest) > 2 else ""
    return delta[:1] in ("+", "-")


def state_of(source: FolderSource) -> str:
    """A digest of which files and empty folders a store has, how large the files are and when they were written.

    Raises
    ------
    UnsupportedError, UnreachableError
        The folder holds what can not be carried over; see :func:`zvview.store.places.folder_tree.survey_folder`.
    """
    tree = survey_folder(source)
    digest = hashlib.sha256("\n".join(tree.empty_folders).encode(errors="surrogateescape"))
    for key in tree.files:
        try:
            found = os.lstat(source.path_of(key))
            line = f"{key} {found.st_size} {found.st_mtime_ns} {found.st_ino}\n"
        except FileNotFoundError:
            line = f"{key} is gone\n"
        digest.update(line.encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _aborting(sink: FolderSink) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sink.abort()
        raise


def _copy(source: FolderSource, place: Place, storage_options: Mapping[str, Any] | None) -> None:
    sink = open_sink(place, overwrite=True, storage_options=storage_options)
    try:
        keys = source.list_keys("")
        carry(source, sink, [(key, key) for key in keys if key != ROOT_KEY])
        carry(source, sink, [(ROOT_KEY, ROOT_KEY)])
        sink.commit()
    except BaseException:
        sink.abort()
        raise
