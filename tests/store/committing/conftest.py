"""Three sound stores that share many keys, and disks that die, fill up, or forget what was not synced."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from zvview.store.committing.applied import Applied
from zvview.store.committing.disk import Disk, Owner
from zvview.store.committing.opening import open_commit
from zvview.store.places.folder import FolderSource
from zvview.store.places.open import Place
from zvview.store.places.source import Source
from zvview.testing import make_store

Content = Mapping[str, bytes]


class Versions(list[Content]):
    """The contents of one store at several times."""

    def __repr__(self) -> str:
        return f"<{len(self)} versions>"

    def tell(self, content: Content) -> str:
        """Which of them a content is, or what is wrong with it."""
        for number, version in enumerate(self):
            if content == version:
                return str(number)
        ways = []
        for number, version in enumerate(self):
            other = [key for key in version if content.get(key) != version[key]]
            ways.append(f"{len(other)} other than {number} ({other[:3]}), more: {sorted(content.keys() - version)[:5]}")
        return "; ".join(ways)


class Killed(BaseException):
    """The process is gone: nothing that it would do on its way out happens."""


class DyingDisk(Disk):
    """Dies before step `at`; a write is cut in half. It syncs nothing: a process that dies takes no cache with it."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.steps = at, 0

    def _step(self) -> bool:
        """Whether this is the step that it dies in."""
        if 0 <= self.at < self.steps:
            raise Killed
        self.steps += 1
        return self.steps - 1 == self.at

    def write(self, path: str, data: bytes, owner: Owner | None = None) -> None:
        if self._step():
            super().write(path, data[: len(data) // 2], owner)
            raise Killed
        super().write(path, data, owner)

    def make_folder(self, path: str, owner: Owner | None = None) -> None:
        if self._step():
            raise Killed
        super().make_folder(path, owner)

    def sync(self, root: str, paths: object) -> None:
        if self._step():
            raise Killed

    def rename(self, old: str, new: str) -> None:
        if self._step():
            raise Killed
        super().rename(old, new)

    def remove(self, path: str) -> None:
        if self._step():
            raise Killed
        super().remove(path)

    def remove_folder(self, path: str) -> bool:
        if self._step():
            raise Killed
        return super().remove_folder(path)


class FullDisk(DyingDisk):
    """Full from step `at` on: nothing can be made, written, synced or renamed; a write is cut in half."""

    def __init__(self, at: int, code: int = errno.ENOSPC) -> None:
        super().__init__(at)
        self.code = code

    def _step(self) -> bool:
        self.steps += 1
        return 0 <= self.at < self.steps

    def _refuse(self) -> None:
        if self._step():
            raise OSError(self.code, os.strerror(self.code))

    def write(self, path: str, data: bytes, owner: Owner | None = None) -> None:
        is_full = self._step()
        Disk.write(self, path, data[: len(data) // 2] if is_full else data, owner)
        if is_full:
            raise OSError(self.code, os.strerror(self.code))

    def make_folder(self, path: str, owner: Owner | None = None) -> None:
        self._refuse()
        Disk.make_folder(self, path, owner)

    def sync(self, root: str, paths: object) -> None:
        self._refuse()

    def rename(self, old: str, new: str) -> None:
        self._refuse()
        Disk.rename(self, old, new)

    def remove(self, path: str) -> None:
        Disk.remove(self, path)

    def remove_folder(self, path: str) -> bool:
        return Disk.remove_folder(self, path)


@dataclass(frozen=True)
class Step:
    """One step of a commit: what, of which paths below the store, and the bytes of a write."""

    what: str
    path: str
    other: str = ""
    data: bytes = b""
    paths: frozenset[str] = frozenset()


@dataclass
class RecordingDisk(Disk):
    """Does and records every step."""

    top: str
    steps: list[Step] = field(default_factory=list)

    def _inner(self, path: str) -> str:
        inner = os.path.relpath(path, self.top).replace(os.sep, "/")
        return "" if inner == "." else inner

    def write(self, path: str, data: bytes, owner: Owner | None = None) -> None:
        super().write(path, data, owner)
        self.steps.append(Step("write", self._inner(path), data=data))

    def make_folder(self, path: str, owner: Owner | None = None) -> None:
        super().make_folder(path, owner)
        self.steps.append(Step("make_folder", self._inner(path)))

    def sync(self, root: str, paths: object) -> None:
        assert isinstance(paths, list)
        for path in paths:
            assert os.path.exists(path)
        self.steps.append(Step("sync", "", paths=frozenset(map(self._inner, paths))))

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self.steps.append(Step("rename", self._inner(old), self._inner(new)))

    def remove(self, path: str) -> None:
        super().remove(path)
        self.steps.append(Step("remove", self._inner(path)))

    def remove_folder(self, path: str) -> bool:
        done = super().remove_folder(path)
        if done:
            self.steps.append(Step("remove_folder", self._inner(path)))
        return done


def after_power_cut(before: Content, steps: list[Step], random: Random) -> tuple[dict[str, bytes], set[str]]:
    """Files and folders that may be on the disk when the power goes after these steps.

    What a later sync covers is there: the bytes of files that it names, and names made, changed or removed in folders
    that it names; of a folder that is gone for sure all that was in it is gone. All else is there or not, by chance,
    each step for itself; a rename as a whole. Bytes that were not synced are whole, cut or zeros.
    """
    synced: set[str] = set()
    sure: list[bool] = []
    whole: list[bool] = []
    for step in reversed(steps):
        synced |= step.paths
        whole.append(step.path in synced)
        sure.append(posixpath.dirname(step.other or step.path) in synced)
        if step.what == "remove_folder" and sure[-1]:
            synced.add(step.path)
    files, folders = dict(before), {""}
    for key in before:
        while key := posixpath.dirname(key):
            folders.add(key)
    for step, is_sure, is_whole in zip(steps, reversed(sure), reversed(whole), strict=True):
        named = step.other or step.path
        if step.what == "sync" or (not is_sure and random.random() < 0.5):
            continue
        if step.what == "write" and posixpath.dirname(named) in folders:
            cut = step.data[: random.randrange(len(step.data) + 1)]
            files[named] = step.data if is_whole else random.choice([step.data, cut, bytes(len(step.data))])
        elif step.what == "make_folder" and posixpath.dirname(named) in folders:
            folders.add(named)
        elif step.what == "rename" and step.path in files and posixpath.dirname(named) in folders:
            files[named] = files.pop(step.path)
        elif step.what == "remove":
            files.pop(named, None)
        elif step.what == "remove_folder" and not any(p.startswith(f"{named}/") for p in (*files, *folders)):
            folders.discard(named)
    return files, folders


def lay_out(folder: Path, files: Mapping[str, bytes], folders: set[str] = frozenset()) -> Path:  # type: ignore[assignment]
    """A folder with these files and folders in it."""
    folder.mkdir()
    for path in folders:
        (folder / path).mkdir(parents=True, exist_ok=True)
    for key, data in files.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def content_of(source: Source) -> dict[str, bytes]:
    """All that a reader sees."""
    keys = source.list_keys("")
    answers = source.get_many([(key, None) for key in keys])
    return {key: bytes(data) for key, data in zip(keys, answers, strict=True) if data is not None}


def bytes_in(folder: Path) -> dict[str, bytes]:
    """All files in a folder, those of commits too; empty folders, with a slash."""
    found = {p: p.relative_to(folder).as_posix() for p in folder.rglob("*")}
    empty = {f"{name}/": b"" for path, name in found.items() if path.is_dir() and not any(path.iterdir())}
    return empty | {name: path.read_bytes() for path, name in found.items() if path.is_file()}


def changes_between(before: Content, after: Content) -> dict[str, bytes | None]:
    """What makes one content of another."""
    changed: dict[str, bytes | None] = {key: data for key, data in after.items() if before.get(key) != data}
    return changed | dict.fromkeys(before.keys() - after.keys())


def commit(place: Place, after: Content) -> Applied:
    """Make a store another one by a commit."""
    with open_commit(place, "testing") as opened:
        return opened.apply(changes_between(content_of(opened.source), after))


def reader(folder: Path) -> FolderSource:
    return FolderSource(str(folder))


@pytest.fixture(scope="session", params=["with an index", "without an index"])
def versions(request: pytest.FixtureRequest) -> Versions:
    """Contents of three sound stores, each with cells that the one before lacks, or has not; as zvview writes them, and
    as others do, without zvview's own group.
    """
    found = Versions()
    for seed, has_attributes in enumerate((True, False, True)):
        held: dict[str, bytes] = {}
        make_store(
            held,
            "point_cloud",
            size=40 + seed,
            seed=seed,
            ndim=2,
            form="uniform",
            chunk_shape=(500, 500),
            with_attributes=has_attributes,
        ).close()
        without = request.param == "without an index"
        found.append({key: bytes(data) for key, data in held.items() if not (without and key.startswith("zvview/"))})
    return found
