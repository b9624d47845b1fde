"""What a check promises: nothing about content is raised, damage does not end it, places are named."""

from __future__ import annotations

import json
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.store.check.codes import CODES
from zvview.store.places.memory import MemorySource
from zvview.testing import KINDS, make_store

GOLDEN = sorted((Path(__file__).parents[2] / "data" / "golden").glob("*.zip"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"codec": "zstd", "shards": True}], ids=["raw", "sharded"])
def test_what_zvview_writes_has_no_finding(kind: str, options: dict[str, object]) -> None:
    held: dict[str, bytes] = {}
    make_store(held, kind, size=500, chunk_shape=(300, 300, 300), **options)  # type: ignore[arg-type]
    findings = zvview.check(held)
    assert list(findings) == []
    assert findings.ok


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_what_the_reference_writes_has_no_error(path: Path) -> None:
    findings = zvview.check(path)
    assert [str(f) for f in findings.errors] == []
    assert findings.place == str(path)


def test_faults_of_the_reference_are_told() -> None:
    folder = GOLDEN[0].parent
    codes = {path.stem: {f.code for f in zvview.check(path)} for path in GOLDEN}
    assert folder.is_dir()
    assert "bridges" in codes["lines"]  # its links hold numbers of fragments where rows belong
    assert "shared-fragment" in codes["edited_streamlines"]
    assert "several-roots" in codes["skeleton_tools"]
    assert "self-link" in codes["duplicate_links"]
    assert "vertex-count" in codes["skeleton_chunked"]


def test_the_walk_goes_on_past_damage() -> None:
    held: dict[str, bytes] = {}
    store = make_store(held, "point_cloud", size=2000, chunk_shape=(300, 300, 300), with_groups=False)
    chunks = store.level(0).chunks
    cells = sorted(key for key in held if key.startswith("0/vertices/c/"))
    held[cells[0]] = held[cells[0]][:-3]
    values = np.frombuffer(held[cells[-1]], np.uint8).copy()
    values[8:12] = np.array([np.nan], "<f4").view(np.uint8)
    held[cells[-1]] = values.tobytes()
    del held["0/vertex_attributes/zarr.json"]
    codes = {(f.code, f.where.partition(",")[0]) for f in zvview.check(held)}
    assert len(chunks) > 2
    assert {("damaged-cell", "0/vertices"), ("not-finite", "0/vertices")} <= codes


def test_a_level_that_cannot_be_opened_does_not_keep_the_others_from_being_checked() -> None:
    with zipfile.ZipFile(GOLDEN[0].parent / "points_objects.zip") as archive:
        held = {i.filename: archive.read(i) for i in archive.infolist()}
    document = json.loads(held["1/zarr.json"])
    document["attributes"]["zarr_vectors_level"]["level"] = "one"
    held["1/zarr.json"] = json.dumps(document).encode()
    held["2/vertices/c/0/0/0"] = b"\0\0"
    found = {(f.code, f.where) for f in zvview.check(held)}
    assert ("damaged-metadata", "1") in found
    assert ("damaged-cell", "2/vertices, chunk 0.0.0") in found


def test_members_of_a_collection_are_checked_and_named() -> None:
    held: dict[str, bytes] = {}
    for name, kind in (("cells", "point_cloud"), ("fibres", "streamline")):
        part: dict[str, bytes] = {}
        make_store(part, kind, size=200)
        held |= {f"{name}/{key}": value for key, value in part.items()}
    nodes = [{"name": n, "type": "collection", "path": f"./{n}"} for n in ("cells", "fibres")]
    nodes += [{"name": "image", "path": "./image"}, {"path": 3}, {"name": "far", "path": "https://example.org/x"}]
    root = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"type": "collection", "nodes": nodes}}}
    held["zarr.json"] = json.dumps(root).encode()
    key = next(k for k in held if k.startswith("fibres/0/vertices/c/"))
    held[key] = b"\1"
    found = zvview.check(held)
    assert [f.where.partition(",")[0] for f in found.errors if f.code == "damaged-cell"] == ["fibres/0/vertices"]
    assert any(f.where.startswith("image") for f in found.errors)
    assert any("node with a name" in f.message for f in found.errors)


def test_only_so_many_findings_of_a_kind_are_kept() -> None:
    held: dict[str, bytes] = {}
    make_store(held, "point_cloud", size=3000, chunk_shape=(100, 100, 100), shards=False, form="uniform")
    for key in [k for k in held if k.startswith("0/vertices/c/")]:
        held[key] = b"\0"
    found = [f for f in zvview.check(held) if f.code == "damaged-cell"]
    assert len(found) == 21
    assert found[-1].message.endswith("more of these")


def test_places_out_of_reach_are_raised_and_content_is_not(tmp_path: Path) -> None:
    with pytest.raises(zvview.UnreachableError):
        zvview.check(tmp_path / "nothing")
    (tmp_path / "file").write_bytes(b"text")
    assert [f.code for f in zvview.check(tmp_path / "file")] == ["not-a-store"]
    assert [f.code for f in zvview.check(tmp_path)] == ["not-a-store"]
    assert [f.code for f in zvview.check({"zarr.json": b"{"})] == ["damaged-metadata"]


def test_progress_reaches_its_end_and_a_token_ends_the_check() -> None:
    held: dict[str, bytes] = {}
    make_store(held, "graph", size=500, chunk_shape=(300, 300, 300))
    told: list[tuple[int, int, str]] = []
    zvview.check(held, progress=lambda *step: told.append(step))
    done, total, text = told[-1]
    assert done == total > 0
    assert text
    assert all(a[0] <= b[0] for a, b in pairwise(told))
    token = zvview.CancelToken()
    token.cancel()
    with pytest.raises(zvview.Cancelled):
        zvview.check(held, cancel=token)


def test_findings_are_plain_values_for_programs() -> None:
    held: dict[str, bytes] = {}
    make_store(held, "point_cloud", size=100)
    del held["0/vertex_fragments/zarr.json"]
    findings = zvview.check(held)
    document = json.loads(json.dumps(findings.to_dict()))
    assert document["place"] == MemorySource(held).place
    assert document["ok"] is findings.ok
    assert len(document["findings"]) == len(findings)
    assert {f["severity"] for f in document["findings"]} <= {"error", "warning", "note"}
    order = [f.severity for f in findings]
    assert order == sorted(order, key=("error", "warning", "note").index)
    assert str(next(iter(findings))).startswith(order[0])


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_case(code: str) -> None:
    cases = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*_faults.py"))
    severity, remedy = CODES[code]
    assert f'("{code}", ' in cases or f'("{code}")' in cases
    assert severity in ("error", "warning", "note")
    assert remedy.endswith(".")
