"""Lines after edits: the levels are those of a rebuild, and what was not touched is neither read nor written."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import zvview
from tests.pyramid.conftest import (
    NESTED,
    OBJECTS,
    CountingMemory,
    Memory,
    assert_refresh_is_rebuild,
    edit_objects,
    tables_of,
    transplant,
    write,
)
from zvview.errors import InvalidInputError
from zvview.pyramid import PyramidOptions, build_pyramid
from zvview.pyramid.line_design import LineRules
from zvview.pyramid.object_choice import ALL
from zvview.pyramid.refresh import compute_refresh
from zvview.pyramid.stored_surveys import read_survey
from zvview.store.places.memory import MemorySource
from zvview.testing import make_batch

pytestmark = pytest.mark.usefixtures("unsynced")

EDGE = 32.0
Lines = dict[int, NDArray[Any]]


def some_lines(rng: np.random.Generator, count: int, ndim: int, dtype: Any) -> Lines:
    """Walks of every length, some through many chunks, with sparse and negative ids."""
    ids = rng.choice(10**6, count, replace=False) - 5 * 10**5
    return {int(i): walk(rng, ndim, dtype) for i in ids}


def walk(rng: np.random.Generator, ndim: int, dtype: Any) -> NDArray[Any]:
    steps = rng.normal(0, rng.choice([0.5, 2.0, 8.0]), (int(rng.integers(2, 20)), ndim))
    steps[0] = rng.uniform(0, 2 * EDGE, ndim)
    return limited(np.cumsum(steps, axis=0).astype(dtype))


def limited(line: NDArray[Any]) -> NDArray[Any]:
    line = line.clip(-EDGE, 3 * EDGE - 0.01)
    if line.shape[1] == 4:
        line[:, 3] = np.sort(line[:, 3])
    return line


def edit_lines(rng: np.random.Generator, lines: Lines, ndim: int, dtype: Any) -> tuple[Lines, list[int]]:
    """Some lines cut at an end, made longer, moved, bent, deleted or added; and which."""
    out, edited = dict(lines), []
    for i in rng.choice(sorted(lines), min(len(lines), int(rng.integers(0, 6))), replace=False).tolist():
        line = out.pop(i)
        what = rng.integers(0, 6)
        if what == 0 and len(line) > 3:
            out[i] = line[: int(rng.integers(2, len(line)))]
        elif what == 1:
            out[i] = limited(np.concatenate((line[:1] + rng.normal(0, 20, (3, ndim)).astype(dtype), line)))
        elif what == 2:
            out[i] = limited(line + rng.normal(0, 30, ndim).astype(dtype))
        elif what == 3:
            bent = line.copy()
            bent[rng.integers(0, len(line))] += rng.normal(0, 3, ndim).astype(dtype)
            out[i] = limited(bent)
        elif what == 4 and len(line) > 3:
            out[i] = line[int(rng.integers(1, len(line) - 2)) :]
        edited.append(i)
    for i in rng.choice(10**6, int(rng.integers(0, 3)), replace=False) + 10**6:
        out[int(i)] = walk(rng, ndim, dtype)
        edited.append(int(i))
    return (out, edited) if out else (dict(lines), [])


def as_store(lines: Lines, groups: dict[str, Any] | None = None, **options: Any) -> Memory:
    ids = np.array(sorted(lines))
    shapes = [lines[i] for i in ids.tolist()]
    ndim = shapes[0].shape[1]
    values = np.concatenate([line.sum(axis=1) for line in shapes]).astype(np.float32)
    batch = zvview.Streamlines.from_list(shapes)
    batch = replace(batch, object_ids=ids, attributes={"value": values, "label": (values // 9).astype(np.int16)})
    chunk = (EDGE,) * 3 + (2 * EDGE,) * (ndim - 3)
    bounds = ((-2 * EDGE,) * ndim, (4 * EDGE,) * ndim)
    options = {"chunk_shape": chunk, "bounds": bounds, "axes": "xyzt"[:ndim]} | options
    groups = {str(g): ids[ids % 7 == g] for g in range(3)} if groups is None else groups
    return write(batch, options=options, object_attributes={"twice": ids * 2}, **({"groups": groups} if groups else {}))


def rules_of(place: Memory) -> list[LineRules]:
    with zvview.open(place) as store:
        own = [store.reader(n).layout.metadata.raw["zarr_vectors_level"]["zvview_pyramid"] for n in store.levels[1:]]
    return [LineRules.parse(entry["parameters"]) for entry in own]


def few_of(ndim: int, **more: Any) -> PyramidOptions:
    """Levels that leave out many lines."""
    bins = [(EDGE * 2**k,) * 3 + (2 * EDGE,) * (ndim - 3) for k in range(2)]
    chunks = [(EDGE * 2**k,) * 3 + (2 * EDGE,) * (ndim - 3) for k in (0, 1)]
    wishes = {"levels": 2, "bin_shapes": bins, "chunk_shapes": chunks, "method": "sparsity", "factor": 3}
    return PyramidOptions(**wishes | more)


SEEDS = st.integers(0, 2**32)
QUICK = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(
    seed=SEEDS,
    ndim=st.sampled_from([3, 3, 4]),
    is_told=st.booleans(),
    method=st.sampled_from(["sparsity", "simplify"]),
    share=st.sampled_from([None, None, 0.5]),
)
def test_levels_after_random_edits_are_those_of_a_rebuild(
    seed: int, ndim: int, is_told: bool, method: str, share: float | None
) -> None:
    rng = np.random.default_rng(seed)
    dtype = rng.choice([np.float32, np.float64])
    lines = some_lines(rng, 40, ndim, dtype)
    place = as_store(lines)
    build_pyramid(place, few_of(ndim, method=method, object_sparsity=share))
    for _ in range(2):
        lines, edited = edit_lines(rng, lines, ndim, dtype)
        place, chunks = transplant(place, as_store(lines))
        report = assert_refresh_is_rebuild(place, chunks, objects=edited if is_told else None)
        assert not any(level.is_whole for level in report.levels)
    assert list(zvview.check(place)) == []


@settings(QUICK, max_examples=3)
@given(seed=SEEDS)
def test_where_all_are_gone_that_were_known_others_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        for module in ("lines", "line_fates"):
            patch.setattr(f"zvview.pyramid.{module}.MOST_OF_BIN", 1)
        for module in ("length_classes", "line_fates"):
            patch.setattr(f"zvview.pyramid.{module}.MOST_OF_CLASS", 8)
        lines = some_lines(rng, 60, 3, np.float32)
        place = as_store(lines)
        build_pyramid(place, few_of(3))
        for _ in range(3):
            lines, edited = edit_lines(rng, lines, 3, np.float32)
            place, chunks = transplant(place, as_store(lines))
            assert_refresh_is_rebuild(place, chunks, objects=edited)


@pytest.mark.parametrize("kind", ["line", "polyline"])
@settings(QUICK, max_examples=2)
@given(seed=SEEDS)
def test_other_kinds_of_lines(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    batch: Any = make_batch(kind, 240, seed=seed % 7, n_objects=120 if kind == "line" else 8)
    place = write(batch, options=OBJECTS, **tables_of(batch))
    build_pyramid(place, PyramidOptions(levels=2, chunk_shapes=NESTED))
    for _ in range(2):
        batch = edit_objects(rng, batch, kind)
        place, chunks = transplant(place, write(batch, options=OBJECTS, **tables_of(batch)))
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)


def crowd(seed: int = 1, count: int = 240) -> tuple[Lines, Memory]:
    """Many short lines in a row of chunks, of which the first level leaves out some."""
    rng = np.random.default_rng(seed)
    starts = rng.uniform((0, 0, 0), (40 * EDGE, EDGE, EDGE), (count, 3))
    lines = {
        i: (start + np.cumsum(rng.normal(0, 1, (8, 3)), axis=0)).clip(0, 40 * EDGE - 1)
        for i, start in enumerate(starts)
    }
    place = as_store({i: line.astype(np.float32) for i, line in lines.items()}, bounds=((0.0,) * 3, (40 * EDGE,) * 3))
    build_pyramid(
        place, few_of(3, levels=2, bin_shapes=[(32.0,) * 3, (64.0,) * 3], chunk_shapes=[(EDGE,) * 3, (2 * EDGE,) * 3])
    )
    return lines, place


def thinned(lines: Lines, ids: list[int]) -> Memory:
    """The same lines, some of them with fewer vertices."""
    edited = {i: line[:: 2 if i in ids else 1].astype(np.float32) for i, line in lines.items()}
    return as_store(edited, bounds=((0.0,) * 3, (40 * EDGE,) * 3))


def far_cells(keys: set[str], chunks: NDArray[np.int64]) -> list[str]:
    """Cells of chunk grids, of those keys, that lie more than four chunks of level 0 from some of them."""
    arrays = ("vertices", "vertex_fragments", "vertex_attributes", "fragment_attributes", "links")
    cells = [k for k in keys if "/c/" in k and k.split("/")[1] in arrays]
    reach = {0: 1, 1: 1, 2: 2}
    place = [int(k.rpartition("/c/")[2].split("/")[0]) * reach[int(k[0])] for k in cells]
    low, high = chunks[:, 0].min() - 4, chunks[:, 0].max() + 4
    return [k for k, x in zip(cells, place, strict=True) if not low <= x <= high]


def test_far_chunks_are_neither_read_nor_written() -> None:
    lines, place = crowd()
    assert all(rules.threshold < ALL for rules in rules_of(place))
    place, chunks = transplant(place, thinned(lines, [7]))
    assert 0 < len(chunks) < 5
    source = CountingMemory(place)
    done = compute_refresh(source, chunks)
    assert not any(level.is_whole for level in done.levels)
    assert done.changes
    assert far_cells(source.keys | set(done.changes), chunks) == []
    surveys = [key for key in done.changes if key.startswith("zvview/surveys/") and "/c/" in key]
    assert 0 < len(surveys) <= 2 * 6
    kept = {key for key in place if key.startswith("zvview/surveys/") and "/c/" in key}
    assert len(kept & source.keys) <= 2 * 6 < len(kept)
    assert_refresh_is_rebuild(place, chunks)


def test_being_told_which_lines_saves_reading_the_others() -> None:
    lines, place = crowd()
    place, chunks = transplant(place, thinned(lines, [7]))
    sources = CountingMemory(place), CountingMemory(place)
    changes = [compute_refresh(s, chunks, objects=told).changes for s, told in zip(sources, (None, [7]), strict=True)]
    assert changes[0] == changes[1]
    assert sources[1].keys <= sources[0].keys
    with pytest.raises(InvalidInputError, match="integers"):
        compute_refresh(sources[0], chunks, objects=["a"])


@pytest.mark.parametrize("harm", ["none", "cut", "old", "otherwise"])
def test_without_surveys_levels_are_made_as_wholes_once(harm: str) -> None:
    lines, place = crowd(count=90)
    surveys = sorted(key for key in place if key.startswith("zvview/surveys/"))
    for key in surveys:
        if harm == "none":
            del place[key]
        elif harm == "cut" and "/c/" in key:
            place[key] = place[key][:-3]
        elif harm == "otherwise" and key.count("/") == 3:  # kept as another version of zvview does
            place[key] = place[key].replace(b'"choice"', b'"chosen"')
    place, chunks = transplant(place, thinned(lines, [3]))
    if harm == "old":  # made anew by somebody who does not know of surveys
        document = json.loads(place["1/zarr.json"])
        place["1/zarr.json"] = json.dumps(document, indent=1).encode()
    report = assert_refresh_is_rebuild(place, chunks)
    assert all(level.is_whole for level in report.levels)
    assert sorted(key for key in place if key.startswith("zvview/surveys/")) == surveys
    place, chunks = transplant(place, thinned(lines, [4]))
    assert not any(level.is_whole for level in assert_refresh_is_rebuild(place, chunks).levels)


def test_no_flipped_bit_of_a_survey_is_believed() -> None:
    _, place = crowd(count=90)
    true = read_survey(MemorySource(place), 1)
    assert true is not None
    assert len(true.counts.ids) > 0 < len(true.heads)
    key = max((key for key in place if key.startswith("zvview/surveys/1/c/")), key=lambda key: len(place[key]))
    cell = place[key]
    for at in range(8, len(cell)):
        place[key] = cell[:at] + bytes([cell[at] ^ 1 << at % 8]) + cell[at + 1 :]
        found = read_survey(MemorySource(place), 1)
        for part in () if found is None else ("counts", "heads"):
            for name in getattr(true, part).__dataclass_fields__:
                np.testing.assert_array_equal(getattr(getattr(found, part), name), getattr(getattr(true, part), name))


def test_cells_in_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zvview.store.writing.choose._MOST_FILES", 50)
    monkeypatch.setattr("zvview.store.writing.choose._SHARD_BITS", 3)
    rng = np.random.default_rng(2)
    lines = some_lines(rng, 40, 3, np.float32)
    place = as_store(lines, shards=False)
    build_pyramid(place, few_of(3))
    assert b"sharding_indexed" in place["1/vertices/zarr.json"]
    assert b"sharding_indexed" in place["zvview/surveys/1/zarr.json"]
    for _ in range(3):
        lines, _ = edit_lines(rng, lines, 3, np.float32)
        place, chunks = transplant(place, as_store(lines, shards=False))
        assert not any(level.is_whole for level in assert_refresh_is_rebuild(place, chunks).levels)


def test_groups_alone_change_which_lines_stay() -> None:
    lines = some_lines(np.random.default_rng(3), 50, 3, np.float32)
    place = as_store(lines)
    build_pyramid(place, few_of(3))
    left_out = min(set(lines) - set(present_in(place, 1)))
    for groups, is_kept in (({"alone": [left_out]}, True), ({}, False)):
        place, chunks = transplant(place, as_store(lines, groups))
        assert not len(chunks)
        report = assert_refresh_is_rebuild(place, chunks)
        assert not any(level.is_whole for level in report.levels)
        assert [left_out in present_in(place, number) for number in (1, 2)] == [is_kept] * 2


def present_in(place: Memory, number: int) -> list[int]:
    ids = zvview.open(place).level(number).present_object_ids
    assert ids is not None
    return [int(i) for i in ids]


def test_surveys_go_with_their_levels() -> None:
    _, place = crowd(count=90)
    assert {key.split("/")[2] for key in place if key.startswith("zvview/surveys/")} == {"1", "2", "zarr.json"}
    build_pyramid(place, PyramidOptions(levels=1, chunk_shapes=[(EDGE,) * 3]))
    assert {key.split("/")[2] for key in place if key.startswith("zvview/surveys/")} == {"1", "zarr.json"}
    assert list(zvview.check(place)) == []


def test_the_reference_does_not_mind_surveys(tmp_path: Path) -> None:
    import zarr_vectors

    _, place = crowd(count=90)
    for key, data in place.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = zarr_vectors.open(str(tmp_path)).validate(level=5)
    assert found.errors == []
    assert [text for text in found.warnings if "zvview" in str(text)] == []
