"""Links between levels: every vertex has its parent, both directions agree, and nothing of level 0 is touched."""

from __future__ import annotations

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, UnsupportedError
from zvview.format.grid import ChunkTable
from zvview.pyramid import PyramidOptions, build_pyramid, cross_links
from zvview.pyramid.build import rebuild_pyramid
from zvview.pyramid.stored_vertices import StoredVertices, iterate_stored, join_stored
from zvview.testing import make_batch

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
KINDS = ("point_cloud", "line", "polyline", "streamline", "graph", "skeleton", "mesh")
KEEPS_VERTICES = KINDS[:-1]
FOREIGN = (
    "edited_streamlines",
    "explicit_fragments",
    "lines",
    "mesh_zstd_sharded",
    "points_by_attribute",
    "points_neg_sharded_zstd",
    "points_sparse_ids_blosc",
    "streamlines_tools",
)
CHUNKS = [(400.0,) * 3, (800.0,) * 3]
LINKED = PyramidOptions(levels=2, cross_level_links=True, chunk_shapes=CHUNKS)
PLAIN = PyramidOptions(levels=2, chunk_shapes=CHUNKS)

pytestmark = pytest.mark.usefixtures("unsynced")


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def of_level(files: dict[str, bytes], number: int) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if name.startswith(f"{number}/")}


def make(place: Path, kind: str, size: int = 600, chunk: float = 200, **kwargs: Any) -> Path:
    with zvview.create(place, kind=kind, axes="xyz", chunk_shape=(chunk,) * 3, **kwargs) as store:
        store.write(make_batch(kind, size))
    return place


@pytest.fixture(params=KINDS, scope="module")
def linked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, unsynced: None) -> Path:
    """A store of each kind with linked levels, which tests only read."""
    place = make(tmp_path_factory.mktemp("linked") / "store", request.param)
    assert build_pyramid(place, LINKED)
    return place


def vertices(store: zvview.Store, number: int, ids: NDArray[np.int64] | None = None) -> StoredVertices:
    reader = store.reader(number)
    return join_stored(list(iterate_stored(reader, reader.layout.vertices.chunks, ids)))


def number_rows(level: StoredVertices, chunks: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Index in `level` of vertices that are named by chunk and row; -1 where it has none such."""
    most = int(level.rows.max()) + 1
    keys = level.slots * most + level.rows
    assert (np.diff(keys) > 0).all()
    wanted = np.where(rows < most, ChunkTable.of(level.chunks).find(chunks) * most + rows, -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.asarray(np.where(keys[at] == wanted, at, -1))


def parents(store: zvview.Store, number: int) -> tuple[StoredVertices, StoredVertices, NDArray[np.int64]]:
    """Vertices of a level whose objects the next one has, those of that, and the parent of each."""
    ids = store.level(number + 1).present_object_ids
    fine, coarse = vertices(store, number, ids), vertices(store, number + 1, ids)
    table = store.level(number).read_links(1)
    children = number_rows(fine, table.chunks[:, 0], table.rows[:, 0])
    found = number_rows(coarse, table.chunks[:, 1], table.rows[:, 1])
    assert (found >= 0).all()
    np.testing.assert_array_equal(np.sort(children), np.arange(len(fine)))  # each exactly once
    out = np.empty(len(fine), np.int64)
    out[children] = found
    return fine, coarse, out


def as_rows(table: Any, order: tuple[int, int]) -> NDArray[np.int64]:
    flat = np.concatenate([np.concatenate((table.chunks[:, i], table.rows[:, i, None]), axis=1) for i in order], axis=1)
    return flat[np.lexsort(flat.T[::-1])]


def distances(store: zvview.Store, number: int, fine: StoredVertices, coarse: StoredVertices) -> NDArray[np.float64]:
    """From each fine vertex to all coarse ones of its object, in bins of the coarse level, (n, m)."""
    bins = store.level(number + 1).resolution
    apart = ((fine.positions[:, None].astype(float) - coarse.positions[None]) / bins) ** 2
    out = np.sqrt(apart.sum(axis=2))
    if fine.owners is not None and coarse.owners is not None:
        out[fine.owners[:, None] != coarse.owners[None]] = np.inf
    return out


def test_every_vertex_has_the_nearest_of_its_object(linked: Path) -> None:
    assert list(zvview.check(linked)) == []
    with zvview.open(linked) as store:
        for number in store.levels[:-1]:
            fine, coarse, of_each = parents(store, number)
            if fine.owners is not None and coarse.owners is not None:
                np.testing.assert_array_equal(fine.owners, coarse.owners[of_each])
            apart = distances(store, number, fine, coarse)
            own = apart[np.arange(len(fine)), of_each]
            np.testing.assert_allclose(own, apart.min(axis=1), rtol=1e-9)
            if store.kind == "point_cloud" and fine.owners is None:
                assert own.max() <= 1
            if store.kind in KEEPS_VERTICES:
                np.testing.assert_array_equal(np.unique(of_each[own == 0]), np.arange(len(coarse)))


def test_both_directions_hold_the_same_records(linked: Path) -> None:
    with zvview.open(linked) as store:
        for number in store.levels[:-1]:
            down, up = store.level(number).read_links(1), store.level(number + 1).read_links(-1)
            np.testing.assert_array_equal(as_rows(down, (0, 1)), as_rows(up, (1, 0)))
        assert 1 not in store.level(store.levels[-1]).link_deltas
        assert -1 not in store.level(0).link_deltas
        own = store.metadata.raw["zarr_vectors"]
        assert own["cross_level_storage"] == "explicit"
        assert own["cross_level_depth"] == 1
        assert "multiscale_links" in own["format_capabilities"]


def test_the_reference_reads_the_same_records(linked: Path) -> None:
    import zarr_vectors
    from zarr_vectors.core.arrays import read_link_arrays
    from zarr_vectors.core.store import get_resolution_level, open_store

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zarr_vectors.open(str(linked)).validate(level=5).errors == []
        root = open_store(str(linked))
        with zvview.open(linked) as store:
            for number in store.levels:
                for delta in set(store.level(number).link_deltas) - {0}:
                    chunks, rows = read_link_arrays(get_resolution_level(root, number), delta=delta)
                    theirs = np.concatenate((chunks[:, 0], rows[:, :1], chunks[:, 1], rows[:, 1:]), axis=1)
                    ours = as_rows(store.level(number).read_links(delta), (0, 1))
                    np.testing.assert_array_equal(theirs[np.lexsort(theirs.T[::-1])], ours)


@pytest.mark.parametrize("kind", ["point_cloud", "skeleton"])
def test_only_links_are_added_to_level_0_and_taken_away_again(kind: str, tmp_path: Path) -> None:
    made = make(tmp_path / "store", kind)
    build_pyramid(made, PLAIN)
    plain = tree(made)
    build_pyramid(made, LINKED)
    with_links = tree(made)
    before, after = of_level(plain, 0), of_level(with_links, 0)
    new = {name for name in after if name not in before}
    assert new
    assert all(n.startswith("0/links/+1/") or n == "0/links/zarr.json" for n in new)
    assert {n for n in before if after[n] != before[n]} <= {"0/zarr.json"}
    build_pyramid(made, LINKED)
    assert tree(made) == with_links
    build_pyramid(made, PLAIN)
    assert tree(made) == plain
    assert [p.name for p in made.parent.iterdir()] == ["store"]


@pytest.mark.parametrize("kind", ["point_cloud", "streamline"])
def test_neither_workers_nor_parts_change_a_byte(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(tmp_path / "s", kind)
    build_pyramid(place, LINKED)
    first = tree(place)
    with zvview.open(place) as store:
        assert len(store.level(1).chunks) > 2
    monkeypatch.setattr(cross_links, "_PART_BYTES", 1 << 10)
    monkeypatch.setattr(cross_links, "_WAVE_RECORDS", 100)
    monkeypatch.setattr(cross_links, "_OPEN_RUNS", 2)
    build_pyramid(place, LINKED, workers=2 if kind == "streamline" else 0)  # starting them is what takes time here
    assert tree(place) == first


def test_many_cells_are_written_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = make(tmp_path / "s", "streamline")
    build_pyramid(place, LINKED)
    with zvview.open(place) as store:
        whole = {n: as_rows(store.level(n).read_links(1), (0, 1)) for n in store.levels[:-1]}
    monkeypatch.setattr("zvview.store.writing.choose._MOST_FILES", 0)
    build_pyramid(place, LINKED)
    document = json.loads(next((place / "0/links/+1").glob("*/zarr.json")).read_bytes())
    assert document["codecs"][0]["name"] == "sharding_indexed"
    assert list(zvview.check(place)) == []
    with zvview.open(place) as store:
        for number, rows in whole.items():
            np.testing.assert_array_equal(as_rows(store.level(number).read_links(1), (0, 1)), rows)


@pytest.mark.parametrize("name", FOREIGN)
def test_levels_of_foreign_stores_can_be_linked(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        archive.extractall(tmp_path)
    place = next(p.parent for p in sorted(tmp_path.rglob("zarr.json"), key=lambda p: len(p.parts)))
    with zvview.open(place) as store:
        is_split = store.level(0).chunks.shape[1] > len(store.axes)
    options = PyramidOptions(levels=1, cross_level_links=True)
    if is_split:
        with pytest.raises(UnsupportedError, match="split by an attribute"):
            build_pyramid(place, options)
        return
    codes = {finding.code for finding in zvview.check(place)}
    assert build_pyramid(place, options)
    assert {finding.code for finding in zvview.check(place)} <= codes
    with zvview.open(place) as store:
        fine, coarse, of_each = parents(store, 0)
        apart = distances(store, 0, fine, coarse)
        np.testing.assert_allclose(apart[np.arange(len(fine)), of_each], apart.min(axis=1), rtol=1e-9)


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), is_wide=st.booleans(), copies=st.integers(1, 3))
def test_points_of_a_frame_stand_for_each_other_only(seed: int, is_wide: bool, copies: int) -> None:
    rng = np.random.default_rng(seed)
    positions = rng.normal(0, 40, (200, 4)).astype(np.float64 if is_wide else np.float32)
    positions[:, 0] = rng.integers(-3, 4, 200)
    memory: dict[str, bytes] = {}
    axes = [zvview.Axis("t", "time", "second"), *(zvview.Axis(n, "space", "micrometer") for n in "xyz")]
    with zvview.create(memory, kind="point_cloud", axes=axes, chunk_shape=(4, 60, 60, 60)) as store:
        store.write(zvview.Points(np.repeat(positions, copies, axis=0)))
    assert build_pyramid(memory, PyramidOptions(levels=1, factor=3, cross_level_links=True))
    assert list(zvview.check(memory)) == []
    with zvview.open(memory) as store:
        fine, coarse, of_each = parents(store, 0)
        np.testing.assert_array_equal(fine.positions[:, 0], coarse.positions[of_each, 0])
        kept, times = np.unique(of_each[(fine.positions == coarse.positions[of_each]).all(axis=1)], return_counts=True)
        np.testing.assert_array_equal(kept, np.arange(len(coarse)))
        assert (times == 1).all()  # copies go each to itself


def test_parents_far_away_are_found(tmp_path: Path) -> None:
    """Straight lines through many chunks keep their ends only."""
    rng = np.random.default_rng(3)
    ends = rng.uniform(-150, 150, (12, 2, 3))
    steps = np.linspace(0, 1, 200)[:, None]
    lines = [(a + steps * (b - a)).astype(np.float32) for a, b in ends]
    with zvview.create(tmp_path / "s", kind="streamline", axes="xyz", chunk_shape=(60,) * 3) as store:
        store.write(zvview.Streamlines.from_list(lines))
    build_pyramid(tmp_path / "s", PyramidOptions(levels=1, bin_shapes=[(0.5,) * 3], cross_level_links=True))
    with zvview.open(tmp_path / "s") as store:
        fine, coarse, of_each = parents(store, 0)
        apart = distances(store, 0, fine, coarse)
        own = apart[np.arange(len(fine)), of_each]
        np.testing.assert_allclose(own, apart.min(axis=1), rtol=1e-9)
        assert own.max() > 8


def test_levels_made_again_by_their_designs_stay_linked(tmp_path: Path) -> None:
    place = make(tmp_path / "s", "skeleton")
    built = build_pyramid(place, LINKED)
    first = tree(place)
    rebuild_pyramid(place, [b.design for b in built])
    assert tree(place) == first


def test_a_store_too_small_for_levels_gets_no_links(tmp_path: Path) -> None:
    place = make(tmp_path / "s", "point_cloud", 300)
    before = of_level(tree(place), 0)
    assert build_pyramid(place, PyramidOptions(cross_level_links=True)) == ()
    assert of_level(tree(place), 0) == before
    with zvview.open(place) as store:
        assert store.metadata.raw["zarr_vectors"]["cross_level_storage"] == "none"


def test_linking_can_be_cancelled(tmp_path: Path) -> None:
    place = make(tmp_path / "s", "point_cloud")
    before, cancel = tree(place), CancelToken()

    def stop(done: int, total: int, text: str) -> None:
        if text.startswith("linking"):
            cancel.cancel()

    with pytest.raises(Cancelled):
        build_pyramid(place, LINKED, progress=stop, cancel=cancel)
    assert tree(place) == before
