"""Designs of levels of skeletons and graphs: plain, repeatable, of shapes that fit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from zvview.errors import InvalidInputError
from zvview.geometry.batches import Graph, Skeletons
from zvview.pyramid.design import PyramidOptions
from zvview.pyramid.trees import TreesKind
from zvview.store.creating import create
from zvview.testing.stores import make_store


def test_designs_are_plain_and_can_be_repeated() -> None:
    store = make_store({}, "skeleton", size=5000)
    kind = TreesKind()
    first = kind.design(store.level(0), None, PyramidOptions())
    assert first == kind.design(store.level(0), None, PyramidOptions())
    assert json.loads(json.dumps(first.document())) == first.document()
    assert first.parameters["labels"] == ["type"] and first.parameters["radius"] == "radius"
    assert first.level == 1 and first.method in kind.methods
    ratio = first.chunk / store.level(0).chunk_shape
    np.testing.assert_allclose(ratio, np.rint(ratio))
    share = first.chunk / np.array(first.bin_shape)
    share = np.maximum(share, 1 / share)
    np.testing.assert_allclose(share, np.rint(share), rtol=1e-9)


def test_shapes_are_as_wished() -> None:
    store = make_store({}, "skeleton", size=3000, chunk_shape=(100.0,) * 3)
    options = PyramidOptions(bin_shapes=[(10.0, 10.0, 20.0)], chunk_shapes=[(200.0, 300.0, 100.0)])
    design = TreesKind().design(store.level(0), None, options)
    assert design.bin_shape == (10.0, 10.0, 20.0) and design.chunk_shape == (200.0, 300.0, 100.0)


def test_chunks_and_bins_do_not_grow_along_time() -> None:
    store = make_store({}, "graph", size=4000, ndim=4, chunk_shape=(250.0, 250.0, 250.0, 500.0))
    design = TreesKind().design(store.level(0), None, PyramidOptions())
    assert design.chunk_shape[3] == 500.0 and design.bin_shape[3] == store.level(0).resolution[3]
    assert design.chunk_shape[0] > 250.0


def test_numbers_that_change_with_each_node_are_no_labels() -> None:
    number = np.arange(300)
    where = np.stack((number, np.sin(number), 0 * number), axis=1).astype(np.float32)
    values = {"part": number // 20, "number": number, "flag": number % 30 == 0}
    store = create({}, kind="skeleton")
    store.write(Skeletons.from_parents(where, number - 1, object_ids=[1], attributes=values))
    assert TreesKind().design(store.level(0), None, PyramidOptions()).parameters["labels"] == ["flag", "part"]


def test_a_method_that_there_is_not_is_refused() -> None:
    store = make_store({}, "skeleton", size=100)
    with pytest.raises(InvalidInputError, match="unbranched_runs"):
        TreesKind().design(store.level(0), None, PyramidOptions(method="thin"))


@pytest.mark.parametrize(
    "wishes",
    [{"chunk_shapes": [(150.0, 200.0, 200.0)]}, {"bin_shapes": [(30.0,) * 3]}, {"chunk_shapes": [(50.0,) * 3]}],
)
def test_shapes_that_do_not_fit_are_refused(wishes: dict[str, Any]) -> None:
    store = make_store({}, "graph", size=500, chunk_shape=(100.0,) * 3)
    with pytest.raises(InvalidInputError, match="shape"):
        TreesKind().design(store.level(0), None, PyramidOptions(**wishes))


def test_bins_double_and_tolerances_add_up_to_less_than_one() -> None:
    level = make_store({}, "skeleton", size=4000).level(0)
    kind = TreesKind()
    design = kind.design(level, None, PyramidOptions())
    spent = np.array(design.parameters["spent"])
    for _ in range(3):
        before = np.array(design.bin_shape)
        design = kind.design(level, design, PyramidOptions())
        spent = spent + design.parameters["tolerance"] * np.array(design.bin_shape)
        np.testing.assert_allclose(design.parameters["spent"], spent)
        assert (spent < design.bin_shape).all()
        assert (np.array(design.bin_shape) >= 2 * before * (1 - 1e-9)).all()


def test_a_larger_factor_takes_larger_bins() -> None:
    number = np.arange(20_000.0)
    where = np.stack((number, 100 + 10 * np.sin(number / 10), 100 + 10 * np.cos(number / 13)), axis=1)
    edges = np.stack((np.arange(1, 20_000), np.arange(19_999)), axis=1)
    store = create({}, kind="graph", chunk_shape=(5000.0,) * 3)
    store.write(Graph(where, edges=edges, object_ids=[1]))
    level = store.level(0)
    loose, tight = (TreesKind().design(level, None, PyramidOptions(factor=f)).bin_shape for f in (8.0, 2.0))
    assert tight[0] < loose[0]
