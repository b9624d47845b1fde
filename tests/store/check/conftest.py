"""Specimens: small stores in memory that tests damage by hand, and how they tell what must be found."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

import zvview
from zvview.format.cells import join_rows, split_rows
from zvview.format.fragments import FragmentTable, decode_fragments, encode_fragments
from zvview.format.manifests import Manifests, decode_manifests, encode_manifests
from zvview.testing import make_store

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
ROOT, LEVEL = "zarr_vectors", "zarr_vectors_level"


class Specimen(dict[str, bytes]):
    """A small store in memory whose parts are easily damaged. Cells are raw; chunks are named as ``"1.0.2"``."""

    def edit(self, path: str, change: Callable[[dict[str, Any]], object], key: str | None = None) -> None:
        """Change the attributes of a node, or what lies under one of their keys."""
        name = f"{path}/zarr.json" if path else "zarr.json"
        document = json.loads(self[name])
        change(document["attributes"] if key is None else document["attributes"][key])
        self[name] = json.dumps(document).encode()

    def set(self, path: str, key: str | None = None, /, **values: Any) -> None:
        """Set attributes of a node."""
        self.edit(path, lambda attributes: attributes.update(values), key)

    def chunks(self, path: str) -> list[str]:
        """Chunks that an array lists."""
        return list(json.loads(self[f"{path}/zarr.json"])["attributes"]["nonempty_chunks"])

    def key(self, path: str, chunk: str) -> str:
        """Key of a cell."""
        origin = json.loads(self[f"{path}/zarr.json"])["attributes"].get("chunk_grid_origin", [0] * 8)
        index = [int(c) - o for c, o in zip(chunk.split("."), origin, strict=False)]
        return f"{path}/c/{'/'.join(map(str, index))}"

    def read(self, path: str, chunk: str, dtype: str = "u1") -> NDArray[Any]:
        """A writable copy of a cell's payload."""
        return np.frombuffer(self[self.key(path, chunk)], "u1")[8:].view(dtype).copy()

    def write(self, path: str, chunk: str, payload: NDArray[Any]) -> None:
        """Replace a cell's payload."""
        data = np.ascontiguousarray(payload).tobytes()
        self[self.key(path, chunk)] = np.array([1, len(data)], "<u4").tobytes() + data

    def drop(self, path: str, chunk: str) -> None:
        """Remove a cell and its entry in the list."""
        del self[self.key(path, chunk)]
        self.edit(path, lambda attributes: attributes["nonempty_chunks"].remove(chunk))

    def drop_tree(self, path: str) -> None:
        """Remove a node and all below it."""
        for name in [k for k in self if k.startswith(f"{path}/")]:
            del self[name]

    def fragments(self, chunk: str, path: str = "0/vertex_fragments") -> FragmentTable:
        """Fragments of a chunk."""
        return decode_fragments([self.read(path, chunk)], np.array([1 << 30]))

    def set_fragments(self, chunk: str, ranges: list[tuple[int, int]], path: str = "0/vertex_fragments") -> None:
        """Replace the fragments of a chunk by ranges of (start, count)."""
        starts, counts = np.array(ranges, np.int64).reshape(-1, 2).T
        none = np.empty(0, np.int64)
        table = FragmentTable(np.array([0, len(ranges)]), counts, starts, np.ones(len(ranges), bool), none)
        self.write(path, chunk, encode_fragments(table)[0])

    def manifests(self) -> Manifests:
        """Manifests of all objects."""
        table = split_rows(zstandard.decompress(self["0/object_index/manifests/c/0"]))
        return decode_manifests(table.buffer, table.starts, table.sizes, 3)

    def set_manifests(self, manifests: Manifests) -> None:
        """Replace the manifests of all objects."""
        self["0/object_index/manifests/c/0"] = zstandard.compress(join_rows(*encode_manifests(manifests)).tobytes())

    def set_plain(self, path: str, change: Callable[[NDArray[Any]], object], dtype: str = "<i8") -> None:
        """Change the values of a plain array of one zarr chunk."""
        key = next(k for k in self if k.startswith(f"{path}/c/"))
        values = np.frombuffer(zstandard.decompress(self[key]), dtype).copy()
        change(values)
        self[key] = zstandard.compress(values.tobytes())

    def drop_rows(self, path: str, count: int) -> None:
        """Announce fewer rows of a plain array than it has."""
        document = json.loads(self[f"{path}/zarr.json"])
        document["shape"][0] -= count
        self[f"{path}/zarr.json"] = json.dumps(document).encode()


def make(kind: str, size: int = 400, **options: Any) -> Specimen:
    out = Specimen()
    make_store(out, kind, size=size, chunk_shape=(400, 400, 400), **options)
    return out


def golden(name: str) -> Specimen:
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        return Specimen({i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()})


def intra(store: Specimen) -> tuple[str, str]:
    """Path of the links inside chunks, and the chunk that holds most of them."""
    width = json.loads(store["0/links/0/zarr.json"])["attributes"]["link_width"]
    path = f"0/links/0/{'_'.join(['0.0.0'] * (width - 1))}"
    return path, max(store.chunks(path), key=lambda chunk: len(store.read(path, chunk)))


def crossing(store: Specimen) -> tuple[str, str]:
    """Path of an array of links between chunks, and a chunk of it."""
    paths = {k.rpartition("/")[0] for k in store if k.startswith("0/links/0/") and k.endswith("zarr.json")}
    path = max(p for p in paths if ("+" in p or "-" in p) and store.chunks(p))
    return path, store.chunks(path)[0]


def full(store: Specimen, path: str = "0/vertices") -> str:
    """The chunk with the most bytes."""
    return max(store.chunks(path), key=lambda chunk: len(store.read(path, chunk)))


def attribute_of(store: Specimen, family: str = "0/vertex_attributes", is_categorical: bool = False) -> str:
    """Path of an attribute."""
    paths = sorted(k.rpartition("/")[0] for k in store if k.startswith(f"{family}/") and k.endswith("zarr.json"))
    documents = {p: json.loads(store[f"{p}/zarr.json"])["attributes"] for p in paths if p != family}
    return next(p for p, own in documents.items() if ("categories" in own) == is_categorical)


Where = str
Built = tuple[Specimen, Where]


class Cases(dict[str, Callable[[], Built]]):
    """How each kind of finding is provoked: functions that give a damaged store and the place of its fault, by code."""

    def case(self, code: str) -> Callable[[Callable[[], Built]], None]:
        """A case that makes its own store."""
        return lambda build: self.__setitem__(code, build)

    def changes(self, code: str, kind: str) -> Callable[[Callable[[Specimen], Where]], None]:
        """A case that damages a store of a kind and tells where."""

        def keep(change: Callable[[Specimen], Where]) -> None:
            def build() -> Built:
                store = make(kind)
                return store, change(store)

            self[code] = build

        return keep

    def sets(self, code: str, path: str, key: str | None, kind: str = "point_cloud", **values: Any) -> None:
        """A case that only sets attributes of a node."""

        def build() -> Built:
            store = make(kind)
            store.set(path, key, **values)
            return store, path or "root"

        self[code] = build


def assert_found(build: Callable[[], Built], code: str) -> None:
    """The fault of a case is found, in its place."""
    store, where = build()
    findings = zvview.check(store)
    found = [finding for finding in findings if finding.code == code]
    assert [f for f in found if f.where.startswith(where)], [str(f) for f in findings]
    assert all(f.severity in ("error", "warning", "note") and f.message and f.remedy for f in found)
