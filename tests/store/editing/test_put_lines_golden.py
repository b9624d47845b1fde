"""Stores of lines by the reference library: an edit works, or is refused in clear words; nothing is ever damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import zvview
from tests.store.conftest import NAMES, Expected
from tests.store.editing.test_put_vertices_golden import assert_no_worse, finest_level_of
from zvview.errors import UnsupportedError
from zvview.pyramid.refresh import compute_refresh
from zvview.store.editing.edits import EditedLine, Edits
from zvview.store.editing.put_lines import put_line_edits
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

CASES = [name for name in NAMES if Expected(name).facts["kind"] in ("line", "polyline", "streamline")]
REFUSED = {
    "edited_streamlines": "or to several",
    "explicit_fragments": "belong to no line",
    "streamlines_tools": "segment_id",
}
Lines = dict[int, tuple[Any, dict[str, Any]]]


def read_lines(place: dict[str, bytes]) -> Lines:
    level = zvview.open(place).level(0)
    batch: Any = level.read_objects(level.present_object_ids)
    spans = zip(batch.object_ids.tolist(), batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True)
    return {
        i: (batch.positions[a:b].tolist(), {name: values[a:b].tolist() for name, values in batch.attributes.items()})
        for i, a, b in spans
    }


@pytest.mark.parametrize("name", CASES)
def test_lines_of_any_store(name: str, golden_bytes: Mapping[str, Mapping[str, bytes]]) -> None:
    before = finest_level_of(golden_bytes[name])
    lines = read_lines(before)
    ids = sorted(lines)
    edits = {
        i: EditedLine(np.array(lines[i][0])[::-1], {n: np.array(v)[::-1] for n, v in lines[i][1].items()})
        for i in ids[:-1][:3]
    }
    overlay = Overlay(MemorySource(before))
    if name in REFUSED:
        with pytest.raises(UnsupportedError, match=REFUSED[name]):
            put_line_edits(overlay, Edits(lines=dict(edits)))
        assert overlay.changes == {}
        return
    touched = put_line_edits(overlay, Edits(lines={**edits, ids[-1]: None}))
    changes = {**overlay.changes, **compute_refresh(overlay, touched.chunks, objects=touched.objects).changes}
    after = {k: v for k, v in before.items() if k not in changes} | {k: v for k, v in changes.items() if v is not None}
    expected = {i: line for i, line in lines.items() if i != ids[-1]}
    expected |= {i: (lines[i][0][::-1], {n: v[::-1] for n, v in lines[i][1].items()}) for i in edits}
    assert read_lines(after) == expected
    assert_no_worse(before, after)
