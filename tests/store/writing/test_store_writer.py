"""Appending, closing and aborting: what shows at the place, what memory it takes, and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import zvview
from zvview.cancel import CancelToken
from zvview.errors import Cancelled, ExistsError, InvalidInputError
from zvview.geometry.batches import Batch, Graph, Lines, Mesh, Points, Polylines, Skeletons, Streamlines
from zvview.geometry.parametric import ParametricObjects
from zvview.store.writing.options import WriteOptions
from zvview.store.writing.store_writer import StoreWriter, write_store


def points(n: int, seed: int = 0, **kwargs: Any) -> Points:
    rng = np.random.default_rng(seed)
    return Points(
        rng.uniform(0, 100, (n, 3)).astype(np.float32), attributes={"v": np.arange(n, dtype=np.int32)}, **kwargs
    )


def keys_of(place: Path) -> dict[str, bytes]:
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("options", [{"chunk_shape": (25, 25, 25)}, {}])
def test_batches_appended_give_the_store_of_one_write(tmp_path: Path, options: dict[str, Any]) -> None:
    whole = points(3000)
    write_store(tmp_path / "one", whole, WriteOptions(kind="point_cloud", name="s", **options))
    small = WriteOptions(kind="point_cloud", name="s", memory_bytes=20_000, **options)
    with StoreWriter(tmp_path / "parts", small) as writer:
        for rows in np.array_split(np.arange(3000), 7):
            writer.append(Points(whole.positions[rows], attributes={"v": whole.attributes["v"][rows]}))
    assert keys_of(tmp_path / "one") == keys_of(tmp_path / "parts")


def test_meshes_appended_give_the_links_of_one_write(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    where = rng.uniform(0, 30, (400, 3)).astype(np.float32)
    faces = [rng.integers(0, 100, (150, 3)) for _ in range(4)]
    options = WriteOptions(kind="mesh", chunk_shape=(10, 10, 10), name="s", memory_bytes=4000)
    with StoreWriter(tmp_path / "s", options) as writer:
        for k in range(4):
            link = np.arange(150, dtype=np.int16) + 150 * k
            writer.append(Mesh(where[100 * k : 100 * (k + 1)], faces=faces[k], link_attributes={"f": link}))
    batch = zvview.open(tmp_path / "s").level(0).read()
    at = {tuple(p): i for i, p in enumerate(where.tolist())}
    back = np.array([at[tuple(p)] for p in batch.positions.tolist()])[batch.faces]
    given = np.concatenate([f + 100 * k for k, f in enumerate(faces)])
    assert np.array_equal(back, given[batch.link_attributes["f"]])
    assert np.unique(batch.object_ids).tolist() == [0, 1, 2, 3]


def test_memory_does_not_grow_with_what_is_written(tmp_path: Path) -> None:
    def peak(batches: int) -> float:
        options = WriteOptions(kind="point_cloud", chunk_shape=(10, 10, 10), memory_bytes=1 << 20)
        writer = StoreWriter(tmp_path / str(batches), options)
        tracemalloc.start()
        try:
            for seed in range(batches):
                writer.append(points(20_000, seed))
            writer.close()
            return tracemalloc.get_traced_memory()[1] / 2**20
        finally:
            tracemalloc.stop()

    few, many = peak(10), peak(40)  # 3 and 12 MB of rows
    assert many < 1.3 * few
    assert many < 7
    assert zvview.open(tmp_path / "40").level(0).vertex_count == 800_000


def test_nothing_shows_before_the_end_and_an_abort_leaves_nothing(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "s", WriteOptions(kind="point_cloud", memory_bytes=1000))
    writer.append(points(50_000))
    assert writer.spilled_arrays > 0
    assert not (tmp_path / "s").exists()
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInputError, match="closed or aborted"):
        writer.append(points(1))


def test_an_error_in_the_block_aborts(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with StoreWriter(tmp_path / "s", WriteOptions(kind="point_cloud")) as writer:
            writer.append(points(10))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_closing_leaves_the_store_that_was_there(tmp_path: Path) -> None:
    write_store(tmp_path / "s", points(10))
    before = keys_of(tmp_path / "s")
    with pytest.raises(ExistsError):
        write_store(tmp_path / "s", points(20))
    with pytest.raises(InvalidInputError, match="JSON"):
        write_store(tmp_path / "s", points(20), overwrite=True, user_metadata={"app": {"x": float("nan")}})
    assert keys_of(tmp_path / "s") == before
    write_store(tmp_path / "s", points(20), overwrite=True)
    assert zvview.open(tmp_path / "s").level(0).vertex_count == 20


def test_cancelling_aborts(tmp_path: Path) -> None:
    token = CancelToken()
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        seen.append((done, total))
        token.cancel()

    options = WriteOptions(kind="point_cloud", chunk_shape=(5, 5, 5), memory_bytes=1 << 19)
    with pytest.raises(Cancelled):
        write_store(tmp_path / "s", points(50_000), options, progress=progress, cancel=token)
    assert len(seen) == 1
    assert 0 < seen[0][0] < seen[0][1] == 50_000
    assert list(tmp_path.iterdir()) == []


def test_into_memory_a_zip_and_from_other_kinds_of_axes(tmp_path: Path) -> None:
    held: dict[str, bytes] = {}
    write_store(held, points(100), WriteOptions(kind="point_cloud", axes=("z", "y", "x")))
    assert [a.name for a in zvview.open(held).axes] == ["z", "y", "x"]
    write_store(tmp_path / "s.zip", points(100))
    with zvview.open(tmp_path / "s.zip") as store:
        assert store.level(0).vertex_count == 100
    assert [p.name for p in tmp_path.iterdir()] == ["s.zip"]


def test_groups_metadata_and_headers_come_back(tmp_path: Path) -> None:
    lines = [np.array([[0, 0], [5, 5]]), np.array([[1, 1], [2, 2], [3, 3]])]
    write_store(
        tmp_path / "s",
        Polylines.from_list(lines, object_ids=[8, 3]),
        object_attributes={"name": ["a", None], "n": np.ma.MaskedArray([1, 2], [True, False])},
        groups={"left": [3], "both": [3, 8]},
        user_metadata={"app": {"k": 1}},
        root_attributes={"mine": [1], "zarr_vectors": "cannot replace"},
        headers={"trk": {"dim": [1, 2, 3]}},
    )
    store = zvview.open(tmp_path / "s")
    assert store.user_metadata == {"app": {"k": 1}}
    assert store.headers == {"trk": {"dim": [1, 2, 3]}}
    assert json.loads((tmp_path / "s" / "zarr.json").read_text())["attributes"]["mine"] == [1]
    level = store.level(0)
    assert level.object_ids.tolist() == [3, 8]
    assert level.object_attribute("name").tolist() == [None, "a"]
    assert level.object_attribute("n").tolist() == [2, None]
    assert store.groups.names == ("left", "both")
    assert [g.tolist() for g in store.groups.members] == [[3], [3, 8]]


def test_object_attributes_go_by_pieces_whatever_becomes_of_their_rows(tmp_path: Path) -> None:
    # the first piece's root comes last, so depth-first order turns the pieces around
    skeletons = Skeletons.from_parents(SQUARE, [3, -1, 1, 2], offsets=[0, 1, 4], object_ids=[9, 4])
    write_store(tmp_path / "tree", skeletons, object_attributes={"name": ["nine", "four"]})
    assert zvview.open(tmp_path / "tree").level(0).object_attribute("name").tolist() == ["four", "nine"]
    lines = [np.empty((0, 2)), np.array([[0, 0], [5, 5]])]
    write_store(tmp_path / "lines", Polylines.from_list(lines), object_attributes={"n": [7, 8]})
    assert zvview.open(tmp_path / "lines").level(0).object_attribute("n").tolist() == [7, 8]
    with StoreWriter(tmp_path / "points", WriteOptions(kind="point_cloud", chunk_shape=(1, 1))) as writer:
        writer.append(Points(SQUARE, [5, 5, 2, 5]), {"a": [50, 20]})
        writer.append(Points(SQUARE, [2, 2, 2, 1]), {"a": np.ma.MaskedArray([21, 10], [False, True])})
    level = zvview.open(tmp_path / "points").level(0)
    assert level.object_ids.tolist() == [1, 2, 5]
    assert level.object_attribute("a").tolist() == [None, 21, 50]


def test_labels_keep_their_meaning_over_batches(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", WriteOptions(kind="point_cloud", chunk_shape=(10, 10), memory_bytes=1)) as writer:
        for texts in (["soma", "axon"], [None, "bouton"], ["axon", "soma"]):
            writer.append(Points(np.zeros((2, 2), np.float32), attributes={"part": np.array(texts, object)}))
    batch = zvview.open(tmp_path / "s").level(0).read()
    assert batch.categories["part"].labels == ("axon", "bouton", "soma")
    assert batch.attributes["part"].dtype == np.int8
    assert batch.labels("part").tolist() == ["soma", "axon", None, "bouton", "axon", "soma"]
    document = json.loads((tmp_path / "s" / "zvview" / "zarr.json").read_text())
    statistics = document["attributes"]["zvview_index"]["levels"]["0"]["attributes"]["part"]
    assert statistics["counts"] == {"axon": 2, "bouton": 1, "soma": 2}


def sphere(**kwargs: Any) -> ParametricObjects:
    return ParametricObjects.of([("sphere", (0, 0, 0, 1))], **kwargs)


SQUARE: NDArray[np.float32] = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (Points(SQUARE), Points(SQUARE * np.nan), "vertex 0 .* finite"),
        (Points(SQUARE), Points(np.zeros((1, 3))), "3 coordinates in a store of 2"),
        (Points(SQUARE), Points(SQUARE + 9), "vertex 0 .* outside"),
        (Points(SQUARE), Points(SQUARE, np.arange(4)), "either all"),
        (Points(SQUARE, np.arange(4)), Points(SQUARE), "either all"),
        (Points(SQUARE, attributes={"a": np.ones(4)}), Points(SQUARE), "all must agree"),
        (Points(SQUARE, attributes={"a": np.ones(4)}), Points(SQUARE, attributes={"a": np.arange(4)}), "int64"),
        (Points(SQUARE, attributes={"a": np.ones(4)}), Points(SQUARE, attributes={"a": np.ones((4, 2))}), "differs"),
        (Points(SQUARE), Polylines(SQUARE), "cannot go into"),
        (Polylines(SQUARE), Polylines(SQUARE, offsets=[0, 2, 4], object_ids=[3, 3]), "object 3 comes twice"),
        (Polylines(SQUARE), Polylines(SQUARE, object_ids=[0]), "earlier batch"),
        (Polylines(SQUARE), Polylines(SQUARE, offsets=[0, 2, 4], bridges=[[1, 2]]), "whole lines"),
        (Polylines(SQUARE), Polylines(SQUARE, offsets=[0, 2]), "from row 2 on belong to no piece"),
        (Lines.from_endpoints(SQUARE.reshape(2, 2, 2)), Lines(SQUARE), "4 vertices, expected 2"),
        (Graph(SQUARE, object_ids=[1]), Graph(SQUARE, object_ids=[1]), "object 1 was in an earlier"),
        (Mesh(SQUARE, faces=[[0, 1, 2]]), Mesh(SQUARE, faces=[[0, 1, 2, 3]]), "4 corners in a store of faces of 3"),
        (Mesh(SQUARE), Mesh(SQUARE, faces=[[0, 1, 2] * 3]), "9 corners: a store holds faces of up to 8"),
        (Skeletons(SQUARE), Skeletons(SQUARE, edges=[[0, 1], [1, 2], [2, 0]]), "forest"),
        (
            Skeletons(SQUARE),
            Skeletons(SQUARE, edges=[[1, 0]], link_attributes={"w": np.ones(1)}),
            "edges of skeletons have no attributes",
        ),
    ],
)
def test_what_contradicts_is_refused_by_name_and_leaves_nothing(
    tmp_path: Path, first: Batch, second: Batch, message: str
) -> None:
    writer = StoreWriter(tmp_path / "s", WriteOptions(kind=first.kind, bounds=((0, 0), (2, 2))))
    writer.append(first)
    with pytest.raises(InvalidInputError, match=message):
        writer.append(second)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ({"groups": {"a": [7]}}, "group a names 7"),
        ({"groups": {0: [0], 2: [0]}}, "the numbers 0 to 1"),
        ({"groups": {"a": [0.5]}}, "members of a group: .*float64, expected integers"),
        ({"groups": {"a": range(2)}}, "group a names 1, which is no object"),
        ({"groups": {"a": range(2**63 - 1, 2**63 + 1)}}, "group a names 9223372036854775807, which"),
        ({"groups": {"a": range(2**64, 2**64 + 1)}}, "group a names 18446744073709551616, which"),
        ({"groups": {"a": range(-(2**63) - 1, 1)}}, "group a names -9223372036854775809, which"),
        ({"groups": {"a": range(-5, 10**30)}}, "group a names -5"),
        ({"groups": {"a": range(0, 10**9, 2)}}, "give the ids themselves"),
        ({"groups": {"a": [0]}, "group_attributes": {"x": [1, 2]}}, "group attribute 'x'"),
        ({"object_attributes": {"x": [1, 2]}}, r"shape \(2,\), expected \(1,\)"),
        ({"object_attributes": {"x": [object()]}}, "no common dtype"),
        ({"object_attributes": {"a/b": [1]}}, "not a name"),
        ({"headers": {"a/b": {}}}, "not a name"),
        ({"headers": {"trk": 5}}, "expected a mapping"),
        ({"user_metadata": {1: {}}}, "expected a mapping by name"),
        ({"parametric": {"type_ids": [0]}}, "expected zvview.ParametricObjects"),
        ({"parametric": sphere(object_attributes={"a": [1, 2]})}, r"'a' has shape \(2,\)"),
        ({"parametric": sphere(group_attributes={"a": [1]})}, r"'a' has shape \(1,\)"),
        ({"parametric": sphere(object_attributes={"a/b": [1]})}, "not a name"),
    ],
)
def test_extras_that_cannot_be_are_refused(tmp_path: Path, extras: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        write_store(tmp_path / "s", Streamlines(SQUARE), **extras)
    assert list(tmp_path.iterdir()) == []


def test_chunks_too_small_for_the_positions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="too small"):
        write_store(tmp_path / "s", Points(SQUARE * 1e20), WriteOptions(kind="point_cloud", chunk_shape=(1, 1)))


def test_groups_and_object_attributes_need_objects(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="need objects"):
        write_store(tmp_path / "s", Points(SQUARE), groups={"a": [0]})
    with pytest.raises(InvalidInputError, match="need objects"):
        write_store(tmp_path / "s", Points(SQUARE), object_attributes={"a": [0]})
    with pytest.raises(InvalidInputError, match="without a batch"):
        StoreWriter(tmp_path / "s", WriteOptions(kind="mesh")).close()
    assert list(tmp_path.iterdir()) == []


def test_many_cells_go_into_small_shards_by_themselves(tmp_path: Path) -> None:
    where = np.stack(np.meshgrid(np.arange(90), np.arange(80)), axis=-1).reshape(-1, 2) + 0.5
    write_store(
        tmp_path / "s",
        Points(where, attributes={"v": np.arange(7200)}),
        WriteOptions(kind="point_cloud", chunk_shape=(1, 1)),
    )
    document = json.loads((tmp_path / "s" / "0" / "vertices" / "zarr.json").read_text())
    assert document["codecs"][0]["name"] == "sharding_indexed"
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [2, 2]
    assert len(keys_of(tmp_path / "s")) < 6_000
    batch = zvview.open(tmp_path / "s").level(0).read()
    assert np.array_equal(batch.positions, where[batch.attributes["v"]])
