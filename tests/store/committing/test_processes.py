"""Real processes: killed at any moment, two that write, one that reads all the time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zvview
from tests.store.committing.conftest import Versions, bytes_in, commit, lay_out
from zvview.errors import ConflictError
from zvview.store.committing.opening import open_commit
from zvview.testing import make_store

# A store whose cells, and whose root's document, all tell their generation; read in two waves, as a store is.
_STORE = """
import json, os, random, signal, sys, time, zlib
import zvview
from zvview.store.committing.opening import open_commit
from zvview.store.places.open import open_source
from zvview.store.store import Store

PLACE = sys.argv[1]
CELLS = [f"cells/c/{i // 10}/{i % 10}" for i in range(40)]

def body(generation):
    data = b"%016d" % generation * 300
    return zlib.crc32(data).to_bytes(4, "little") + data

def commit(place, generation):
    with open_commit(place, "counting") as opened:
        root = json.loads(bytes(opened.source.get_many([("zarr.json", None)])[0]))
        if generation is None:
            generation = root["attributes"]["generation"] + 1
        root["attributes"]["generation"] = generation
        kept = CELLS[:-5] if generation % 2 else CELLS
        changes = {**{cell: body(generation) for cell in kept}, "zarr.json": json.dumps(root).encode()}
        opened.apply(changes | {cell: None for cell in CELLS if cell not in kept})

def read(store):
    source = store._source
    def waves():
        (root,) = source.get_many([("zarr.json", None)])
        generation = json.loads(bytes(root))["attributes"]["generation"]
        first = source.get_many([(cell, None) for cell in CELLS[::2]])
        return generation, first, source.get_many([(cell, None) for cell in CELLS[1::2]])
    generation, first, second = store.retry(waves)
    kept = CELLS[:-5] if generation % 2 else CELLS
    for cell, data in zip(CELLS[::2] + CELLS[1::2], first + second):
        assert data == (body(generation) if cell in kept else None), (generation, cell)
    return generation
"""
_KILLED = """
store = zvview.open(PLACE)
random.seed(7)
pending = dropped = 0
last = read(store)
for _ in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        while True:
            commit(PLACE, None)
    time.sleep(random.uniform(0.002, 0.12))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    left = os.path.exists(PLACE + "/zvview/commit")
    final = os.path.exists(PLACE + "/zvview/commit/log")
    pending, dropped = pending + final, dropped + (left and not final)
    now = read(store)
    assert now >= last
    with open_commit(PLACE, "finishing"):
        pass
    assert read(store) == now and not os.path.exists(PLACE + "/zvview/commit")
    last = now
print(json.dumps([pending, dropped, last]))
"""
_READING = """
store = zvview.open(PLACE)
print("reading", flush=True)
seen = set()
while not os.path.exists(sys.argv[2]):
    seen.add(read(store))
print(len(seen))
"""
_WRITING = """
print("writing", flush=True)
for _ in range(int(sys.argv[2])):
    commit(PLACE, None)
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    forks = "ignore:This process:DeprecationWarning"  # numpy's own threads are at rest
    command = [sys.executable, "-W", "error", "-W", forks, "-c", _STORE + script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def counting(tmp_path: Path) -> Path:
    """The store in generation 1."""
    folder = tmp_path / "s"
    make_store(folder, "point_cloud", size=10, ndim=2).close()
    root = json.loads((folder / "zarr.json").read_bytes())
    root["attributes"]["generation"] = 0
    (folder / "zarr.json").write_text(json.dumps(root))
    with start(_WRITING, folder, 1) as process:
        assert process.wait(60) == 0
    return folder


def test_killed_at_random_moments(counting: Path) -> None:
    with start(_KILLED, counting, 25) as process:
        assert process.stdout is not None
        pending, dropped, last = map(int, re.findall(r"\d+", process.stdout.read()))
        assert process.wait(60) == 0
    assert pending + dropped > 0 and last > 1


def test_a_reader_never_sees_a_mixture(counting: Path, tmp_path: Path) -> None:
    end = tmp_path / "end"
    with start(_READING, counting, end) as reading:
        assert reading.stdout is not None
        assert reading.stdout.readline() == "reading\n"
        try:
            with start(_WRITING, counting, 40) as writing:
                assert writing.wait(60) == 0
        finally:
            end.touch()
        assert reading.wait(60) == 0
        assert int(reading.stdout.read()) > 2


def test_of_two_writers_one_is_told_of_the_other(tmp_path: Path, versions: Versions) -> None:
    folder = lay_out(tmp_path / "s", versions[0])
    held = """
with open_commit(PLACE, "editing points"):
    print("holding", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", _STORE + held, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == "holding\n"
        with pytest.raises(ConflictError, match=rf"process {other.pid} on .* has been editing points since 20"):
            commit(folder, versions[1])
        with pytest.raises(ConflictError):
            zvview.grow(folder, ([-5000.0] * 2, [5000.0] * 2))
        assert versions.tell(bytes_in(folder)) == "0"
        other.kill()
        other.wait(60)
    commit(folder, versions[1])
    assert versions.tell(bytes_in(folder)) == "1"
    with open_commit(folder, "a"), pytest.raises(ConflictError, match="this process itself has been a since"):
        commit(folder, versions[2])
