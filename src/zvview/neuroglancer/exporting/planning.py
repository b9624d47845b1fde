"""What an export writes: units, each some files that are made together, from the numbers that sources tell.

Contents are read once or twice for their size; the units then say which numbers go where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zvview.cancel import CancelToken
from zvview.errors import InvalidInputError
from zvview.format.sequences import distinct
from zvview.neuroglancer.encoding.records import join_records
from zvview.neuroglancer.encoding.shards import ShardSpec, choose_encoding, choose_spec
from zvview.neuroglancer.exporting.file_names import join
from zvview.neuroglancer.exporting.key_runs import KeyRuns
from zvview.neuroglancer.sources.contract import Block, Section, Source

__all__ = ["SectionPlan", "Unit", "info_with_shards", "plan_section"]

_MOST_FILES: Final = 1_000  # of contents found by id; more of them are in shards whatever is wished
_UNIT_FILES: Final = 64  # also what is read again where one of them changed
_SHARD_BYTES: Final = 16 << 20  # so that two processes have enough to share
_MESH_BYTES: Final = 1 << 19  # of meshes, which take fifty times as long for each byte
_MESH_COST: Final = 50
_DIVISORS: Final = (1, 2, 4, 8)  # of it, tried where cells lie so unevenly that some shard would be far larger
_MOST_OVER: Final = 2
_SAMPLE: Final = 200_000
_SAMPLE_BYTES: Final = 1 << 20
_FULLEST: Final = 1 << 18  # 6 MB of index before compression, of numbers in a row: some hundred kB after it
_MOST_TOUCHED: Final = 1.2  # shards per batch, on average


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Files that are written together.

    Attributes
    ----------
    name : str
        Tells it from the others of an export.
    source : str
        Path of the source's folder.
    section : int
        Which of the source's sections.
    batches : tuple of KeyRuns
        Numbers that are read together.
    spec : ShardSpec or None
        None for a file for each content.
    shard : int
    cost : float
        What it takes against others, about: bytes, as far as they are known, those of meshes counted fifty times.
    """

    name: str
    source: str
    section: int
    batches: tuple[KeyRuns, ...]
    spec: ShardSpec | None = None
    shard: int = 0
    cost: float = 0.0

    def __len__(self) -> int:
        return _count(self.batches)


@dataclass(frozen=True, slots=True, eq=False)
class SectionPlan:
    """One section of a source.

    Attributes
    ----------
    count : int
        Numbers that it has.
    spec : ShardSpec or None
    units : tuple of Unit
    each : float
        What a content costs, as units count it.
    """

    count: int
    spec: ShardSpec | None
    units: tuple[Unit, ...]
    each: float = 1.0


def plan_section(
    folder: str,
    source: Source,
    number: int,
    *,
    is_sharded: bool,
    known: Mapping[str, Any] | None = None,
    cancel: CancelToken | None = None,
) -> SectionPlan:
    """How a section is written.

    Parameters
    ----------
    folder : str
        Path of the source's folder.
    source : Source
    number : int
        Of the section.
    is_sharded : bool
        Whether cells go into shards, too.
    known : mapping, optional
        ``count``, ``sharding`` and ``each`` of the export before: kept while the section is about as large, so that
        what did not change stays where it is.
    cancel : CancelToken, optional

    Raises
    ------
    Cancelled
    """
    section = source.sections[number]
    batches = [KeyRuns.of(keys) for keys in _told(source, section, cancel) if len(keys)]
    count = _count(batches)
    name = join(folder, section.key)
    if not count or not (is_sharded or (section.grid_shape is None and count > _MOST_FILES)):
        groups = _group([part for batch in batches for part in _parts(batch)] if section.key == "" else batches)
        return SectionPlan(
            count, None, tuple(Unit(f"{name}#{i}", folder, number, g, cost=_count(g)) for i, g in enumerate(groups))
        )
    spec, each = _known_spec(known, count) or _choose(source, section, batches, count)
    shards: dict[int, list[KeyRuns]] = {}
    for batch in batches:
        for shard, runs in _split(spec, batch):
            shards.setdefault(shard, []).append(runs)
    units = (
        Unit(f"{name}/{spec.file_name(shard)}", folder, number, tuple(runs), spec, shard, each * _count(runs))
        for shard, runs in sorted(shards.items())
    )
    return SectionPlan(count, spec, tuple(units), each)


def info_with_shards(source: Source, specs: Sequence[ShardSpec | None]) -> dict[str, Any]:
    """The document of a source whose sections are written with `specs`."""
    document: dict[str, Any] = dict(source.info)
    for section, spec in zip(source.sections, specs, strict=True):
        if spec is not None:
            document = _put(document, (*section.place, "sharding"), spec.document())
    return document


def _put(document: Any, place: Sequence[str | int], value: Any) -> Any:
    """A copy of a document with `value` at a place."""
    if not place:
        return value
    key, *rest = place
    if isinstance(key, int):
        return [_put(item, rest, value) if i == key else item for i, item in enumerate(document)]
    return {**document, key: _put(document.get(key, {}) if rest else None, rest, value)}


def _told(source: Source, section: Section, cancel: CancelToken | None) -> Iterator[NDArray[np.uint64]]:
    for keys in source.keys(section):
        if cancel is not None:
            cancel.raise_if_cancelled()
        yield keys


def _count(batches: Sequence[KeyRuns]) -> int:
    return sum(map(len, batches))


def _parts(batch: KeyRuns) -> Iterator[KeyRuns]:
    """A batch in parts that make a unit each: of meshes also a few are much to do."""
    for start in range(0, len(batch), _UNIT_FILES):
        yield KeyRuns.of(batch.take(np.arange(start, min(start + _UNIT_FILES, len(batch)))))


def _group(batches: Sequence[KeyRuns]) -> Iterator[tuple[KeyRuns, ...]]:
    """Batches in their order, as many at once as make a unit."""
    group: list[KeyRuns] = []
    size = 0
    for batch in batches:
        if group and size + len(batch) > _UNIT_FILES:
            yield tuple(group)
            group, size = [], 0
        group.append(batch)
        size += len(batch)
    if group:
        yield tuple(group)


def _known_spec(known: Mapping[str, Any] | None, count: int) -> tuple[ShardSpec, float] | None:
    """The one of the export before, where it still serves, and what a content costs."""
    try:
        if known is None or not known["sharding"] or not count / 2 <= known["count"] <= 2 * count:
            return None
        return ShardSpec.parse(known["sharding"]), float(known.get("each", 1.0))
    except (InvalidInputError, KeyError, TypeError, ValueError):
        return None


def _choose(source: Source, section: Section, batches: Sequence[KeyRuns], count: int) -> tuple[ShardSpec, float]:
    """Shards that a batch is not scattered over, as each that it touches reads it again, and what a content costs."""
    share = max(1, _SAMPLE // len(batches))
    sample = np.sort(np.concatenate([batch.spread(share) for batch in batches[:: -(-len(batches) // _SAMPLE)]]))
    highest = max(batch.last for batch in batches)
    blocks, mean = _read_few(source, section, batches) if count > 1 else ([], 0.0)
    is_mesh = any(block.heads.any() for block in blocks)
    is_model = section.key == "" and not is_mesh
    encoding = choose_encoding(join_records([block.contents for block in blocks])) if is_model and mean else "raw"
    each, size = (_MESH_COST * mean, _MESH_BYTES) if is_mesh else (mean, _SHARD_BYTES)
    total = int(count * mean)
    for divisor in _DIVISORS:
        spec = choose_spec(
            count, total, keys=sample, highest=highest, shard_bytes=size // divisor, data_encoding=encoding
        )
        if _largest_share(spec, sample) * total <= _MOST_OVER * size:
            break
    if _touched(spec, batches) <= _MOST_TOUCHED * len(batches) + (1 << spec.shard_bits):
        return spec, each
    for preshift in range(spec.preshift_bits + 1 if spec.hash != "identity" else 1, 49):
        wider = replace(spec, preshift_bits=preshift, hash="murmurhash3_x86_128")
        if _touched(wider, batches) <= _MOST_TOUCHED * len(batches) + (1 << spec.shard_bits):
            return (wider if _fullest(wider, batches) <= _FULLEST else spec), each
    return spec, each


def _read_few(source: Source, section: Section, batches: Sequence[KeyRuns]) -> tuple[list[Block], float]:
    """A few contents, no more than are needed where they are large, and the bytes of one on average."""
    some = batches[:: -(-len(batches) // (2 if section.key == "" else 4))]
    asked = [*(batch.take(np.array([len(batch) // 2])) for batch in some), *(batch.spread(8) for batch in some)]
    blocks: list[Block] = []
    count = nbytes = 0
    for number, keys in enumerate(asked):
        is_mesh = any(block.heads.any() for block in blocks)
        if nbytes >= _SAMPLE_BYTES or (is_mesh and number >= len(some)):  # each mesh takes long to make
            break
        blocks.append(source.read(section, keys))
        count, nbytes = count + len(keys), nbytes + blocks[-1].contents.nbytes
    return blocks, nbytes / count


def _largest_share(spec: ShardSpec, sample: NDArray[np.uint64]) -> float:
    """Which part of all the largest shard has."""
    return float(np.bincount(spec.locate(sample)[0]).max()) / len(sample)


def _touched(spec: ShardSpec, batches: Sequence[KeyRuns]) -> int:
    """How many shards the batches have, all counted."""
    groups = [_groups(spec, batch) for batch in batches]
    shards = spec.locate(np.concatenate(groups))[0]
    owners = np.repeat(np.arange(len(groups)), [len(own) for own in groups])
    return len(distinct(owners << spec.shard_bits | shards))


def _fullest(spec: ShardSpec, batches: Sequence[KeyRuns]) -> int:
    """How many numbers a group has that cannot be told apart by its minishard, at most about."""
    held: dict[int, int] = {}
    for batch in batches:
        for shard, runs in _split(spec, batch):
            group = shard << spec.minishard_bits | int(spec.locate(runs.starts[:1])[1][0])
            held[group] = held.get(group, 0) + len(runs)
    return max(held.values())


def _groups(spec: ShardSpec, batch: KeyRuns) -> NDArray[np.uint64]:
    """One number for each group of neighbours that are in the same minishard, of a batch."""
    shift = np.uint64(spec.preshift_bits)
    first = batch.starts >> shift
    last = (batch.starts + (batch.counts - 1).astype(np.uint64)) >> shift
    return distinct(KeyRuns(first, (last - first).astype(np.int64) + 1).keys()) << shift


def _split(spec: ShardSpec, batch: KeyRuns) -> Iterator[tuple[int, KeyRuns]]:
    """The shards of a batch, and what of it each has."""
    touched = distinct(spec.locate(_groups(spec, batch))[0]).tolist()
    if len(touched) == 1:
        yield touched[0], batch
        return
    keys = batch.keys()
    shards = spec.locate(keys)[0]
    for shard in touched:
        yield shard, KeyRuns.of(keys[shards == shard])
