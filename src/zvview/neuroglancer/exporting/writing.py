"""Writing the files of a unit: each under another name first, and in its place only where it differs."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

import numpy as np
from numpy.typing import NDArray

from zvview.errors import UnreachableError
from zvview.format.sequences import offsets_of
from zvview.neuroglancer.encoding.records import EncodedRecords
from zvview.neuroglancer.encoding.shards import ShardWriter
from zvview.neuroglancer.exporting.file_names import content_names, join
from zvview.neuroglancer.exporting.key_runs import KeyRuns
from zvview.neuroglancer.exporting.planning import Unit
from zvview.neuroglancer.exporting.record import RECORD, Entry, digest_bytes, digest_file, find_same
from zvview.neuroglancer.sources.contract import Block, Section, Source

__all__ = ["Folder", "Written", "write_unit"]

_PARTS = "parts"
_TURN_BYTES = 8 << 20  # of contents that are put in order at a time


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a unit.

    Attributes
    ----------
    unit : str
    files : dict of str to Entry
        All files of the unit.
    changed : int
        How many of them were written; the others were there already.
    notes : tuple of str
        What is left out or not exact.
    """

    unit: str
    files: dict[str, Entry]
    changed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of an export: files appear in it whole.

    Attributes
    ----------
    path : str
    """

    path: str

    def put(self, name: str, content: bytes, known: Entry | None) -> tuple[Entry, bool]:
        """A file with this content, and whether it had to be written.

        Parameters
        ----------
        name : str
            Path in the export.
        content : bytes
        known : Entry or None
            What is there, as far as that is known.
        """
        digest = digest_bytes(content)
        if (found := find_same(self._at(name), len(content), digest, known)) is not None:
            return found, False
        with self.begin() as (part, file):
            file.write(content)
            file.close()
            return self._settle(part, name, digest), True

    def keep(self, part: str, name: str, known: Entry | None) -> tuple[Entry, bool]:
        """Give a file that was written under another name its own, unless that one is there already."""
        digest = digest_file(part)
        if (found := find_same(self._at(name), os.path.getsize(part), digest, known)) is not None:
            return found, False
        return self._settle(part, name, digest), True

    @contextlib.contextmanager
    def begin(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Path of a new file under a name that nobody asks for, and the file; it is removed if it is still there."""
        folder = os.path.join(self.path, RECORD, _PARTS)
        part = os.path.join(folder, secrets.token_hex(8))
        try:
            os.makedirs(folder, exist_ok=True)
            with open(part, "w+b") as file:
                yield part, file
        except OSError as error:
            raise UnreachableError(f"cannot write {self.path}: {error.strerror or error}") from error
        finally:
            with contextlib.suppress(OSError):
                os.remove(part)

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        at = self._at(name)
        with contextlib.suppress(OSError):
            os.remove(at)
            while (at := os.path.dirname(at)) != self.path:
                os.rmdir(at)

    def _settle(self, part: str, name: str, digest: str) -> Entry:
        at = self._at(name)
        try:
            os.replace(part, at)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(at), exist_ok=True)
            os.replace(part, at)
        found = os.stat(at)
        return Entry(found.st_size, found.st_mtime_ns, digest)

    def _at(self, name: str) -> str:
        return os.path.join(self.path, *name.split("/"))


def write_unit(folder: Folder, source: Source, unit: Unit, known: Mapping[str, Entry]) -> Written:
    """Write the files of a unit.

    Parameters
    ----------
    folder : Folder
    source : Source
    unit : Unit
    known : mapping of str to Entry
        What is there, of these files.

    Raises
    ------
    ConflictError
        The store is another one now.
    UnreachableError
        The store cannot be read, or the files cannot be written.
    """
    section = source.sections[unit.section]
    within = join(unit.source, section.key)
    if unit.spec is None:
        return _write_files(folder, source, section, within, unit, known)
    name = join(within, unit.spec.file_name(unit.shard))
    with folder.begin() as (part, file):
        writer = ShardWriter(unit.spec, unit.shard)
        file.seek(writer.head_size)
        count = 0
        for block in _read_in_order(folder, source, section, unit.batches):
            file.writelines(writer.add(block.keys, block.contents, block.heads))
            count += len(block)
        if not count:
            return Written(unit.name, {}, 0, source.notes)
        tail, head = writer.finish()
        file.write(tail)
        file.seek(0)
        file.write(head)
        file.close()
        entry, is_new = folder.keep(part, name, known.get(name))
    return Written(unit.name, {name: entry}, int(is_new), source.notes)


def _write_files(
    folder: Folder, source: Source, section: Section, within: str, unit: Unit, known: Mapping[str, Entry]
) -> Written:
    files: dict[str, Entry] = {}
    changed = 0
    for batch in unit.batches:
        block = source.read(section, batch.keys())
        for row, own_name in enumerate(content_names(section, block.keys)):
            head, body = block.content(row)
            name = join(within, own_name)
            for file_name, content in ((name, head), (f"{name}.index", body)) if head else ((name, body),):
                files[file_name], is_new = folder.put(file_name, content, known.get(file_name))
                changed += is_new
    return Written(unit.name, files, changed, source.notes)


def _read_in_order(folder: Folder, source: Source, section: Section, batches: Sequence[KeyRuns]) -> Iterator[Block]:
    """Contents by ascending numbers, as shard files have them."""
    ordered = sorted(batches, key=lambda batch: batch.first)
    if all(a.last < b.first for a, b in pairwise(ordered)):
        for batch in ordered:
            yield from _in_order(source.read(section, batch.keys()))
        return
    yield from _spooled(folder, (source.read(section, batch.keys()) for batch in batches))


def _spooled(folder: Folder, blocks: Iterator[Block]) -> Iterator[Block]:
    """Blocks whose numbers lie among each other, put in order by way of a file."""
    parts: list[tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]] = []
    with folder.begin() as (part, file):
        for block in blocks:
            file.write(block.contents.buffer.data)
            parts.append((block.keys, block.contents.sizes, block.heads))
        file.flush()
        keys, sizes, heads = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        if sizes.any():
            mapped = np.memmap(part, np.uint8, "r")
            yield from _in_order(Block(keys, EncodedRecords(mapped, offsets_of(sizes)), heads))
            del mapped  # a file that is mapped cannot be removed on Windows


def _in_order(block: Block) -> Iterator[Block]:
    """A block as it is, or in turns, so that putting much in order does not take many times its size."""
    if (block.keys[1:] > block.keys[:-1]).all():
        yield block
        return
    order = np.argsort(block.keys, kind="stable")
    sizes = block.contents.sizes[order]
    turn = np.cumsum(sizes) // _TURN_BYTES
    is_large = sizes > _TURN_BYTES
    for rows in np.split(order, np.flatnonzero((turn[1:] != turn[:-1]) | is_large[1:] | is_large[:-1]) + 1):
        yield Block(block.keys[rows], _take(block.contents, rows), block.heads[rows])


def _take(contents: EncodedRecords, rows: NDArray[np.int64]) -> EncodedRecords:
    if len(rows) > 1:
        return contents.take(rows)
    start, end = contents.offsets[rows[0] : rows[0] + 2].tolist()
    return EncodedRecords(contents.buffer[start:end], np.array([0, end - start]))
