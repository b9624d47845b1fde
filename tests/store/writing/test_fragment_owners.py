"""Fragments of objects are the same whether they fit into memory or wait on disk; so are arrays of runs."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zvview.store.writing import fragment_owners, runs
from zvview.store.writing.fragment_owners import FragmentOwners, OwnedFragments
from zvview.store.writing.runs import Spool, count_bytes

WAVES = st.lists(st.lists(st.tuples(*[st.integers(0, 9)] * 4), max_size=12), max_size=6)


@given(WAVES, st.booleans(), st.integers(1, 20), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_fragments_come_by_object_and_rank_however_they_were_kept(
    waves: list[list[tuple[int, int, int, int]]], has_ranks: bool, most: int, kept: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragment_owners, "_RUN_FRAGMENTS", most)
        patch.setattr(fragment_owners, "_KEPT_RUNS", kept)
        patch.setattr(runs, "_SMALL", 1)
        owners = FragmentOwners()
        rows: list[tuple[int, int, int, int]] = []
        for wave in waves:
            objects, chunks, fragments, ranks = np.array(wave, np.int64).reshape(-1, 4).T
            owners.add(objects, chunks, fragments, ranks if has_ranks else None)
            rows += [(o, r if has_ranks else c, f, c) for o, c, f, r in wave]
        rows.sort(key=lambda row: row[:3])
        ids = owners.ids()
        assert ids.tolist() == sorted({row[0] for row in rows}) and len(owners) == len(rows)
        assert owners.count(ids).tolist() == [sum(row[0] == i for row in rows) for i in ids.tolist()]
        found = owners.between(3, 6)
        wanted = [row for row in rows if 3 <= row[0] <= 6]
        assert list(zip(found.objects.tolist(), found.ranks.tolist(), found.fragments.tolist(), strict=True)) == [
            row[:3] for row in wanted
        ]
        assert owners.sorted()[0].tolist() == [row[0] for row in rows]
        assert sorted(map(tuple, np.stack(owners.sorted(), axis=1).tolist())) == sorted(
            (o, c, f) for o, _, f, c in rows
        )


def test_what_waits_on_disk_goes_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(fragment_owners, "_RUN_FRAGMENTS", 10_000)
    monkeypatch.setattr(fragment_owners, "_KEPT_RUNS", 1)
    owners = FragmentOwners()
    numbers = np.arange(20_000)
    owners.add(numbers, numbers, numbers, None)
    assert not any(tmp_path.iterdir())
    owners.add(numbers, numbers, numbers, None)
    assert any(tmp_path.iterdir())
    del owners
    gc.collect()
    assert not any(tmp_path.iterdir())


def test_what_is_taken_of_an_array_on_disk_counts_as_memory_and_can_be_spilled() -> None:
    spool = Spool()
    numbers = np.arange(100_000)
    spilled = spool.spill(OwnedFragments(numbers, numbers, numbers, numbers))
    assert count_bytes(spilled) == 0 and count_bytes(spool.spill(spilled)) == 0
    taken = OwnedFragments(*(spilled.objects.take(numbers[::-1]) for _ in range(4)))
    assert count_bytes(taken) == 4 * numbers.nbytes
    files = spool.files
    again = spool.spill(taken)
    assert count_bytes(again) == 0 and spool.files == files + 4
    np.testing.assert_array_equal(again.objects, numbers[::-1])
    spool.close()
