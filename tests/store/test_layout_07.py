"""The layout before format 0.8, against what the release that wrote it returns (tests/data/golden/README.md)."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zvview import (
    DamagedError,
    Graph,
    Level,
    Lines,
    Mesh,
    MissingError,
    NotZarrVectorsError,
    Points,
    Skeletons,
    Store,
    Streamlines,
    UnsupportedError,
    open,
)
from zvview.format.manifests import Manifests, encode_manifests
from zvview.store.layout import LinkTable
from zvview.store.places.memory import MemorySource

FOLDER = Path(__file__).parents[1] / "data" / "golden"
KINDS = ("graph", "lines", "mesh", "parametric", "points", "skeleton", "streamlines")
Held = dict[str, bytes]
CHUNK = re.compile(r"-?\d+\.-?\d+\.-?\d+")


def load(name: str) -> Held:
    with zipfile.ZipFile(FOLDER / f"old07_{name}.zip") as archive:
        return {entry: archive.read(entry) for entry in archive.namelist()}


HELD = {name: load(name) for name in KINDS}


def expected(key: str) -> NDArray[Any]:
    with np.load(FOLDER / "old07.expected.npz", allow_pickle=False) as held:
        return held[key]  # type: ignore[no-any-return]


def document(shape: int, *, compressed: bool = False, **attributes: object) -> bytes:
    """The ``zarr.json`` of a 1-D array of bytes."""
    codecs: list[dict[str, Any]] = [{"name": "bytes"}]
    if compressed:
        codecs.append({"name": "zstd", "configuration": {"level": 0, "checksum": False}})
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [shape],
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [max(shape, 1)]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": codecs,
            "attributes": attributes,
        }
    ).encode()


def blob(path: str, data: bytes, *, compressed: bool = False, **attributes: object) -> Held:
    stored = zstandard.ZstdCompressor().compress(data) if compressed else data
    header = {f"{path}/zarr.json": document(len(data), compressed=compressed, **attributes)}
    return header | ({f"{path}/c/0": stored} if data else {})


def group(path: str, **attributes: object) -> Held:
    text = json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    return {f"{path}/zarr.json": text.encode()}


def changed(held: Held, key: str, change: Callable[[dict[str, Any]], object]) -> Held:
    """`held` with the document at `key` changed in place by `change`."""
    loaded = json.loads(held[key])
    change(loaded)
    return held | {key: json.dumps(loaded).encode()}


def packed(held: Held, *, compressed: bool) -> Held:
    """All cells of all families of cells in two packed arrays for each family, as the old release's tool makes them."""
    families: dict[str, list[str]] = {}
    for key in held:
        parts = key.split("/")
        if parts[-1] == "zarr.json" and len(parts) > 2 and CHUNK.fullmatch(parts[-2]):
            families.setdefault("/".join(parts[:-2]), []).append(parts[-2])
    out = dict(held)
    for family, chunks in families.items():
        for number in (0, 1):
            data, index = b"", {}
            for chunk in chunks[number::2]:
                payload = out.pop(f"{family}/{chunk}/c/0", b"")
                if b"zstd" in out.pop(f"{family}/{chunk}/zarr.json"):
                    payload = zstandard.ZstdDecompressor().decompress(payload)
                index[chunk] = [len(data), len(payload)]
                data += payload
            if index:
                name = f"{family}/__shard_{number:06d}"
                out |= blob(name, data, compressed=compressed, shard_index=index)
    return out


def seed_named(held: Held) -> Held:
    """`held` with the names that were in use before 0.6, under a version whose encodings are read."""
    names = {"vertex_attributes": "attributes", "groups": "groupings", "group_attributes": "groupings_attributes"}

    def rename(key: str) -> str:
        level, *rest = key.split("/")
        if not level.isdigit():
            return key
        return "/".join([f"resolution_{level}", *([names.get(rest[0], rest[0])] if rest else []), *rest[1:]])

    def change(root: dict[str, Any]) -> None:
        own, (scales,) = root["attributes"]["zarr_vectors"], root["attributes"].pop("multiscales")
        own["format_version"] = own.pop("zv_version").replace("0.7.0", "0.6.0")
        own["spatial_index_dims"] = scales["axes"]

    return changed({rename(key): data for key, data in held.items()}, "zarr.json", change)


VARIANTS: dict[str, Callable[[Held], Held]] = {
    "as written": lambda held: held,
    "packed": lambda held: packed(held, compressed=False),
    "packed and compressed": lambda held: packed(held, compressed=True),
    "seed names": seed_named,
}


@pytest.fixture(params=[*VARIANTS, "folder", "zip"])
def open_old(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Store]:
    """Opens a golden store of the old layout in memory, changed or not, from a folder and from a zip."""

    def make(name: str) -> Store:
        match request.param:
            case "zip":
                return open(FOLDER / f"old07_{name}.zip")  # type: ignore[return-value]
            case "folder":
                for key, data in HELD[name].items():
                    path = tmp_path / key
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                return open(tmp_path)  # type: ignore[return-value]
            case variant:
                return open(VARIANTS[variant](HELD[name]))  # type: ignore[return-value]

    return make


def open_held(held: Held) -> Store:
    store = open(held)
    assert isinstance(store, Store)
    return store


def test_points_of_all_levels(open_old: Callable[[str], Store]) -> None:
    with open_old("points") as store:
        assert store.levels == (0, 1, 2)
        assert [a.name for a in store.axes] == ["x", "y", "z"]
        assert store.notes == ()
        for number in store.levels:
            level = store.level(number)
            batch = level.read(clip="chunks")
            assert isinstance(batch, Points)
            assert np.array_equal(batch.positions, expected(f"points/L{number}/positions"))
            assert level.vertex_count == len(batch)
            values = level.object_attribute("oa")
            assert np.array_equal(values.data, expected(f"points/L{number}/object_attributes/oa"))
            mask = np.ones(6, bool) if number == 0 else expected(f"points/L{number}/object_attribute_present/oa") != 0
            assert np.array_equal(~np.ma.getmaskarray(values), mask)


def test_attributes_and_groups_of_points(open_old: Callable[[str], Store]) -> None:
    with open_old("points") as store:
        level = store.level(0)
        batch = level.read(clip="chunks")
        assert level.attribute_names == ("ab", "q")
        for name in level.attribute_names:
            assert np.array_equal(batch.attributes[name], expected(f"points/L0/attr/{name}"))
        assert level.attributes["ab"].row_shape == (2,)
        assert level.group_attribute_names == ("ga",)
        assert level.group_attribute("ga").tolist() == [1.0, 2.0]
        assert level.groups is not None
        assert [m.tolist() for m in level.groups.members] == [[0, 1], [2, 5]]
        chosen = level.read(groups=[1])
        assert isinstance(chosen, Points)
        assert chosen.object_ids is not None
        assert set(chosen.object_ids.tolist()) == {2, 5}


def test_objects_of_points_are_those_that_reading_by_id_gives(open_old: Callable[[str], Store]) -> None:
    with open_old("points") as store:
        level = store.level(0)
        whole = level.read(clip="chunks")
        assert isinstance(whole, Points)
        assert level.object_ids is not None
        assert level.object_ids.tolist() == list(range(6))
        for i in range(6):
            own = level.read_objects([i])
            assert np.array_equal(own.positions, whole.positions[whole.object_ids == i])


def test_links_between_levels_stand_on_both(open_old: Callable[[str], Store]) -> None:
    with open_old("points") as store:
        assert [store.level(k).link_deltas for k in store.levels] == [(1,), (-1, 1), (-1,)]
        for number in (0, 1):
            down, up = store.level(number).read_links(1), store.level(number + 1).read_links(-1)
            pairs = [np.concatenate((t.chunks[:, 0], t.chunks[:, 1], r), axis=1) for t, r in both_ways(down, up)]
            assert sorted(map(tuple, pairs[0].tolist())) == sorted(map(tuple, pairs[1].tolist()))


def both_ways(down: LinkTable, up: LinkTable) -> list[tuple[LinkTable, NDArray[np.int64]]]:
    """Both tables with the rows of the finer level first; the chunks of their endpoints are the same."""
    assert np.array_equal(up.chunks, up.chunks[:, ::-1])
    return [(down, down.rows), (up, up.rows[:, ::-1])]


def test_links_lead_to_the_mean_of_the_vertices_of_kept_objects(open_old: Callable[[str], Store]) -> None:
    with open_old("points") as store:
        fine, coarse = store.level(0), store.level(1)
        whole, table = fine.read(clip="chunks"), fine.read_links(1)
        assert isinstance(whole, Points)
        assert whole.object_ids is not None
        row, target = (rows_at(level, table, end) for end, level in enumerate((fine, coarse)))
        kept = ~np.ma.getmaskarray(coarse.object_attribute("oa"))[whole.object_ids[row]]
        row, target = row[kept], target[kept]
        counts = np.bincount(target, minlength=coarse.vertex_count)
        assert (counts > 0).all()
        positions = coarse.read(clip="chunks", object_ids=False).positions
        for axis in range(3):
            mean = np.bincount(target, whole.positions[row, axis].astype(float)) / counts
            assert np.allclose(mean, positions[:, axis], rtol=1e-5, atol=1e-4)


def rows_at(level: Level, table: LinkTable, end: int) -> NDArray[np.int64]:
    """Rows of one endpoint of each record in a read of the whole level, whose fragments tile their chunks."""
    first = np.append(0, np.cumsum(level.chunk_vertex_counts))[:-1]
    at = [level.chunks.tolist().index(chunk) for chunk in table.chunks[:, end].tolist()]
    return first[at] + table.rows[:, end]


def test_streamlines_of_all_levels(open_old: Callable[[str], Store]) -> None:
    with open_old("streamlines") as store:
        for number in store.levels:
            batch = store.level(number).read()
            assert isinstance(batch, Streamlines)
            offsets = expected(f"streamlines/L{number}/offsets")
            assert np.array_equal(batch.positions, expected(f"streamlines/L{number}/positions"))
            assert np.array_equal(batch.offsets, np.unique(offsets))
        fine = store.level(0).read()
        numbers = np.concatenate([np.arange(n) for n in np.diff(expected("streamlines/L0/offsets"))])
        assert np.array_equal(fine.attributes["s"], numbers)


def test_pieces_of_streamlines_are_joined_by_their_manifests(open_old: Callable[[str], Store]) -> None:
    with open_old("streamlines") as store:
        level = store.level(0)
        batch = level.read(clip="chunks")
        assert isinstance(batch, Streamlines)
        pieces = len(batch.offsets) - 1
        assert pieces > len(level.chunks)  # split at bins
        assert batch.object_ids is not None
        assert pieces - len(batch.bridges) == len(set(batch.object_ids.tolist())) == 9
        joined = np.abs(np.diff(batch.attributes["s"][batch.bridges], axis=1))
        assert np.array_equal(joined, np.ones_like(joined))
        assert len(level.read_links(0)) == 0


def test_box_of_streamlines_holds_what_lies_in_it(open_old: Callable[[str], Store]) -> None:
    with open_old("streamlines") as store:
        level = store.level(0)
        whole = level.read()
        lo, hi = np.percentile(whole.positions, 30, axis=0), np.percentile(whole.positions, 70, axis=0)
        inside = whole.positions[((whole.positions >= lo) & (whole.positions <= hi)).all(axis=1)]
        assert len(inside)
        cut = level.read(box=(lo, hi))
        assert set(map(tuple, inside.tolist())) <= set(map(tuple, cut.positions.tolist()))


def test_mesh(open_old: Callable[[str], Store]) -> None:
    with open_old("mesh") as store:
        batch = store.level(0).read(clip="chunks")
        assert isinstance(batch, Mesh)
        assert np.array_equal(batch.positions, expected("mesh/L0/positions"))
        assert sorted(map(tuple, batch.faces.tolist())) == sorted(map(tuple, expected("mesh/L0/faces").tolist()))


def test_graph(open_old: Callable[[str], Store]) -> None:
    with open_old("graph") as store:
        level = store.level(0)
        batch = level.read(clip="chunks")
        assert isinstance(batch, Graph)
        assert np.array_equal(batch.positions, expected("graph/L0/positions"))
        assert sorted(map(tuple, batch.edges.tolist())) == sorted(map(tuple, expected("graph/L0/edges").tolist()))
        assert level.link_attribute_names == ("w",)
        table = level.read_links(0)
        crossing = (table.chunks[:, 0] != table.chunks[:, 1]).any(axis=1)
        assert np.array_equal(np.isnan(table.attributes["w"]), crossing)
        inside = table.attributes["w"][~crossing]
        assert len(np.unique(inside)) == len(inside) == 13
        assert any("no stored value" in note for note in store.notes)


def test_skeleton(open_old: Callable[[str], Store]) -> None:
    with open_old("skeleton") as store:
        batch = store.level(0).read(clip="chunks")
        assert isinstance(batch, Skeletons)
        assert np.array_equal(batch.positions, expected("skeleton/L0/positions"))
        edges = np.unique(np.sort(batch.edges, axis=1), axis=0)
        assert len(edges) == len(batch.edges)
        assert np.array_equal(edges, expected("skeleton/L0/truth_undirected_edges"))
        assert len(np.unique(batch.edges[:, 0])) == len(batch.edges)  # each child once: [child, parent]


def test_lines(open_old: Callable[[str], Store]) -> None:
    with open_old("lines") as store:
        batch = store.level(0).read()
        assert isinstance(batch, Lines)
        assert np.array_equal(batch.positions.reshape(-1, 2, 3), expected("lines/L0/endpoints"))


def test_parametric_objects(open_old: Callable[[str], Store]) -> None:
    with open_old("parametric") as store:
        objects = store.parametric
        assert objects is not None
        assert objects.type_ids.tolist() == [0, 2]
        assert objects.coefficients.tolist() == [[0, 0, 1, -5], [1, 2, 3, 4]]
        assert objects.names[1] == "s"
        assert objects.object_attributes["o"].tolist() == [1, 2]
        assert [g.tolist() for g in objects.groups] == [[1]]
        assert len(store.level(0).read()) == 0


def test_resolution_of_levels_whose_path_is_a_name() -> None:
    def change(root: dict[str, Any]) -> None:
        for k, dataset in enumerate(root["attributes"]["multiscales"][0]["datasets"]):
            dataset["path"] = f"resolution_{k}"
            dataset["coordinateTransformations"][0]["scale"] = [2.0**k] * 3

    held = {f"resolution_{key}" if key[0].isdigit() else key: data for key, data in HELD["points"].items()}
    store = open_held(changed(held, "zarr.json", change))
    assert [store.level(k).resolution.tolist() for k in (0, 2)] == [[20, 20, 25], [80, 80, 100]]


@pytest.mark.parametrize("version", ["0.8.0", "0.8.1", "0.5.2", "0.2"])
def test_versions_that_no_release_wrote_are_refused_by_name(version: str) -> None:
    held = changed(HELD["points"], "zarr.json", lambda d: d["attributes"]["zarr_vectors"].update(zv_version=version))
    with pytest.raises(UnsupportedError, match=re.escape(version)):
        open_held(held)


def test_fragments_of_before_06_are_refused_by_name() -> None:
    held = {k.replace("0/vertex_fragments", "0/vertex_group_offsets"): v for k, v in HELD["points"].items()}
    with pytest.raises(UnsupportedError, match="vertex_group_offsets"):
        open_held(held).level(0).read()


def test_families_whose_groups_have_no_document_are_found_by_listing() -> None:
    bare = {k: v for k, v in HELD["mesh"].items() if k not in ("0/vertices/zarr.json", "0/vertex_fragments/zarr.json")}
    whole = open_held(bare).level(0).read(clip="chunks")
    assert np.array_equal(whole.positions, expected("mesh/L0/positions"))


def cell_of(held: Held, family: str) -> str:
    """Path of the first cell of a family that has a zero coordinate nowhere."""
    paths = [
        k.removesuffix("/zarr.json") for k in sorted(held) if k.startswith(f"{family}/") and k.endswith("zarr.json")
    ]
    return next(
        p for p in paths if CHUNK.fullmatch(p.rpartition("/")[2]) and "0" not in p.rpartition("/")[2].split(".")
    )


def test_cells_of_zeros_have_no_object() -> None:
    held = dict(HELD["points"])
    path = cell_of(held, "0/vertex_attributes/q")
    del held[f"{path}/c/0"]
    level = open_held(held).level(0)
    values = level.read(clip="chunks").attributes["q"]
    assert np.count_nonzero(values == 0) == json.loads(held[f"{path}/zarr.json"])["shape"][0] // 4
    assert np.isin(values[values != 0], expected("points/L0/attr/q")).all()


def test_vertices_at_zero_have_no_object() -> None:
    held = changed(HELD["lines"], "zarr.json", lambda d: d["attributes"]["zarr_vectors"].update(geometry_types=[]))
    gone = {k: v for k, v in held.items() if not k.startswith(("0/vertices/", "0/vertex_fragments/", "0/object"))}
    zeros = {"0/vertices/0.0.0/zarr.json": document(24), **group("0/vertices", dtype="float32")}
    assert open_held(gone | zeros).level(0).read(clip="chunks").positions.tolist() == [[0.0] * 3] * 2


def test_vertices_that_are_lost_are_no_zeros() -> None:
    held = dict(HELD["points"])
    path = cell_of(held, "0/vertices")
    del held[f"{path}/c/0"]
    with pytest.raises(DamagedError) as caught:
        open_held(held).level(0).read(clip="chunks")
    assert caught.value.array == "0/vertices"
    assert caught.value.cell == path.rpartition("/")[2]


def test_zeros_are_made_within_bounds() -> None:
    cells = {k: v for k, v in HELD["points"].items() if re.fullmatch(r"0/vertex_attributes/q/[^/]+/.+", k)}
    held = {k: v for k, v in HELD["points"].items() if k not in cells}
    huge = {k: document(1 << 50) for k in cells if k.endswith("zarr.json")}
    with pytest.raises(DamagedError, match="without an object"):
        open_held(held | huge).level(0).read(clip="chunks")


def test_an_empty_folder_is_no_cell(tmp_path: Path) -> None:
    for key, data in HELD["lines"].items():
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "0" / "vertices" / "7.7.7").mkdir()
    with open(tmp_path) as store:
        assert isinstance(store, Store)
        batch = store.level(0).read()
    assert np.array_equal(batch.positions.reshape(-1, 2, 3), expected("lines/L0/endpoints"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda held, path: held.update({f"{path}/c/0": held[f"{path}/c/0"][:-3]}),
        lambda held, path: held.update({f"{path}/c/0": b""}),
        lambda held, path: held.update({f"{path}/zarr.json": held[f"{path}/zarr.json"][:-3]}),
        lambda held, path: held.update({f"{path}/zarr.json": document(7)}),
        lambda held, path: held.pop(f"{path}/zarr.json"),
    ],
    ids=["cut", "emptied", "document cut", "size changed", "document lost"],
)
def test_damaged_chunks_are_named_or_left_out(spoil: Callable[[Held, str], None]) -> None:
    held = dict(HELD["points"])
    path = cell_of(held, "0/vertices")
    spoil(held, path)
    level = open_held(held).level(0)
    with pytest.raises(DamagedError):
        level.read(clip="chunks")
    rest = level.read(clip="chunks", on_damage="skip")
    chunk = [int(c) for c in path.rpartition("/")[2].split(".")]
    whole = expected("points/L0/positions")
    own = (np.floor(whole / [20, 20, 25]) == chunk).all(axis=1)
    assert own.any()
    assert np.array_equal(rest.positions, whole[~own])
    assert len(rest.notes) == 1


def test_a_damaged_packed_array_leaves_its_cells_out() -> None:
    held = packed(HELD["points"], compressed=True)
    lost = json.loads(held["0/vertices/__shard_000001/zarr.json"])["attributes"]["shard_index"]
    held["0/vertices/__shard_000001/c/0"] = held["0/vertices/__shard_000001/c/0"][:-4]
    level = open_held(held).level(0)
    with pytest.raises(DamagedError):
        level.read(clip="chunks")
    rest = level.read(clip="chunks", on_damage="skip")
    whole = expected("points/L0/positions")
    keys = [".".join(map(str, row)) for row in np.floor(whole / [20, 20, 25]).astype(int).tolist()]
    assert np.array_equal(rest.positions, whole[~np.isin(keys, list(lost))])


def test_own_arrays_come_before_packed_ones() -> None:
    held = packed(HELD["points"], compressed=True)
    chunk = CHUNK.search(cell_of(HELD["points"], "0/vertex_attributes/q"))
    assert chunk is not None
    path = f"0/vertex_attributes/q/{chunk[0]}"
    payload = np.frombuffer(HELD["points"][f"{path}/c/0"], "<f4") + np.float32(100)
    values = open_held(held | blob(path, payload.tobytes())).level(0).read(clip="chunks").attributes["q"]
    assert np.array_equal(np.sort(values[values > 50]), np.sort(payload))


@pytest.mark.parametrize("index", [{"0.0": [0, 4]}, {"0.0.0": [0, 1 << 62]}, {"0.0.0": [-8, 4]}, {"0.0.0": 3}, [1]])
def test_an_index_of_packed_cells_is_not_trusted(index: object) -> None:
    held = HELD["points"] | blob("0/vertices/__shard_000000", b"abcdefgh", shard_index=index)
    with pytest.raises(DamagedError, match="packed"):
        open_held(held).level(0).read()


def with_blob_index(held: Held, manifests: Manifests, *, count: int, with_end: bool = False) -> Held:
    data, sizes = encode_manifests(manifests)
    offsets = np.cumsum(sizes) - sizes
    stored = np.append(offsets, len(data)) if with_end else offsets
    kept = {k: v for k, v in held.items() if not k.startswith("0/object_index/")}
    return (
        kept
        | group("0/object_index", num_objects=count, sid_ndim=3)
        | blob("0/object_index/data", data.tobytes(), compressed=True)
        | blob("0/object_index/offsets", stored.astype("<i8").tobytes())
    )


@pytest.mark.parametrize("with_end", [False, True])
def test_manifests_in_one_blob(with_end: bool) -> None:
    store = open_held(HELD["points"])
    rows = store.reader(0).layout.object_rows()
    assert rows is not None
    level = open_held(with_blob_index(HELD["points"], rows.read_manifests(), count=6, with_end=with_end)).level(0)
    assert level.object_ids is not None
    assert level.object_ids.tolist() == list(range(6))
    for ids in ([4], [5, 0]):
        assert np.array_equal(level.read_objects(ids).positions, store.level(0).read_objects(ids).positions)


@pytest.mark.parametrize("count", [5, 8, 1 << 62])
def test_manifests_in_one_blob_must_be_as_many_as_announced(count: int) -> None:
    rows = open_held(HELD["points"]).reader(0).layout.object_rows()
    assert rows is not None
    held = with_blob_index(HELD["points"], rows.read_manifests(), count=count)
    if count == 5:  # one offset more than objects is the end, so the last manifest holds the bytes of two
        with pytest.raises(DamagedError, match="manifest"):
            open_held(held).level(0).read_objects([0])
    else:
        with pytest.raises(DamagedError, match="offsets"):
            open_held(held).level(0).read_objects([0])


def test_values_of_links_that_cross_chunks() -> None:
    count = 56
    values = np.arange(count, dtype="<f4") + 1000
    path = "0/cross_chunk_link_attributes/w/0"
    held = HELD["graph"] | group(path, dtype="float32", shape=[count], num_links=count)
    store = open_held(held | blob(f"{path}/data", values.tobytes(), compressed=True))
    table = store.level(0).read_links(0)
    crossing = (table.chunks[:, 0] != table.chunks[:, 1]).any(axis=1)
    assert np.array_equal(np.sort(table.attributes["w"][crossing]), values)
    assert store.notes == ()
    short = held | blob(f"{path}/data", values[1:].tobytes())
    with pytest.raises(DamagedError):
        open_held(short).level(0).read_links(0)


def test_graphs_with_several_objects_in_a_chunk_are_noted() -> None:
    held = changed(
        HELD["points"], "zarr.json", lambda d: d["attributes"]["zarr_vectors"].update(geometry_types=["graph"])
    )
    linked = held | group("0/links/0", link_width=2)
    (note,) = open_held(linked).notes
    assert "several objects" in note


def unlistable(held: Held) -> Store:
    source = MemorySource(held)
    source.can_list = False
    return Store(source)


def test_a_place_that_cannot_list_is_refused_with_the_reason() -> None:
    store = unlistable(HELD["points"])
    assert store.levels == (0, 1, 2)
    with pytest.raises(UnsupportedError, match="cannot be listed"):
        store.level(0).read()
    assert store.level(0).object_attribute("oa").tolist() == list(range(6))
    assert unlistable(HELD["parametric"]).parametric is not None


def use(held: Held) -> None:
    """Read everything that a store offers."""
    store = open_held(held)
    assert isinstance(store.notes, tuple)
    assert store.parametric is None or store.parametric.type_ids.ndim == 1
    for number in store.levels:
        level = store.level(number)
        assert level.vertex_count == len(level.read(clip="chunks", object_ids=False).positions)
        whole = level.read()
        level.read(box=([0.0] * 3, [20.0] * 3))
        assert np.isfinite(whole.positions).all()
        for name in level.object_attribute_names:
            level.object_attribute(name)
        for name in level.group_attribute_names:
            level.group_attribute(name)
        assert level.groups is None or len(level.groups) >= 0
        for delta in level.link_deltas:
            assert level.read_links(delta).rows.ndim == 2


def kinds_of_files(held: Held) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for key in sorted(held):
        out.setdefault(CHUNK.sub("chunk", key), []).append(key)
    return out


FORMS = {
    "as written": {name: (held, kinds_of_files(held)) for name, held in HELD.items()},
    "packed": {
        name: (changed_held, kinds_of_files(changed_held))
        for name, held in HELD.items()
        for changed_held in [packed(held, compressed=name != "points")]
    },
}


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_damage_anywhere_ends_in_the_errors_for_it(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(FORMS)))
    held, kinds = FORMS[form][data.draw(st.sampled_from(KINDS))]
    key = data.draw(st.sampled_from(kinds[data.draw(st.sampled_from(sorted(kinds)))]))
    spoiled, raw = dict(held), bytearray(held[key])
    at = data.draw(st.integers(0, max(len(raw) - 1, 0)))
    match data.draw(st.sampled_from(["cut", "flip", "number", "fill", "drop"])):
        case "cut":
            raw = raw[:at]
        case "flip" if raw:
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        case "number" if numbers := list(re.finditer(rb"(?<![\w\"])-?\d+(\.\d+)?", raw)):
            span = data.draw(st.sampled_from(numbers)).span()
            raw[slice(*span)] = data.draw(
                st.sampled_from([b"-1", b"9223372036854775807", b"1e300", b'"x"', b"null", b"[]"])
            )
        case "fill":
            raw[at : at + 8] = data.draw(st.sampled_from([b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0" * 8]))
        case "drop":
            del spoiled[key]
    if key in spoiled:
        spoiled[key] = bytes(raw)
    try:
        use(spoiled)
    except (DamagedError, UnsupportedError, NotZarrVectorsError, MissingError):
        return
