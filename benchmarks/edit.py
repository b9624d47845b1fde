"""What an edit costs: the operations, the commit with its coarse levels, the bytes that it writes.

``python benchmarks/edit.py [FOLDER] [large]``: real synapses grown to 10 million points are kept in FOLDER, by default
a temporary one, with points of objects and streamlines; ``large`` adds 100 million (minutes, and 5 GB).

1,000 edits in 100 neighbouring chunks: 600 moved within their neighbourhood, 200 deleted, 200 added; then one attribute
of 1,000. Each round begins with a copy of the store made of hard links: a commit replaces files, and never writes into
them. Stores of which the cost is compared take turns, and their 100 chunks hold about as many vertices.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from clusters import Cluster, cell_bytes, find_cluster, row_bytes
from edit_cases import CHUNKS, EDITED, Case, Edit, edit_lines, edit_points, pick_lines, set_points, weigh_lines
from edit_peer import against_peer
from edited_stores import CHUNK_LINES, CHUNK_POINTS, LINE_VERTICES, line_store, object_store
from harness import Claim, save, timed
from napari_browse import grow
from numpy.typing import NDArray

import zvview
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.editing import commit

ROUNDS = 9
RESIDENT = 100_000
SINGLE_ROUNDS = 50
MB = 1e6
_PARTS = {
    "digests": "digest_chunks",
    "level 0": "put_vertex_edits",
    "lines of level 0": "put_line_edits",
    "coarse levels": "refresh_coarser",
}

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """One round: seconds, and bytes."""

    edits: float
    commit: float
    cpu: float
    parts: Mapping[str, float]
    chunks: int
    written: int
    touched: int


def main() -> None:
    """Measure all."""
    warnings.simplefilter("ignore")  # zarr's, about a data type that the peer uses
    arguments = [a for a in sys.argv[1:] if a != "large"]
    top = Path(tempfile.mkdtemp(prefix="zvview-edit-"))
    os.environ["ZVVIEW_STATE"] = str(top / "state")
    try:
        folder = Path(arguments[0]) if arguments else top / "stores"
        folder.mkdir(exist_ok=True)
        claims = [
            *points(folder, top, is_large="large" in sys.argv[1:]),
            *objects(folder, top),
            *lines(folder, top),
            against_peer(top),
        ]
        save("edit", claims)
    finally:
        shutil.rmtree(top)


def points(folder: Path, top: Path, *, is_large: bool) -> list[Claim]:
    """Points without objects, and single operations on them."""
    names = {"10 M points": "points_10m"} | ({"100 M points": "points_100m"} if is_large else {})
    places = {label: Path(grow(folder, name)) for label, name in names.items()}
    before = {label: _state(place) for label, place in places.items()}
    clusters = _alike(places)
    claims = _both(top, {label: (places[label], cluster) for label, cluster in clusters.items()}, "confidence")
    claims += single_operations(places["10 M points"])
    if any(_state(place) != before[label] for label, place in places.items()):
        raise SystemExit("a store was changed through the links of its copies")
    return claims


def objects(folder: Path, top: Path) -> list[Claim]:
    """Points that belong to 1,000 objects."""
    totals = {"1 M points of 1,000 objects": 1_000_000, "10 M points of 1,000 objects": 10_000_000}
    places = {label: _made(folder / f"objects_{total}", object_store, total) for label, total in totals.items()}
    clusters = _alike(places, CHUNKS * CHUNK_POINTS)
    return _both(top, {label: (places[label], cluster) for label, cluster in clusters.items()}, "score")


def lines(folder: Path, top: Path) -> list[Claim]:
    """Streamlines of 20 vertices, in bundles."""
    totals = {"100,000 streamlines": 100_000, "1 M streamlines": 1_000_000}
    places = {label: _made(folder / f"lines_{total}", line_store, total) for label, total in totals.items()}
    clusters = _alike(places, CHUNKS * CHUNK_LINES * LINE_VERTICES)
    moved, singly, told = {}, {}, {}
    for label, place in places.items():
        cluster = clusters[label]
        with zvview.open(place) as store:
            picked = pick_lines(store, cluster)
        moved[label] = Case(place, partial(edit_lines, lines=picked, is_at_once=True))
        singly[label] = Case(place, partial(edit_lines, lines=picked, is_at_once=False))
        told[label] = Case(place, partial(weigh_lines, lines=picked))
    work = [
        (f"{EDITED:,} edits", moved),
        (f"{EDITED:,} edits, line by line", singly),
        (f"an attribute of {EDITED:,} objects", told),
    ]
    return [claim for what, cases in work for claim in _claims(what, clusters, measure(cases, top))]


def _made(place: Path, make: Callable[[str, int], None], total: int) -> Path:
    """A store of so much; made where it is not there."""
    if not place.exists():
        part = place.with_name(f"{place.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        make(str(part), total)
        part.rename(place)
    return place


def _alike(places: Mapping[str, Path], wanted: float | None = None) -> dict[str, Cluster]:
    """100 chunks of the first store with so many vertices, by default as on average; as many in the others."""
    out: dict[str, Cluster] = {}
    around = None
    for label, place in places.items():
        with zvview.open(place) as store:
            level = store.level(0)
            wanted = CHUNKS * level.vertex_count / len(level.chunks) if wanted is None else wanted
            found = out[label] = find_cluster(store, CHUNKS, wanted, around)
            wanted, around = found.vertices, found.around
    return out


def _both(top: Path, stores: Mapping[str, tuple[Path, Cluster]], attribute: str) -> list[Claim]:
    """Both kinds of edits of points."""
    clusters = {label: cluster for label, (_, cluster) in stores.items()}
    moved = {k: Case(place, partial(edit_points, cluster=c)) for k, (place, c) in stores.items()}
    told = {k: Case(place, partial(set_points, cluster=c, attribute=attribute)) for k, (place, c) in stores.items()}
    return [
        *_claims(f"{EDITED:,} edits", clusters, measure(moved, top)),
        *_claims(f"an attribute of {EDITED:,}", clusters, measure(told, top)),
    ]


def measure(cases: Mapping[str, Case], top: Path) -> dict[str, list[Run]]:
    """Rounds of each case, in turns, after one that does not count.

    Copies stay until all is measured: ext4 takes no inode that was freed in the last minutes, and looks at all such
    ones for each file that is made, so that a commit after a removal takes up to twice as long.
    """
    out: dict[str, list[Run]] = {label: [] for label in cases}
    copies = Path(tempfile.mkdtemp(dir=top))
    for turn in range(ROUNDS + 1):
        for label, case in cases.items():
            run = measure_once(case, copies / f"{turn} {label}")
            if turn:
                out[label].append(run)
    return out


def measure_once(case: Case, copy: Path) -> Run:
    """Edit a copy of a store and commit."""
    shutil.copytree(case.place, copy, copy_function=os.link)
    os.sync()  # or the commit would wait for the links of the copy too, one for each file of the store
    old = _state(copy)
    with zvview.open(copy) as store:
        session = store.edit()
        edit, touching = case.prepare(session)
        cpu, start = time.process_time(), time.perf_counter()
        edit(session)
        edited = time.perf_counter()
        cpu -= time.process_time()
        chunks, edge = _touched_chunks(session, store.level(0).chunk_shape), store.level(0).chunk_shape
        touched = cell_bytes(copy, chunks, edge, touching.arrays) + row_bytes(copy, touching.rows)
        with stopwatch() as parts:
            cpu, begun = cpu + time.process_time(), time.perf_counter()
            done = session.commit()
            ended = time.perf_counter()
            cpu = time.process_time() - cpu
        session.close()
    written = sum(size for key, (size, *rest) in _state(copy).items() if old.get(key) != (size, *rest))
    return Run(edited - start, ended - begun, cpu, parts, done.chunks, written, touched)


def _touched_chunks(session: zvview.EditSession, edge: NDArray[np.float64]) -> Ints:
    """Those that the edits rely on, and those they lead to."""
    edits = session.edits
    new = [entry.positions[entry.is_moved] for entry in edits.chunks.values()]
    new += [line.positions for line in edits.lines.values() if line is not None]
    new += [] if edits.added is None else [edits.added.positions]
    reached = np.floor(np.concatenate([*new, np.empty((0, 3))]).astype(np.float32) / edge).astype(np.int64)
    relied = np.array(sorted(edits.bases), np.int64).reshape(-1, 3)
    return np.unique(np.concatenate((relied, reached)), axis=0)


@contextmanager
def stopwatch() -> Iterator[dict[str, float]]:
    """Seconds by part of what is committed meanwhile."""
    seconds: dict[str, float] = {}

    def watch(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start

        return run

    with ExitStack() as stack:
        for part, name in _PARTS.items():
            stack.enter_context(mock.patch.object(commit, name, watch(part, getattr(commit, name))))
        stack.enter_context(mock.patch.object(FolderCommit, "apply", watch("writing", FolderCommit.apply)))
        yield seconds


def _state(place: Path) -> dict[str, tuple[int, int, int]]:
    """Size, time and file of everything in a folder."""
    found = {}
    for folder, _, files in os.walk(place):
        for name in files:
            path = os.path.join(folder, name)
            told = os.stat(path)
            found[path] = told.st_size, told.st_mtime_ns, told.st_ino
    return found


def _claims(what: str, clusters: Mapping[str, Cluster], found: Mapping[str, Sequence[Run]]) -> list[Claim]:
    """Time and bytes of each store, and what a larger store costs more."""
    claims, totals = [], []
    for label, runs in found.items():
        edits, done, cpu = (
            statistics.median(getattr(run, name) for run in runs) for name in ("edits", "commit", "cpu")
        )
        totals.append(statistics.median(run.edits + run.commit for run in runs))
        parts = {part: statistics.median(run.parts[part] for run in runs) for part in runs[0].parts}
        parts["the rest"] = done - sum(parts.values())
        shares = ", ".join(f"{part} {timed(seconds)}" for part, seconds in parts.items())
        run, cluster = runs[0], clusters[label]
        facts = {
            "edits_s": edits,
            "commit_s": done,
            "cpu_s": cpu,
            "parts_s": parts,
            "rounds_s": [run.edits + run.commit for run in runs],
            "chunks": run.chunks,
            "vertices": cluster.vertices,
            "vertices_around": cluster.around,
        }
        claims += [
            Claim(
                f"{what} in {CHUNKS} chunks, {label}",
                totals[-1],
                1.0,
                "s",
                "at most",
                f"operations {timed(edits)}, commit {timed(done)}: {shares}",
                facts,
            ),
            Claim(
                f"{what} in {CHUNKS} chunks, {label}: bytes against those of the touched cells",
                run.written / run.touched,
                3.0,
                bound="at most",
                how=f"{run.written / MB:.3g} of {run.touched / MB:.3g} MB",
            ),
        ]
    if len(totals) > 1:
        small, large = next(iter(found)), next(reversed(found))
        held = " and ".join(f"{clusters[label].vertices:,}" for label in (small, large))
        name, how = f"{what}, {large} against {small}", f"{held} vertices in the chunks"
        claims.append(Claim(name, totals[-1] / totals[0], 1.3, bound="at most", how=how))
    return claims


def single_operations(place: Path) -> list[Claim]:
    """One operation at a time in a session that holds 100,000 points, and taking it back."""
    with zvview.open(place) as store:
        mean = store.level(0).vertex_count / len(store.level(0).chunks)
        cluster = find_cluster(store, round(RESIDENT / mean), RESIDENT)
        session = store.edit()
        found = session.find(cluster.box)
        rng = np.random.default_rng(2)
        one, many = (found.take(rng.permutation(len(found))[:n]) for n in (1, EDITED))
        works: dict[str, Edit] = {
            "move one": lambda s: s.move(one, one.positions + rng.normal(0, 1, (1, 3))),
            f"move {EDITED:,}": lambda s: s.move(many, many.positions + rng.normal(0, 1, (EDITED, 3))),
            f"an attribute of {EDITED:,}": lambda s: s.set_attributes(many, {"confidence": rng.random()}),
            "move all": lambda s: s.move(found, found.positions + rng.normal(0, 1, 3)),
        }
        claims = []
        for name, work in works.items():
            rounds = 5 if name == "move all" else SINGLE_ROUNDS
            steps = np.array(
                [[_seconds(lambda call=call: call(session)) for call in _there_and_back(work)] for _ in range(rounds)]
            )
            forth, back, again = np.median(steps[1:], axis=0)
            how = f"undo {timed(back)}, redo {timed(again)}; at worst {timed(float(steps[1:].max()))}"
            label = f"{name} of {len(found):,} points"
            claims.append(Claim(label, float(forth), 0.05, "s", "at most", how))
        session.discard()
        session.close()
    return claims


def _there_and_back(work: Edit) -> tuple[Edit, Edit, Edit]:
    return work, zvview.EditSession.undo, zvview.EditSession.redo


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
