"""The nodes of a store: their ``zarr.json`` documents and the names of their children, each read once.

On remote places that carry zvview's own index the documents come from there at first (one wave), and the real ones are
asked for together with the first cells: :meth:`Hierarchy.unverified_requests`. Where they differ the real ones win.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zvview.cancel import CancelToken
from zvview.errors import DamagedError, ZvviewError
from zvview.format import names
from zvview.store.decoded_chunks import DecodedChunks
from zvview.store.places.source import Request, Source

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Hierarchy", "StaleMetadata", "document_key", "parse_document", "share_document"]

_MAX_DOCUMENT_BYTES = 1 << 28
_OF_BYTE = 4  # of JSON: what it takes as lists of short strings
_ABSENT = ""  # in place of a fingerprint


class StaleMetadata(ZvviewError):  # noqa: N818 - caught inside the store, which then reads again
    """Documents taken from the index were not those of the store; the real ones are in place now."""


def document_key(path: str) -> str:
    """Key of the ``zarr.json`` of the node at `path` (the root is ``""``)."""
    return f"{path}/{names.ZARR_JSON}" if path else names.ZARR_JSON


def fingerprint(data: Buffer) -> str:
    """What the index keeps of the exact bytes of a document."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def parse_document(data: Buffer, path: str) -> dict[str, Any]:
    """The JSON document of a node.

    Raises
    ------
    DamagedError
        Not JSON, not an object, or no Zarr v3 node.
    """
    key = document_key(path)
    if memoryview(data).nbytes > _MAX_DOCUMENT_BYTES:
        raise DamagedError("document", found="more than 256 MiB", expected="Zarr v3 metadata", array=key)
    try:
        document = json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        found = f"no JSON ({error})"
        raise DamagedError("document", found=found[:200], expected="Zarr v3 metadata", array=key) from None
    if not isinstance(document, dict) or document.get("node_type") not in ("group", "array"):
        found = f"no Zarr v3 node ({str(document)[:60]})"
        raise DamagedError("document", found=found, expected="a group or an array", array=key)
    if not isinstance(document.setdefault("attributes", {}), dict):
        raise DamagedError("document", found="attributes that are no object", expected="an object", array=key)
    return document


@dataclass(frozen=True, slots=True, eq=False)
class _Parsed:
    """A document that others read as well."""

    document: dict[str, Any]
    nbytes: int


def share_document(source: Source, data: Buffer, path: str) -> dict[str, Any]:
    """As :func:`parse_document`; the one from before where the source keeps what it decoded: it must not be changed.

    A commit opens a store for each level that it makes anew, and reads the documents of all nodes each time.
    """
    shared = DecodedChunks.of(source)
    if shared is None:
        return parse_document(data, path)
    found = shared.find("document", data)
    if found is None:
        document = parse_document(data, path)
        found = _Parsed(document, _OF_BYTE * memoryview(data).nbytes)
        shared.keep("document", data, found)
    return found.document  # type: ignore[no-any-return]


class Hierarchy:
    """Documents and children of the nodes of one store.

    Safe for use from several threads: the tables only grow, but for :meth:`settle`, which replaces documents under the
    lock and says so by raising.
    """

    def __init__(
        self,
        source: Source,
        documents: Mapping[str, dict[str, Any]] | None = None,
        fingerprints: Mapping[str, str] | None = None,
    ) -> None:
        self.source = source
        self._documents: dict[str, dict[str, Any] | None] = dict(documents or {})
        self._names: dict[str, list[str]] = {}
        self._fingerprints = dict(fingerprints or {})
        self._is_indexed = bool(fingerprints)
        self._unverified: dict[str, str] = {}
        self._lock = threading.Lock()

    def document(self, path: str) -> dict[str, Any] | None:
        """The document of the node at `path`, or None when there is none."""
        return self.documents([path])[0]

    def documents(self, paths: Sequence[str], cancel: CancelToken | None = None) -> list[dict[str, Any] | None]:
        """The documents of several nodes in one wave."""
        missing = [p for p in dict.fromkeys(paths) if p not in self._documents]
        if missing and self._is_indexed:  # the index lists every node; that these are not there is verified as well
            self._documents.update(dict.fromkeys(missing))
            self._fingerprints.update(dict.fromkeys(missing, _ABSENT))
            missing = []
        if missing:
            answers = self.source.get_many([(document_key(p), None) for p in missing], cancel)
            for path, data in zip(missing, answers, strict=True):
                self._documents[path] = None if data is None else share_document(self.source, data, path)
        if self._fingerprints:
            with self._lock:
                self._unverified.update((p, self._fingerprints[p]) for p in paths if p in self._fingerprints)
        return [self._documents[p] for p in paths]

    def attributes(self, path: str) -> dict[str, Any] | None:
        """The attributes of the node at `path`, or None when there is no such node."""
        document = self.document(path)
        return None if document is None else document["attributes"]

    @property
    def can_enumerate(self) -> bool:
        """Whether the children of nodes are known or can be listed."""
        return self._is_indexed or self.source.can_list

    def names(self, path: str) -> list[str] | None:
        """Names of the nodes directly under `path`, sorted; None when nothing can tell."""
        if path not in self._names:
            if self._is_indexed:
                prefix = path + "/" if path else ""
                known = [p for p, d in self._documents.items() if d is not None and p.startswith(prefix) and p != path]
                self._names[path] = sorted({p[len(prefix) :].split("/", 1)[0] for p in known} - {""})
            elif self.source.can_list:
                self._names[path] = [n for n in self.source.list_names(path) if n != names.ZARR_JSON]
            else:
                return None
        return self._names[path]

    def children(self, path: str, candidates: Iterable[str] | Callable[[], Iterable[str]] = ()) -> list[str]:
        """Names of the child nodes of `path` that have a document; where nothing lists them, those of `candidates`.

        `candidates` may be a function, called only then.
        """
        found = self.names(path)
        wanted = found
        if wanted is None:
            wanted = list(dict.fromkeys(candidates() if callable(candidates) else candidates))
        prefix = path + "/" if path else ""
        documents = self.documents([prefix + n for n in wanted])
        return [n for n, d in zip(wanted, documents, strict=True) if d is not None]

    def unverified_requests(self) -> tuple[list[str], list[Request]]:
        """Paths and requests of documents that were taken from the index and used, but not yet compared."""
        with self._lock:
            paths = list(self._unverified)
        return paths, [(document_key(p), None) for p in paths]

    def settle(self, paths: Sequence[str], answers: Sequence[Buffer | None]) -> None:
        """Compare the real documents with those from the index.

        Raises
        ------
        StaleMetadata
            Some differ. The real ones stand in their place, and whoever used the others must begin again.
        DamagedError
            A real one is no document.
        """
        changed, damage = False, None
        with self._lock:
            for path, data in zip(paths, answers, strict=True):
                expected = self._unverified.pop(path, None)
                self._fingerprints.pop(path, None)
                if expected is not None and (_ABSENT if data is None else fingerprint(data)) != expected:
                    changed = True
                    try:
                        self._documents[path] = None if data is None else parse_document(data, path)
                    except DamagedError as error:
                        damage = error
                        self._documents.pop(path, None)  # the one from the index must not be believed any longer
        if damage is not None:
            raise damage
        if changed:
            raise StaleMetadata("the index is older than the store")

    def match_fingerprints(self, fingerprints: Mapping[str, str]) -> bool:
        """Whether the documents at these paths are, byte for byte, those with the given fingerprints."""
        answers = self.source.get_many([(document_key(p), None) for p in fingerprints])
        pairs = zip(answers, fingerprints.values(), strict=True)
        return all(data is not None and fingerprint(data) == expected for data, expected in pairs)
