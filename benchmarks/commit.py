"""What a commit costs, and what becomes of it when its process is killed.

``python benchmarks/commit.py [KILLS]``. 100 cells of 64 kB of a store of 2,000 cells are replaced as one, everything
synced: medians, beside the plainest commit of the same bytes with the same promises (one log, each cell written and
synced again) in the same rounds. Then a process that does nothing but commit is killed at random moments, 1,000 times,
every fourth time while the disk fills up; after each kill all cells must be of one generation, before anything is
cleaned up, as a reader sees them, and after it.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

from harness import Claim, save, timed

import zvview
from zvview.store.committing.disk import Disk, Owner
from zvview.store.committing.folder_commit import FolderCommit
from zvview.store.committing.opening import open_commit
from zvview.store.places.folder import FolderSource
from zvview.testing import make_store

CELLS, TOUCHED, SIZE, ROUNDS = 2000, 100, 65536, 15
KILLED_CELLS, KILLED_SIZE = 40, 4096
_ASKED_S = 0.2


def cell(i: int) -> str:
    return f"cells/c/{i // 400}/{i // 20 % 20}/{i % 20}"


def body(generation: int, size: int) -> bytes:
    data = generation.to_bytes(8, "little") * (size // 8 - 1)
    return zlib.crc32(data).to_bytes(8, "little") + data


def make(folder: Path, cells: int, size: int) -> None:
    """A sound store with cells beside its own, all of generation 0."""
    make_store(folder, "point_cloud", size=100).close()
    for i in range(cells):
        path = folder / cell(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body(0, size))


def plain_commit(folder: Path, changes: Mapping[str, bytes]) -> None:
    """A redo log of all bytes, then each cell anew, synced one by one."""
    log = folder / "edit.log"
    _write_synced(folder / "edit.part", b"".join(changes.values()))
    os.replace(folder / "edit.part", log)
    _sync(folder)
    for key, data in changes.items():
        _write_synced(folder / f"{key}.new", data)
        os.replace(folder / f"{key}.new", folder / key)
    for parent in {(folder / key).parent for key in changes}:
        _sync(parent)
    log.unlink()


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def time_commits(folder: Path) -> Claim:
    picked = [cell(i) for i in random.Random(1).sample(range(CELLS), TOUCHED)]
    ours, plain = [], []
    for generation in range(1, 2 * ROUNDS + 3, 2):
        changes = dict.fromkeys(picked, body(generation, SIZE))
        start = time.perf_counter()
        with open_commit(folder, "being measured") as opened:
            opened.source.get_many([(key, None) for key in picked])
            opened.apply(changes)
        ours.append(time.perf_counter() - start)
        changes = dict.fromkeys(picked, body(generation + 1, SIZE))
        start = time.perf_counter()
        plain_commit(folder, changes)
        plain.append(time.perf_counter() - start)
    median, other = statistics.median(ours[1:]), statistics.median(plain[1:])
    how = f"{timed(median)}, at worst {timed(max(ours[1:]))}; the plainest commit {timed(other)}"
    facts = {"cells": TOUCHED, "bytes": SIZE, "plain_s": other, "worst_s": max(ours[1:])}
    return Claim("commit of 100 cells of 64 kB, synced", median, _ASKED_S, "s", "at most", how, facts)


class FillingDisk(Disk):
    """A disk that is full after some steps."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def _use(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(28, "No space left on device")

    def write(self, path: str, data: bytes, owner: Owner | None = None) -> None:
        """See :meth:`zvview.store.committing.disk.Disk.write`."""
        self._use()
        super().write(path, data, owner)

    def make_folder(self, path: str, owner: Owner | None = None) -> None:
        """See :meth:`zvview.store.committing.disk.Disk.make_folder`."""
        self._use()
        super().make_folder(path, owner)

    def rename(self, old: str, new: str) -> None:
        """See :meth:`zvview.store.committing.disk.Disk.rename`."""
        self._use()
        super().rename(old, new)


def commit_for_ever(folder: Path, seed: int) -> None:
    """What the process does that is killed."""
    rng = random.Random(seed)
    generation = read_generation(FolderSource(str(folder)))
    while True:
        generation += 1
        changes = {cell(i): body(generation, KILLED_SIZE) for i in range(KILLED_CELLS)}
        if seed % 4:
            with open_commit(folder, "being killed") as opened:
                opened.apply(changes)
            continue
        with open_commit(folder, "being killed") as opened:
            disk = FillingDisk(rng.randrange(2 * KILLED_CELLS + 10))
            try:
                FolderCommit(FolderSource(str(folder)), disk).apply(changes)
            except zvview.UnreachableError:
                generation -= 1


def read_generation(source: FolderSource) -> int:
    """The generation of all cells; -1 where they are of several, or not whole."""
    found = source.get_many([(cell(i), None) for i in range(KILLED_CELLS)])
    cells = [bytes(data or b"") for data in found]
    generation = int.from_bytes(cells[0][8:16], "little")
    return generation if set(cells) == {body(generation, KILLED_SIZE)} else -1


def kill_commits(folder: Path, kills: int) -> Claim:
    rng = random.Random(2)
    source = FolderSource(str(folder))
    told = dict.fromkeys(("final", "dropped", "mixed_on_disk", "half_applied", "lost", "unsound"), 0)
    last = 0
    for seed in range(kills):
        child = os.fork()
        if not child:
            try:
                commit_for_ever(folder, seed)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0.002, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit("the process that was to be killed ended by itself")
        is_final = (folder / "zvview/commit/log").exists()
        told["final"] += is_final
        told["dropped"] += not is_final and (folder / "zvview/commit").exists()
        raw = {(folder / cell(i)).read_bytes()[8:16] for i in range(KILLED_CELLS)}
        told["mixed_on_disk"] += len(raw) > 1
        seen = read_generation(source)
        told["half_applied"] += seen < 0
        with open_commit(folder, "recovering"):
            pass
        after = read_generation(source)
        told["half_applied"] += after < 0
        told["lost"] += after != seen or after < last
        last = after
        if seed % 50 == 0 or seed == kills - 1:
            told["unsound"] += not zvview.check(folder).ok or (folder / "zvview/commit").exists()
    bad = told["half_applied"] + told["lost"] + told["unsound"]
    how = f"{told['final']} were final and finished, {told['dropped']} dropped, {last} commits in all"
    return Claim(f"wrong after {kills} kills", bad, 0, "", "at most", how, {**told, "commits": last})


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    top = Path(tempfile.mkdtemp(prefix="zvview-commit-"))
    try:
        make(top / "timed", CELLS, SIZE)
        make(top / "killed", KILLED_CELLS, KILLED_SIZE)
        claims = [time_commits(top / "timed"), kill_commits(top / "killed", kills)]
    finally:
        shutil.rmtree(top)
    save("commit", claims)


if __name__ == "__main__":
    main()
