"""Reads of the golden stores against what the reference library returns: levels, objects, links, attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zvview import Batch, Graph, Lines, Mesh, Points, Polylines, Skeletons, Store, batch_type, open

if TYPE_CHECKING:
    from tests.store.conftest import Expected, GoldenLevel

SEQUENCES = ("line", "polyline", "streamline")


def rows_as_bytes(*columns: NDArray[Any]) -> Counter[bytes]:
    """The rows of columns side by side, as a multiset."""
    parts = [np.ascontiguousarray(c.reshape(len(c), int(np.prod(c.shape[1:])))) for c in columns]
    return Counter(b"".join(p[i].tobytes() for p in parts) for i in range(len(parts[0])))


def same(actual: NDArray[Any], expected: NDArray[Any]) -> bool:
    return actual.shape == expected.shape and bool(np.array_equal(actual, expected))


def undirected(edges: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in np.sort(edges, axis=1)}


def labelled(batch: Batch, name: str) -> NDArray[Any]:
    """An attribute as the golden arrays hold it: missing labels are ``"\\0none"``."""
    values = batch.labels(name)
    return np.array(["\0none" if v is None else v for v in values]) if values.dtype == object else values


def test_metadata_of_the_store(golden: GoldenLevel) -> None:
    facts = golden.expected.facts["root"]
    store = golden.store
    assert store.version == golden.expected.facts["reference"]["zv_version"]
    assert store.kind == golden.kind
    assert store.kinds == tuple(facts["geometry_types"])
    assert [a.document() for a in store.axes] == facts["axes"]
    assert np.array_equal(store.bounds, facts["bounds"])
    assert store.metadata.chunk_shape.tolist() == facts["chunk_shape"]
    assert store.metadata.base_bin_shape.tolist() == facts["base_bin_shape"]
    assert store.metadata.links_convention == facts["links_convention"]
    assert store.metadata.crs == facts["crs"]
    assert list(store.metadata.capabilities) == facts["capabilities"]
    assert store.levels == tuple(f["level"] for f in golden.expected.facts["levels"])
    assert store.notes == ()


def test_metadata_of_the_level(golden: GoldenLevel) -> None:
    facts, level = golden.facts, golden.level
    metadata = golden.store.reader(level.number).layout.metadata
    assert level.chunk_shape.tolist() == facts["chunk_shape"]
    assert np.allclose(level.resolution, facts["bin_shape"], rtol=1e-12, atol=0)
    assert level.object_sparsity == facts["object_sparsity"]
    assert metadata.coarsening_method == facts["coarsening_method"]
    assert metadata.preserves_object_ids == bool(facts["preserves_object_ids"])
    assert metadata.shared_fragments == bool(facts["shared_fragments"])
    assert metadata.vertex_count == facts["vertex_count"]
    assert same(level.chunks, golden["chunks"])
    name, values = facts["chunk_attribute_name"], facts["chunk_attribute_values"]
    assert metadata.chunk_attribute == (None if name is None else (name, tuple(values)))


def test_vertices_are_counted_as_they_are_stored(golden: GoldenLevel) -> None:
    whole = golden.level.read(clip="chunks", object_ids=False)
    own = len(whole) if isinstance(whole, Points) else int(whole.offsets[-1])  # type: ignore[attr-defined]
    dead = 2 if golden.expected.name == "explicit_fragments" else 0  # in a fragment that no object names
    assert golden.level.vertex_count == own + dead
    assert len(golden.level.chunk_vertex_counts) == len(golden.level.chunks)
    if golden.kind not in SEQUENCES:
        assert own == len(golden["whole/positions"])


def test_attributes_are_described(golden: GoldenLevel) -> None:
    facts = golden.facts.get("vertex_attributes", {})
    found = golden.level.attributes
    leading = golden.facts["chunk_attribute_name"]
    assert set(found) == set(facts) | ({leading} if leading else set())
    for name, own in facts.items():
        assert found[name].dtype == np.dtype(own["dtype"])
        labels = found[name].categories
        assert own["categories"] == (None if labels is None else list(labels.labels))
        assert own["_FillValue"] == (None if labels is None else labels.missing)


def test_whole_level(golden: GoldenLevel) -> None:
    batch = golden.level.read()
    assert type(batch) is batch_type(golden.kind)
    assert batch.notes == ()
    if isinstance(batch, Lines):
        ends = golden["whole/endpoints"]
        assert same(batch.positions, ends.reshape(-1, ends.shape[2]))
        assert batch.offsets.tolist() == list(range(0, 2 * len(ends) + 1, 2))
        assert len(batch.bridges) == 0
    elif isinstance(batch, Polylines):
        assert same(batch.positions, golden["whole/positions"])
        assert same(batch.offsets, golden["whole/offsets"])
        assert same(batch.object_ids, golden["whole/object_ids"])  # type: ignore[arg-type]
        assert len(batch.bridges) == 0
    else:
        assert same(batch.positions, golden["whole/positions"])
    assert batch.positions.dtype == golden["whole/endpoints" if isinstance(batch, Lines) else "whole/positions"].dtype
    for name, values in golden.under("whole/attr/").items():
        assert same(labelled(batch, name), values), name


def test_vertex_attributes_of_chunks_are_as_stored(golden: GoldenLevel) -> None:
    batch = golden.level.read_chunks(golden.level.chunks, object_ids=False)
    for name, values in golden.under("vertex_attribute_rows/").items():
        if golden.expected.name != "explicit_fragments":  # where buffer rows and fragment rows differ
            assert same(batch.attributes[name], values), name


def test_links_of_whole_graphs_and_meshes(golden: GoldenLevel) -> None:
    batch = golden.level.read()
    if isinstance(batch, Mesh):
        assert rows_as_bytes(batch.faces) == rows_as_bytes(golden["whole/faces"])
    elif isinstance(batch, Graph):
        if "truth/undirected_edges" in golden:
            assert undirected(batch.edges) == undirected(golden["truth/undirected_edges"])
        if not golden.facts.get("reference_edges_missing", golden.expected.name == "skeleton_tools"):
            ours, theirs = rows_as_bytes(batch.edges), rows_as_bytes(golden["whole/edges"])
            assert set(ours) == set(theirs) if golden.expected.name == "duplicate_links" else ours == theirs
    else:
        assert not hasattr(batch, "edges")


def test_skeletons_are_forests(golden: GoldenLevel) -> None:
    batch = golden.level.read()
    if isinstance(batch, Skeletons) and "truth/undirected_edges" in golden:
        present = golden["object_present"].sum()
        assert (batch.parents == -1).sum() == present
        assert len(batch.edges) == len(batch) - present
    else:
        assert golden.kind != "skeleton" or golden.level.number > 0


def test_object_ids(golden: GoldenLevel) -> None:
    ids = golden.level.object_ids
    if "object_ids" not in golden:
        assert ids is None
        return
    assert ids is not None and same(ids, golden["object_ids"])
    table = golden.store.reader(golden.level.number).objects
    assert table is not None
    assert same(np.diff(table.manifests().offsets) > 0, golden["object_present"])


def test_manifests(golden: GoldenLevel) -> None:
    table = golden.store.reader(golden.level.number).objects
    for key, expected in golden.under("object/").items():
        text, _, what = key.partition("/")
        if what == "manifest":
            assert table is not None
            found = table.manifests(table.rows_of([int(text)]))
            assert same(np.column_stack((found.chunks, found.fragments)), expected)
    assert (table is None) == ("object_ids" not in golden)


def test_objects_by_id(golden: GoldenLevel) -> None:
    for facts in golden.facts.get("objects", []):
        number = facts["id"]
        expected = golden.under(f"object/{number}/")
        batch = golden.level.read_objects([number])
        if golden.kind == "line":
            ends = expected["endpoints"]
            assert same(batch.positions, ends.reshape(-1, ends.shape[2]))
        elif "positions" in expected:
            assert same(batch.positions, expected["positions"])
        else:
            assert len(batch) == facts.get("rows", 0)
        for name, values in expected.items():
            if name.startswith("attr/"):
                assert same(labelled(batch, name.removeprefix("attr/")), values), name
        ids = batch.object_ids if isinstance(batch, Points) else batch.vertex_object_ids  # type: ignore[attr-defined]
        assert (ids == number).all()
    assert "objects" in golden.facts or golden.level.object_ids is None


def test_all_objects_together_are_the_level(golden: GoldenLevel) -> None:
    """Whole objects are told by their ids alone: links among them are all the links of the level."""
    if golden.level.object_ids is None:
        assert golden.kind == "point_cloud"
        return
    batch, whole = golden.level.read_objects(golden.level.object_ids), golden.level.read()
    shares = shares_fragments(golden)
    if golden.kind in SEQUENCES:
        assert same(batch.positions, whole.positions)
    elif not shares:
        assert rows_as_bytes(batch.positions) == rows_as_bytes(whole.positions)
        name = "faces" if isinstance(batch, Mesh) else "edges"
        if isinstance(batch, Graph | Mesh):
            ours, theirs = getattr(batch, name), getattr(whole, name)
            ends = (batch.positions[ours], whole.positions[theirs])  # type: ignore[index]
            assert rows_as_bytes(ends[0], *batch.link_attributes.values()) == rows_as_bytes(
                ends[1],
                *whole.link_attributes.values(),  # type: ignore[attr-defined]
            )
    else:
        assert {p.tobytes() for p in batch.positions} == {p.tobytes() for p in whole.positions}


def test_objects_come_in_the_order_asked(golden: GoldenLevel) -> None:
    if golden.level.object_ids is None:
        assert golden.kind == "point_cloud"
        return
    wanted = golden.level.object_ids[::-1][:5]
    together = golden.level.read_objects(wanted)
    parts = [golden.level.read_objects([i]) for i in wanted]
    assert same(together.positions, np.concatenate([p.positions for p in parts]))
    for name, values in together.attributes.items():
        assert same(values, np.concatenate([p.attributes[name] for p in parts]))


def test_links_of_every_delta(golden: GoldenLevel) -> None:
    assert set(golden.level.link_deltas) == {int(d) for d in golden.facts["links"]}
    for text, facts in golden.facts["links"].items():
        table = golden.level.read_links(int(text))
        chunks, rows = golden[f"links/{text}/chunks"], golden[f"links/{text}/vi"]
        values = {n: golden[f"link_attributes/{n}/{text}"] for n in table.attributes}
        assert {f"{n}/{text}" for n in table.attributes} == {
            k for k in golden.under("link_attributes/") if k.endswith(f"/{text}")
        }
        ours = rows_as_bytes(table.chunks, table.rows, *table.attributes.values())
        theirs = rows_as_bytes(chunks, rows, *values.values())
        if facts["family"]["store"] == "duplicate":
            assert set(ours) == set(theirs)
        else:
            assert ours == theirs
        assert len(table) == facts["family"]["num_links"]


def test_link_attributes_of_whole_graphs(golden: GoldenLevel) -> None:
    batch = golden.level.read()
    stored = {k.removesuffix("/0") for k in golden.under("link_attributes/") if k.endswith("/0")}
    if not isinstance(batch, Graph | Mesh):
        assert not stored
        return
    assert set(batch.link_attributes) == stored
    if stored:
        assert isinstance(batch, Graph)
        row_of = {p.tobytes(): i for i, p in enumerate(batch.positions)}
        assert len(row_of) == len(batch)
        table = golden.level.read_links(0)
        joined = rows_as_bytes(batch.edges, *(batch.link_attributes[n] for n in sorted(stored)))
        base = {c.tobytes(): n for c, n in zip(golden.level.chunks, _bases(golden), strict=True)}
        rows = np.array([[base[c.tobytes()] for c in ends] for ends in table.chunks]) + table.rows
        assert joined == rows_as_bytes(rows, *(table.attributes[n] for n in sorted(stored)))


def _bases(golden: GoldenLevel) -> Iterable[int]:
    counts = golden.level.chunk_vertex_counts
    return (np.cumsum(counts) - counts).tolist()  # type: ignore[no-any-return]


def test_fragment_attributes(golden: GoldenLevel) -> None:
    found = golden.store.reader(golden.level.number).layout.attribute_names("fragment_attributes")
    stored = golden.under("fragment_attribute_rows/")
    assert set(found) == set(stored)
    for name, values in stored.items():
        assert same(golden.level.fragment_attribute(name), values)


def test_owners_told_by_fragments_are_those_of_the_manifests(golden: GoldenLevel) -> None:
    reader = golden.store.reader(golden.level.number)
    batch = golden.level.read_chunks(golden.level.chunks)
    if reader.objects is None or isinstance(batch, Points):
        assert reader.objects is None or batch.object_ids is not None  # type: ignore[union-attr]
        return
    manifests = reader.objects.manifests()
    owners: dict[bytes, set[int]] = {}
    for row, chunk, fragment in zip(reader.objects.piece_rows(), manifests.chunks, manifests.fragments, strict=True):
        owners.setdefault(np.append(chunk, fragment).tobytes(), set()).add(int(reader.objects.ids[row]))
    assert batch.object_ids is not None  # type: ignore[attr-defined]
    found = Counter(batch.object_ids.tolist())  # type: ignore[attr-defined]
    single = Counter(next(iter(o)) for o in owners.values() if len(o) == 1)
    assert {k: v for k, v in found.items() if k != -1} == single


def test_object_attributes(golden: GoldenLevel) -> None:
    stored = golden.under("object_attributes/")
    assert set(golden.level.object_attribute_names) == set(stored)
    for name, values in stored.items():
        found = golden.level.object_attribute(name)
        assert found.dtype == values.dtype and np.array_equal(found.data, values, equal_nan=values.dtype.kind == "f")
        there = golden.under("object_attribute_present/").get(name, np.ones(len(values)))
        mask = np.ma.getmaskarray(found)
        assert same(~(mask if mask.ndim == 1 else mask.any(axis=1)), there.astype(bool))


def test_groups(golden: GoldenLevel) -> None:
    groups = golden.level.groups
    assert (groups is None) == ("groups" not in golden.facts)
    if groups is not None:
        assert [m.tolist() for m in groups.members] == golden.facts["groups"]
        for number, members in enumerate(groups.members):
            part = golden.level.read(groups=[number])
            whole = golden.level.read_objects(members)
            assert rows_as_bytes(part.positions) == rows_as_bytes(whole.positions)
    stored = golden.under("group_attributes/")
    assert set(golden.level.group_attribute_names) == set(stored)
    for name, values in stored.items():
        assert same(golden.level.group_attribute(name), values)


def test_lines_are_their_pieces_less_their_bridges(golden: GoldenLevel) -> None:
    pieces, whole = golden.level.read(clip="chunks"), golden.level.read()
    if not isinstance(pieces, Polylines):
        assert golden.kind not in SEQUENCES
        return
    assert isinstance(whole, Polylines)
    ends = [b.positions[b.segments] for b in (pieces, whole)]
    if shares_fragments(golden):  # segments that objects share stand there once
        assert set(rows_as_bytes(ends[0])) == set(rows_as_bytes(ends[1]))
    else:
        assert len(pieces.offsets) - 1 - len(pieces.bridges) == len(whole.offsets) - 1
        assert rows_as_bytes(ends[0]) == rows_as_bytes(ends[1])


def shares_fragments(golden: GoldenLevel) -> bool:
    """Whether a fragment belongs to several objects, or twice to one; some stores do not say so."""
    table = golden.store.reader(golden.level.number).objects
    assert table is not None
    manifests = table.manifests()
    return max(rows_as_bytes(manifests.chunks, manifests.fragments).values()) > 1


def test_parametric_objects(golden: GoldenLevel) -> None:
    facts = golden.expected.facts.get("parametric")
    found = golden.store.parametric
    if facts is None:
        assert found is None
        return
    assert found is not None
    for i, own in enumerate(facts):
        kind = found.types[int(found.type_ids[i])]
        assert found.type_ids[i] == own["type_id"]
        assert kind.name == own["type"] and list(kind.coefficients) == own["coefficient_names"]
        assert found.coefficients[i, : len(kind.coefficients)].tolist() == own["coefficients"]
        assert np.isnan(found.coefficients[i, len(kind.coefficients) :]).all()
        assert found.names[i] in (own["name"], "")
    assert len(found) == len(facts)
    assert found.object_attributes["opacity"].tolist() == pytest.approx([0.2, 1.0, 0.5])
    assert [g.tolist() for g in found.groups] == [[0, 2], [1]]
    assert found.group_attributes["g"].tolist() == [1.0, 2.0]


def test_chunks_split_by_an_attribute_tell_its_values(golden: GoldenLevel) -> None:
    name, values = golden.facts["chunk_attribute_name"], golden.facts["chunk_attribute_values"]
    if name is None:
        assert golden.store.reader(golden.level.number).layout.metadata.chunk_attribute is None
        return
    whole = golden.level.read()
    found = []
    for chunk in golden.level.chunks:
        part = golden.level.read_chunks(chunk)
        assert set(part.labels(name)) == {values[chunk[0]]}
        found += part.labels(name).tolist()
    assert whole.labels(name).tolist() == found
    box = golden.level.read(box=golden.boxes[1], attributes=[name])
    row_of = {p.tobytes(): i for i, p in enumerate(whole.positions)}
    assert box.labels(name).tolist() == [found[row_of[p.tobytes()]] for p in box.positions]
    assert golden.level.read(attributes=["qv"]).attributes.keys() == {"qv"}


@pytest.mark.parametrize("name", ["mesh_zstd_sharded", "points_neg_sharded_zstd", "polylines_2d_sharded"])
def test_sharded_stores_read_the_same_from_memory(
    name: str, golden_bytes: Mapping[str, dict[str, bytes]], expectations: Mapping[str, Expected]
) -> None:
    store = open(dict(golden_bytes[name]))
    assert isinstance(store, Store)
    for number in store.levels:
        arrays = expectations[name].arrays
        assert same(store.level(number).read().positions, arrays[f"L{number}/whole/positions"])
        assert same(store.level(number).chunks, arrays[f"L{number}/chunks"])
