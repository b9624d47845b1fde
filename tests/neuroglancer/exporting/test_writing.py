"""Units to files: what was given comes back by its number, and nothing is written twice."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.neuroglancer.exporting.reading import Fake
from zvview.errors import UnreachableError
from zvview.neuroglancer.encoding.shard_reading import lookup
from zvview.neuroglancer.encoding.shards import ShardSpec
from zvview.neuroglancer.exporting import writing
from zvview.neuroglancer.exporting.key_runs import KeyRuns
from zvview.neuroglancer.exporting.planning import Unit
from zvview.neuroglancer.exporting.writing import Folder, write_unit
from zvview.neuroglancer.sources.contract import Section

SEGMENTS = Section("")


def shard_unit(batches: list[list[int]]) -> Unit:
    runs = tuple(KeyRuns.of(np.array(batch, np.uint64)) for batch in batches if batch)
    return Unit("meshes/0.shard", "meshes", 0, runs, ShardSpec(minishard_bits=2))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 199), st.binary(min_size=3, max_size=40), max_size=40),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from([16, 1 << 20]),
)
def test_a_shard_holds_what_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: dict[int, bytes], step: int, head: int, turn: int
) -> None:
    monkeypatch.setattr(writing, "_TURN_BYTES", turn)
    batches = [list(range(200))[k::step] for k in range(step)]  # numbers of batches lie among each other
    unit = shard_unit(batches)
    written = write_unit(Folder(str(tmp_path)), Fake(SEGMENTS, batches, held, head), unit, {})
    assert list(written.files) == (["meshes/0.shard"] if held else []) and written.notes == ("made up",)
    if held:
        data = (tmp_path / "meshes/0.shard").read_bytes()
        assert {key: lookup(unit.spec, data, key) for key in range(200)} == {
            key: held[key][head:] if key in held else None for key in range(200)
        }
        assert all(data.count(whole) >= 1 for whole in held.values())
    assert list((tmp_path / ".zvview-export" / "parts").iterdir()) == []


def test_meshes_are_two_files_each(tmp_path: Path) -> None:
    source = Fake(SEGMENTS, [[1, 2]], {1: b"frag1index1", 2: b"frag2index2"}, head=5)
    unit = Unit("meshes#0", "meshes", 0, (KeyRuns.of(np.array([1, 2], np.uint64)),))
    written = write_unit(Folder(str(tmp_path)), source, unit, {})
    assert {name: (tmp_path / name).read_bytes() for name in written.files} == {
        "meshes/1": b"frag1",
        "meshes/1.index": b"index1",
        "meshes/2": b"frag2",
        "meshes/2.index": b"index2",
    }


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for unit, names in (
        (shard_unit([[1, 2]]), ["meshes/0.shard"]),
        (Unit("meshes#0", "meshes", 0, (KeyRuns.of(np.array([1, 2], np.uint64)),)), ["meshes/1", "meshes/2"]),
    ):
        source = Fake(SEGMENTS, [[1, 2]], {1: b"one.", 2: b"two."})
        first = write_unit(folder, source, unit, {})
        assert first.changed == len(names) == len(first.files)
        again = write_unit(folder, source, unit, first.files)
        assert (again.changed, again.files) == (0, first.files)
        os.utime(tmp_path / names[0], ns=(0, 0))  # as a copy has
        assert write_unit(folder, source, unit, first.files).changed == 0
        (tmp_path / names[0]).write_bytes(b"damaged")
        assert write_unit(folder, source, unit, first.files).changed == 1
        source.held[1] = b"new."
        assert write_unit(folder, source, unit, first.files).changed == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnreachableError, match="cannot write"):
        Folder(str(tmp_path / "file")).put("points/info", b"{}", None)
