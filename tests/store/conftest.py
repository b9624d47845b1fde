"""Stores to read: the golden ones, with what the reference library returns for them, and hand-made ones."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zvview import Level, Store, open
from zvview.format.fragments import FragmentTable, encode_fragments
from zvview.format.links import encode_links, file_links

FOLDER = Path(__file__).parents[1] / "data" / "golden"
NAMES = sorted(p.name.removesuffix(".zip") for p in FOLDER.glob("*.zip") if not p.name.startswith("old07_"))
PLACES = ("folder", "zip")


@dataclass(frozen=True)
class Expected:
    """What the reference library says about a golden store."""

    name: str

    @cached_property
    def facts(self) -> dict[str, Any]:
        return json.loads((FOLDER / f"{self.name}.expected.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        with np.load(FOLDER / f"{self.name}.expected.npz", allow_pickle=False) as held:
            return dict(held)


@dataclass(frozen=True)
class GoldenLevel:
    """One level of an open golden store beside what is expected of it."""

    store: Store
    level: Level
    expected: Expected

    @property
    def name(self) -> str:
        return f"{self.expected.name}, level {self.level.number}"

    @property
    def kind(self) -> str:
        return str(self.expected.facts["kind"])

    @property
    def facts(self) -> dict[str, Any]:
        return next(f for f in self.expected.facts["levels"] if f["level"] == self.level.number)

    @property
    def boxes(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        return [(np.array(b["min"]), np.array(b["max"])) for b in self.facts["boxes"]]

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self.expected.arrays[f"L{self.level.number}/{key}"]

    def __contains__(self, key: str) -> bool:
        return f"L{self.level.number}/{key}" in self.expected.arrays

    def under(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays whose key starts with `prefix`, by the rest of the key."""
        start = f"L{self.level.number}/{prefix}"
        return {k.removeprefix(start): v for k, v in self.expected.arrays.items() if k.startswith(start)}


@pytest.fixture(scope="session")
def expectations() -> Mapping[str, Expected]:
    return {name: Expected(name) for name in NAMES}


@pytest.fixture(scope="session")
def golden_bytes() -> Mapping[str, dict[str, bytes]]:
    """Every golden store as keys and bytes; a test copies what it changes."""
    out = {}
    for name in NAMES:
        with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
            out[name] = {entry: archive.read(entry) for entry in archive.namelist() if not entry.endswith("/")}
    return out


@pytest.fixture(scope="session")
def golden_places(
    golden_bytes: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, Path]]:
    """Where every golden store lies, as a folder and as a zip."""
    root = tmp_path_factory.mktemp("golden")
    for name, entries in golden_bytes.items():
        for key, data in entries.items():
            path = root / name / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {
        "folder": {name: root / name for name in NAMES},
        "zip": {name: FOLDER / f"{name}.zip" for name in NAMES},
    }


def _level_numbers(name: str) -> list[int]:
    return [f["level"] for f in Expected(name).facts["levels"]]


CASES = [(place, name, number) for place in PLACES for name in NAMES for number in _level_numbers(name)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def golden(
    request: pytest.FixtureRequest,
    golden_places: Mapping[str, Mapping[str, Path]],
    expectations: Mapping[str, Expected],
) -> Iterator[GoldenLevel]:
    """Every level of every golden store, opened from a folder and from a zip."""
    place, name, number = request.param
    with open(golden_places[place][name]) as store:
        assert isinstance(store, Store)
        yield GoldenLevel(store, store.level(number), expectations[name])


Chunk = tuple[int, ...]


def cell(payload: bytes) -> bytes:
    """A cell as it is stored: one item behind the vlen header."""
    return struct.pack("<II", 1, len(payload)) + payload


class HandMade:
    """A store in memory put together array by array, for what no writer writes.

    `objects` are its keys and bytes; `open` opens them.
    """

    def __init__(self, kind: str | list[str], *, chunk_shape: list[float], convention: str = "explicit", **own: Any):
        self.objects: dict[str, bytes] = {}
        self.ndim = len(chunk_shape)
        axes = [{"name": n, "type": "space"} for n in "xyzw"[: self.ndim]]
        self.zv = {
            "zv_version": "0.9.2",
            "chunk_shape": chunk_shape,
            "bounds": [[-100.0] * self.ndim, [100.0] * self.ndim],
            "geometry_types": [kind] if isinstance(kind, str) else kind,
            "links_convention": convention,
            **own,
        }
        self.group("", zarr_vectors=self.zv, multiscales=[{"version": "0.4", "axes": axes, "datasets": []}])

    def group(self, path: str, **attributes: Any) -> None:
        self._document(path, {"zarr_format": 3, "node_type": "group", "attributes": attributes})

    def level(self, number: int = 0, **own: Any) -> None:
        self.group(str(number), zarr_vectors_level={"level": number, "vertex_count": 0, "arrays_present": [], **own})

    def grid(self, path: str, cells: Mapping[Chunk, bytes], **attributes: Any) -> None:
        """A vlen grid array, large enough for its cells."""
        coords = np.array(list(cells) or [(0,) * self.ndim], np.int64)
        origin, shape = coords.min(axis=0), coords.max(axis=0) - coords.min(axis=0) + 1
        listed = sorted(".".join(map(str, c)) for c in cells)
        self._array(path, "variable_length_bytes", shape.tolist(), [1] * coords.shape[1], [{"name": "vlen-bytes"}])
        self.edit(path, chunk_grid_origin=origin.tolist(), nonempty_chunks=listed, **attributes)
        for chunk, payload in cells.items():
            place = "/".join(map(str, np.array(chunk) - origin))
            self.objects[f"{path}/c/{place}"] = cell(payload)

    def rows(self, path: str, rows: list[bytes], **attributes: Any) -> None:
        """A 1-D array of byte rows."""
        self._array(path, "variable_length_bytes", [len(rows)], [len(rows)], [{"name": "vlen-bytes"}])
        self.edit(path, **attributes)
        body = b"".join(struct.pack("<I", len(r)) + r for r in rows)
        self.objects[f"{path}/c/0"] = struct.pack("<I", len(rows)) + body

    def plain(self, path: str, values: NDArray[Any], *, endian: str = "little", **attributes: Any) -> None:
        """A typed array in one chunk."""
        codecs = [{"name": "bytes", "configuration": {"endian": endian}}]
        self._array(path, values.dtype.name, list(values.shape), list(values.shape), codecs, fill_value=0)
        self.edit(path, **attributes)
        stored = values.astype(values.dtype.newbyteorder(">" if endian == "big" else "<"))
        self.objects["/".join([path, "c", *["0"] * values.ndim])] = stored.tobytes()

    def edit(self, path: str, **attributes: Any) -> None:
        """Change attributes of a node; None removes one."""
        key = f"{path}/zarr.json" if path else "zarr.json"
        document = json.loads(self.objects[key])
        document["attributes"] |= attributes
        document["attributes"] = {k: v for k, v in document["attributes"].items() if v is not None}
        self._document(path, document)

    def vertices(self, cells: Mapping[Chunk, NDArray[np.floating]], *, level: int = 0) -> None:
        dtype = next(iter(cells.values())).dtype.name
        self.grid(f"{level}/vertices", {c: v.tobytes() for c, v in cells.items()}, dtype=dtype, encoding="raw")

    def fragments(self, cells: Mapping[Chunk, list[Any]], *, level: int = 0) -> None:
        """Fragment indexes; a fragment is a (start, count) range or a list of rows."""
        out = {}
        for chunk, fragments in cells.items():
            is_range = np.array([isinstance(f, tuple) for f in fragments], bool)
            counts = [f[1] if isinstance(f, tuple) else len(f) for f in fragments]
            listed = np.concatenate([np.array(f, np.int64) for f in fragments if isinstance(f, list)] or [[]])
            before = np.cumsum([0] + [0 if isinstance(f, tuple) else len(f) for f in fragments])
            starts = [f[0] if isinstance(f, tuple) else int(b) for f, b in zip(fragments, before, strict=False)]
            first, numbers = np.array([0, len(fragments)]), [np.array(v, np.int64) for v in (counts, starts, listed)]
            (payload,) = encode_fragments(FragmentTable(first, numbers[0], numbers[1], is_range, numbers[2]))
            out[chunk] = payload.tobytes()
        self.grid(f"{level}/vertex_fragments", out, encoding="fragment_index_v1")

    def objects_of(
        self, manifests: list[list[tuple[Chunk, int]]], ids: list[int] | None = None, *, level: int = 0
    ) -> None:
        """An object index; without ids in the layout that has none."""
        sid = len(next(iter(m[0][0] for m in manifests if m)))
        rows = [
            struct.pack("<I", len(m)) + b"".join(struct.pack(f"<{sid}qBq", *c, 0, f) for c, f in m) for m in manifests
        ]
        layout = "vlen_manifests_v1" if ids is None else "vlen_manifests_v2"
        self.group(f"{level}/object_index", num_objects=len(rows), sid_ndim=sid, layout=layout)
        self.rows(f"{level}/object_index/manifests", rows)
        if ids is not None:
            self.plain(f"{level}/object_index/object_ids", np.array(ids, np.int64))

    def links(self, records: list[list[tuple[Chunk, int]]], *, level: int = 0, directed: bool = False) -> None:
        """Links inside a level, filed as canonical writers do."""
        chunks = np.array([[c for c, _ in r] for r in records], np.int64)
        rows = np.array([[i for _, i in r] for r in records], np.int64)
        family = f"{level}/links/0"
        attributes = {"link_width": rows.shape[1], "sid_ndim": chunks.shape[2], "directed": directed}
        self.group(f"{level}/links")
        self.group(family, store="canonical", level_delta=0, num_links=len(records), **attributes)
        for segment in file_links(chunks, rows, directed=directed):
            cells = {tuple(c): p.tobytes() for c, p in zip(segment.coords.tolist(), encode_links(segment), strict=True)}
            self.grid(f"{family}/{segment.name}", cells, dtype="int64")

    def open(self) -> Store:
        store = open(dict(self.objects))
        assert isinstance(store, Store)
        return store

    def _array(
        self, path: str, data_type: str, shape: list[int], chunk: list[int], codecs: list[Any], fill_value: Any = ""
    ) -> None:
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunk}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill_value,
            "codecs": codecs,
            "attributes": {},
        }
        self._document(path, document)

    def _document(self, path: str, document: dict[str, Any]) -> None:
        self.objects[f"{path}/zarr.json" if path else "zarr.json"] = json.dumps(document).encode()


@pytest.fixture
def hand_made() -> type[HandMade]:
    return HandMade
