"""Reading an export as a client does, and sources that are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zvview.neuroglancer.encoding.shard_reading import lookup
from zvview.neuroglancer.encoding.shards import ShardSpec
from zvview.neuroglancer.exporting.file_names import content_names
from zvview.neuroglancer.sources.contract import Block, Section


def content(folder: Path, section: Section, key: int) -> tuple[bytes | None, bytes | None]:
    """Head and rest of a content, from the files of a source; heads in shards cannot be told apart, and are None."""
    keys = np.array([key], np.uint64)
    told: Any = json.loads((folder / "info").read_bytes())
    for step in section.place:
        told = told[step]
    within = folder / section.key
    if "sharding" not in told:
        name = content_names(section, keys)[0]
        found = [p.read_bytes() if (p := within / n).exists() else None for n in (name, f"{name}.index")]
        return (found[0], found[1]) if found[1] is not None else (b"", found[0])
    spec = ShardSpec.parse(told["sharding"])
    file = within / spec.file_name(int(spec.locate(keys)[0][0]))
    return None, lookup(spec, file.read_bytes(), key) if file.exists() else None


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Time and bytes of each file of an export, without its record."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".zvview-export" not in path.parts
    }


def contents_of(folder: Path) -> dict[str, bytes]:
    """Bytes of each file of an export, without its record."""
    return {name: data for name, (_, data) in snapshot(folder).items()}


class Fake:
    """A source of given contents, read in given batches."""

    info: Mapping[str, Any] = {"@type": "test", "by_id": {"key": "by_id"}, "spatial": [{"key": "spatial0"}]}
    notes = ("made up",)

    def __init__(self, section: Section, batches: list[list[int]], held: Mapping[int, bytes], head: int = 0) -> None:
        self.sections = (section,)
        self.batches, self.held, self.head = batches, dict(held), head

    def keys(self, section: Section) -> Iterator[np.ndarray]:
        for batch in self.batches:
            yield np.array(batch, np.uint64)

    def read(self, section: Section, keys: np.ndarray) -> Block:
        there = [key for key in keys.tolist() if key in self.held][::-1]  # in no order
        block = Block.of(there, [self.held[key] for key in there])
        return Block(block.keys, block.contents, np.full(len(there), self.head, np.int64))
