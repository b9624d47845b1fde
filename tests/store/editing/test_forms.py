"""Edits of stores in every form, saved, and read again by zvview and by the reference library."""

from __future__ import annotations

import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from zarr_vectors.types.graphs import read_graph
from zarr_vectors.types.meshes import read_mesh
from zarr_vectors.types.points import read_points

import zvview
from tests.pyramid.conftest import assert_same_stores, rebuild
from tests.store.editing.models import Vertex, VertexModel, edit_at_random, stored_content
from zvview.pyramid.build import build_pyramid
from zvview.pyramid.design import PyramidOptions
from zvview.testing import make_store

READS: dict[str, Callable[..., dict[str, Any]]] = {
    "point_cloud": read_points,
    "graph": read_graph,
    "skeleton": read_graph,
    "mesh": read_mesh,
}
ALLOWED = {"several-roots", "link-between-objects"}  # of edits; the models make them


@pytest.mark.parametrize("kind", READS)
@given(
    form=st.sampled_from(["folder", "zip", "memory"]),
    dtype=st.sampled_from(["float32", "float64"]),
    has_time=st.booleans(),
    options=st.fixed_dictionaries({}, optional={"shards": st.just(2), "codec": st.just("zstd")}),
    has_objects=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_stores_of_any_form_hold_what_the_edits_come_to(
    kind: str,
    form: str,
    dtype: str,
    has_time: bool,
    options: dict[str, Any],
    has_objects: bool,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, rng = tmp_path_factory.mktemp("forms"), np.random.default_rng(seed)
    ndim = 4 if has_time and kind != "mesh" else 3  # x, y, z, t
    n_objects = 3 if has_objects or kind != "point_cloud" else None
    place: Any = {"folder": str(folder / "a.zarrvectors"), "zip": str(folder / "a.zip"), "memory": {}}[form]
    chunk_shape = (400.0,) * ndim
    make_store(
        place,
        kind,
        size=250,
        seed=seed,
        ndim=ndim,
        n_objects=n_objects,
        dtype=dtype,
        chunk_shape=chunk_shape,
        **options,
    ).close()
    build_pyramid(place, PyramidOptions(levels=1))
    store = zvview.open(place)
    assert isinstance(store, zvview.Store)
    session = store.edit(journal=False)
    model = VertexModel.of(kind, session.find())
    for _ in range(6):
        edit_at_random(session, model, rng)
    session.commit()
    with zvview.open(place) as again:
        assert isinstance(again, zvview.Store)
        batch = again.level(0).read()
        assert stored_content(kind, batch) == model.content()
    assert {finding.code for finding in zvview.check(place)} <= ALLOWED
    content = content_of(place)
    assert_same_stores(content, rebuild(content))
    assert_reference_reads(content, folder / "plain", model, batch)


def content_of(place: Any) -> dict[str, bytes]:
    """All keys of a store with their bytes."""
    if isinstance(place, dict):
        return place
    if place.endswith(".zip"):
        with zipfile.ZipFile(place) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in Path(place).rglob("*") if path.is_file()}


def assert_reference_reads(content: dict[str, bytes], folder: Path, model: VertexModel, batch: zvview.Batch) -> None:
    """The reference library reads the vertices and links of a model, and attributes and objects where it can."""
    for key, data in content.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    read, place = READS[model.kind], str(folder)
    told = list(model.vertices.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read(place)
        positions = positions_in(found)
        assert Counter(rows_of(positions)) == Counter(v.position for v in told)
        for owner in {v.owner for v in told} - {None, -1} if model.kind == "point_cloud" else ():
            own = positions_in(read(place, object_ids=[owner]))
            assert Counter(rows_of(own)) == Counter(v.position for v in told if v.owner == owner)
        for name in batch.attributes if model.kind == "point_cloud" else ():
            values = read(place, attribute_names=[name])["vertex_attributes"][name]
            own_values = batch.labels(name) if name in batch.categories else batch.attributes[name]
            pairs = zip(rows_of(batch.positions), map(str, own_values.tolist()), strict=True)
            assert Counter(zip(rows_of(positions), map(str, values.tolist()), strict=True)) == Counter(pairs)
    assert positions.dtype == batch.positions.dtype
    if model.kind != "point_cloud":
        links = np.asarray(found["faces" if model.kind == "mesh" else "edges"])
        rows = rows_of(positions)
        assert Counter(ends_of([rows[end] for end in link]) for link in links.tolist()) == Counter(
            ends_of([position_of(model.vertices[end]) for end in link]) for link in model.links
        )


def positions_in(found: dict[str, Any]) -> NDArray[np.floating]:
    return np.asarray(found["vertices" if "vertices" in found else "positions"])


def rows_of(positions: NDArray[np.floating]) -> list[tuple[float, ...]]:
    return [tuple(row) for row in positions.astype(np.float64).tolist()]


def position_of(vertex: Vertex) -> tuple[float, ...]:
    return vertex.position


def ends_of(ends: list[tuple[float, ...]]) -> tuple[tuple[float, ...], ...]:
    return tuple(sorted(ends))
