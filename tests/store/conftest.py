"""The golden stores: what the reference library wrote, and what it returns for them (see tests/data/golden/README.md)."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zvview import Level, Store, open

FOLDER = Path(__file__).parents[1] / "data" / "golden"
NAMES = sorted(p.name.removesuffix(".zip") for p in FOLDER.glob("*.zip") if not p.name.startswith("old07_"))
PLACES = ("folder", "zip")


@dataclass(frozen=True)
class Expected:
    """What the reference library says about a golden store."""

    name: str

    @cached_property
    def facts(self) -> dict[str, Any]:
        return json.loads((FOLDER / f"{self.name}.expected.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        with np.load(FOLDER / f"{self.name}.expected.npz", allow_pickle=False) as held:
            return dict(held)


@dataclass(frozen=True)
class GoldenLevel:
    """One level of an open golden store beside what is expected of it."""

    store: Store
    level: Level
    expected: Expected

    @property
    def name(self) -> str:
        return f"{self.expected.name}, level {self.level.number}"

    @property
    def kind(self) -> str:
        return str(self.expected.facts["kind"])

    @property
    def facts(self) -> dict[str, Any]:
        return next(f for f in self.expected.facts["levels"] if f["level"] == self.level.number)

    @property
    def boxes(self) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        return [(np.array(b["min"]), np.array(b["max"])) for b in self.facts["boxes"]]

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self.expected.arrays[f"L{self.level.number}/{key}"]

    def __contains__(self, key: str) -> bool:
        return f"L{self.level.number}/{key}" in self.expected.arrays

    def under(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Arrays whose key starts with `prefix`, by the rest of the key."""
        start = f"L{self.level.number}/{prefix}"
        return {k.removeprefix(start): v for k, v in self.expected.arrays.items() if k.startswith(start)}


@pytest.fixture(scope="session")
def expectations() -> Mapping[str, Expected]:
    return {name: Expected(name) for name in NAMES}


@pytest.fixture(scope="session")
def golden_bytes() -> Mapping[str, dict[str, bytes]]:
    """Every golden store as keys and bytes; a test copies what it changes."""
    out = {}
    for name in NAMES:
        with zipfile.ZipFile(FOLDER / f"{name}.zip") as archive:
            out[name] = {entry: archive.read(entry) for entry in archive.namelist() if not entry.endswith("/")}
    return out


@pytest.fixture(scope="session")
def golden_places(
    golden_bytes: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, Path]]:
    """Where every golden store lies, as a folder and as a zip."""
    root = tmp_path_factory.mktemp("golden")
    for name, entries in golden_bytes.items():
        for key, data in entries.items():
            path = root / name / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {
        "folder": {name: root / name for name in NAMES},
        "zip": {name: FOLDER / f"{name}.zip" for name in NAMES},
    }


def _level_numbers(name: str) -> list[int]:
    return [f["level"] for f in Expected(name).facts["levels"]]


CASES = [(place, name, number) for place in PLACES for name in NAMES for number in _level_numbers(name)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def golden(
    request: pytest.FixtureRequest,
    golden_places: Mapping[str, Mapping[str, Path]],
    expectations: Mapping[str, Expected],
) -> Iterator[GoldenLevel]:
    """Every level of every golden store, opened from a folder and from a zip."""
    place, name, number = request.param
    with open(golden_places[place][name]) as store:
        assert isinstance(store, Store)
        yield GoldenLevel(store, store.level(number), expectations[name])
