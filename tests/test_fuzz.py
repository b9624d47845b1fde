"""Damaged stores: whatever a store holds, reading and checking end in a value or in an error of the family.

Golden stores are taken into memory and damaged at random: bytes cut, flipped and overwritten, whole objects deleted or
swapped, values in metadata replaced. Each damaged store is read in every way and checked, within bounds of memory and
time. The search runs in a process of its own, whose memory is limited where the system can do that; for a longer one
run ``python tests/test_fuzz.py STORES [SEED]``.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import zvview
from zvview.store.check import check

GOLDEN = Path(__file__).parent / "data" / "golden"
STORES = sorted(path.stem for path in GOLDEN.glob("*.zip"))
HUGE = (0, -1, 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, -(2**63), 2**64, 10**30)
TEXTS = (
    "",
    "..",
    "../x",
    "/etc",
    "a/b",
    "\0",
    "é",
    "²",
    "\ud800",
    "0",
    "-1",
    "NaN",
    "c/0",
    "x" * 300,
    "float16",
    "O",
    "i8,f4",
)
ODD: tuple[Any, ...] = (None, True, [], {}, [[]], 1.5, float("inf"), float("nan"), -0.0, 1e308, 1e-308, *HUGE, *TEXTS)

MOST_BYTES = 3 << 30  # of address space, a third of which the interpreter and its libraries take
MOST_SECONDS = 20.0  # for one store; a sound one takes a tenth of a second

Objects = dict[str, bytes]


@cache
def load(name: str) -> Objects:
    with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
        return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}


def damage_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut, lengthen, flip or overwrite something."""
    work = bytearray(data)
    match rng.randrange(6):
        case 0:
            return bytes(work[: rng.randrange(len(work) + 1)])
        case 1:
            return bytes(work) + rng.randbytes(rng.randrange(1, 20))
        case 2 if work:
            for _ in range(rng.randrange(1, 6)):
                work[rng.randrange(len(work))] ^= 1 << rng.randrange(8)
        case 3 if len(work) >= 8:
            at = rng.randrange(len(work) - 7)
            at -= at % rng.choice((1, 4, 8))
            work[at : at + 8] = (rng.choice(HUGE) % 2**64).to_bytes(8, "little")
        case 4 if len(work) >= 4:
            at = 4 * rng.randrange(len(work) // 4)
            work[at : at + 4] = (rng.choice(HUGE) % 2**32).to_bytes(4, "little")
        case _:
            return rng.randbytes(rng.randrange(64))
    return bytes(work)


def places_in(value: Any, trail: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values inside a JSON document."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*trail, key)
        yield from places_in(inner, (*trail, key))


def damage_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove or rename a value of a document."""
    document = json.loads(data)
    trail = rng.choice(list(places_in(document)) or [()])
    if not trail:
        return b"[]"
    holder = document
    for key in trail[:-1]:
        holder = holder[key]
    match rng.randrange(5):
        case 0:
            del holder[trail[-1]]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(TEXTS)] = holder.pop(trail[-1])
        case 2 if isinstance(holder[trail[-1]], (int, float)):
            holder[trail[-1]] = rng.choice((*HUGE, -holder[trail[-1]], holder[trail[-1]] + 1, 0.5))
        case 3 if isinstance(holder, list):
            holder.append(copy.deepcopy(rng.choice(holder)))
        case _:
            holder[trail[-1]] = copy.deepcopy(rng.choice(ODD))
    return json.dumps(document).encode("utf-8", "surrogatepass")


def damage(objects: Objects, rng: random.Random) -> tuple[Objects, str]:
    """A damaged copy of a store and what was done to it."""
    work, told = dict(objects), []
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        keys = sorted(work)
        documents = [k for k in keys if k.endswith("zarr.json")]
        key = rng.choice(documents if rng.random() < 0.5 else keys)
        match rng.randrange(10):
            case 0:
                del work[key]
                told.append(f"delete {key}")
            case 1:
                other = rng.choice(keys)
                work[key], work[other] = work[other], work[key]
                told.append(f"swap {key} {other}")
            case _ if key.endswith("zarr.json") and rng.random() < 0.9:
                try:
                    work[key] = damage_json(work[key], rng)
                except (ValueError, KeyError, IndexError, TypeError):
                    work[key] = damage_bytes(work[key], rng)
                told.append(f"document {key}")
            case _:
                work[key] = damage_bytes(work[key], rng)
                told.append(f"bytes {key}")
    return work, "; ".join(told)


def attempts(store: zvview.Store) -> Iterator[Callable[[], object]]:
    """Every way to read a store; each is tried by itself."""
    yield lambda: (store.notes, store.attributes, store.groups, store.headers, store.user_metadata, store.statistics)
    yield lambda: store.parametric
    lo, hi = store.bounds
    with np.errstate(all="ignore"):
        box = (lo + (hi - lo) / 4, hi - (hi - lo) / 4)
    for number in store.levels:
        level = store.level(number)
        yield lambda level=level: (level.resolution, level.vertex_count, level.chunks, level.object_ids, level.groups)
        for on_damage in ("raise", "skip"):
            yield lambda level=level, d=on_damage: level.read(on_damage=d)
            for clip in ("exact", "objects", "chunks"):
                yield lambda level=level, c=clip, d=on_damage: level.read(box=box, clip=c, on_damage=d)
        yield lambda level=level: level.read_chunks(level.chunks[:3])
        yield lambda level=level: level.read_chunks(level.chunks[:3], [], object_ids=False)
        yield lambda level=level: level.read_objects(
            np.zeros(0, int) if level.object_ids is None else level.object_ids[:4]
        )
        yield lambda level=level: [level.read_links(delta) for delta in level.link_deltas]
        yield lambda level=level: [level.object_attribute(name) for name in level.object_attribute_names]
        yield lambda level=level: [level.group_attribute(name) for name in level.group_attribute_names]
        yield lambda level=level: [level.fragment_attribute(name) for name in ("object_id", "segment_id")]


def tried(read: Callable[[], object]) -> object:
    """The value of a read, or None where it ended in an error of the family."""
    try:
        return read()
    except zvview.ZvviewError:
        return None


def survive(objects: Objects) -> None:
    """Read and check a store in every way, within bounds of memory and time."""
    started = time.perf_counter()
    store = tried(lambda: zvview.open(objects))
    if isinstance(store, zvview.Store):
        reads = attempts(store)
        while (read := tried(lambda: next(reads, None))) is not None:
            tried(read)  # type: ignore[arg-type]
    findings = check(objects)
    assert all(finding.where and finding.message and finding.remedy for finding in findings)
    assert time.perf_counter() - started < MOST_SECONDS


def test_damaged_stores_end_in_values_or_errors_of_the_family() -> None:
    run = subprocess.run(
        [sys.executable, __file__, "250", "1"], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("250 stores, 0 kinds of failure")


def test_golden_stores_have_no_errors_before_they_are_damaged() -> None:
    assert {name for name in STORES if not check(load(name)).ok} == set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = ("zarr.json", "0/zarr.json", "0/vertices/zarr.json", "0/object_index/zarr.json", "0/links/0/zarr.json")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(DOCUMENTS), JSON, st.data())
def test_any_json_in_the_place_of_any_metadata_ends_in_a_value_or_an_error(key: str, value: Any, data: Any) -> None:
    objects = dict(load("graph"))
    document = json.loads(objects[key])
    trail = data.draw(st.sampled_from(sorted(places_in(document), key=repr)))
    holder = document
    for step in trail[:-1]:
        holder = holder[step]
    holder[trail[-1]] = value
    objects[key] = json.dumps(document).encode("utf-8", "surrogatepass")
    survive(objects)


def search(count: int, seed: int) -> int:
    """Damage so many stores and tell what went wrong, each place of failure once; gives the number of such places."""
    told_of: dict[str, str] = {}
    rng = random.Random(seed)
    for _ in range(count):
        name, one = rng.choice(STORES), rng.randrange(2**60)
        damaged, told = damage(load(name), random.Random(one))
        try:
            survive(damaged)
        except Exception as error:
            inner = [
                f for f in traceback.extract_tb(error.__traceback__) if "zvview" in f.filename or "tests" in f.filename
            ]
            where = f"{type(error).__name__} at {inner[-1].filename}:{inner[-1].lineno}"
            told_of.setdefault(where, f"{name} {one}: {told}\n{''.join(traceback.format_exception(error, limit=-6))}")
    print(f"{count} stores, {len(told_of)} kinds of failure", *(f"--- {k}\n{v}" for k, v in told_of.items()), sep="\n")
    return len(told_of)


def limit_memory() -> None:
    """Let allocations beyond the limit fail, where the system can do that."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


if __name__ == "__main__":
    warnings.simplefilter("error")
    limit_memory()
    sys.exit(bool(search(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
