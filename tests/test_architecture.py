"""The layers of ``src/zvview``, read from its imports: they point downward only; third parties stay where they belong.

The checkers are pure functions over sources, so that the rules themselves are tested on made-up ones.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "zvview"

# Bottom first. A module may import its own part and parts of lower rank; parts of one rank do not know each other.
LAYERS: list[set[str]] = [
    {"errors", "version"},
    {"cancel"},
    {"format"},
    {"geometry"},
    {"store"},
    {"pyramid", "stream", "style", "testing"},
    {""},  # the facade, zvview/__init__.py: it tells commits, which are the store's, how coarse levels are made
    {"convert"},
    {"samples"},
    {"napari", "neuroglancer"},
    {"handover"},  # from one viewer to the other
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}

EVERYWHERE = frozenset(RANK)
QT = ("qtpy", "superqt", "PyQt5", "PyQt6", "PySide2", "PySide6")
# Every third-party package that the sources may import, with the parts that may.
THIRD_PARTY: dict[str, frozenset[str]] = {
    "numpy": EVERYWHERE - {"errors", "cancel"},
    "zarr": frozenset({"format", "store"}),
    "typing_extensions": EVERYWHERE,  # a requirement of zarr, as are the next two
    **dict.fromkeys(("numcodecs", "google_crc32c"), frozenset({"format", "store"})),
    "zstandard": frozenset({"store"}),
    "DracoPy": frozenset({"store", "neuroglancer"}),
    "obstore": frozenset({"store"}),
    # the last two are napari's own: its features are data frames, its units are pint's
    **dict.fromkeys(("vispy", "npe2", "psygnal", *QT, "pandas", "pint"), frozenset({"napari"})),
    "napari": frozenset({"napari", "handover"}),
    "mapbox_earcut": frozenset({"napari"}),  # areas of closed lines
    **dict.fromkeys(("neuroglancer", "tornado", "cachetools"), frozenset({"neuroglancer"})),
    **dict.fromkeys(("nibabel", "pyarrow"), frozenset({"convert"})),
    **dict.fromkeys(("fast_simplification", "scipy"), frozenset({"pyramid"})),
    "platformdirs": frozenset({"samples"}),
    **dict.fromkeys(("typer", "rich"), frozenset({"cli"})),
}


def imported_names(source: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import of a source, wherever it stands; relative ones keep their dots.

    ``from a import b`` gives ``a.b``, be `b` a module or not. ``importlib.import_module("a.b")`` counts as well.
    """
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def part_of(module: str) -> str:
    """The part of zvview that a dotted name belongs to; names that the facade defines belong to the facade, ``""``."""
    part = module.partition(".")[2].partition(".")[0]
    return part if part in RANK else ""


def layer_violations(modules: Mapping[str, str]) -> list[str]:
    """Broken rules of direction and of third-party imports, in plain words; `modules` maps dotted names to sources."""
    found = []
    for module, source in sorted(modules.items()):
        part = part_of(module)
        if part == "" and module != "zvview":
            found.append(f"{module}: not in the order of layers")
            continue
        for line, name in imported_names(source):
            package = name.partition(".")[0]
            place = f"{module}:{line}"
            if name.startswith("."):
                found.append(f"{place}: relative import of {name}")
            elif package == "zvview":
                target = part_of(name)
                if target != part and RANK[target] >= RANK[part]:
                    found.append(f"{place}: {part or 'zvview'} imports {name}, which is not below it")
            elif package not in sys.stdlib_module_names and part not in THIRD_PARTY.get(package, ()):
                found.append(f"{place}: {part or 'zvview'} imports {name}, which has no place there")
    return found


def import_cycle(modules: Mapping[str, str]) -> list[str]:
    """A chain of modules that import each other in a ring, or an empty list."""

    def targets(source: str) -> Iterator[str]:
        for _, name in imported_names(source):
            candidates = (name, name.rpartition(".")[0])  # a module, or a name that a module defines
            yield from [target for target in candidates if target in modules][:1]

    graph = {module: sorted(set(targets(source)) - {module}) for module, source in modules.items()}
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            path.append(module)
            for target in graph[module]:
                if ring := visit(target):
                    return ring
            path.pop()
            done.add(module)
        return []

    return next((ring for module in sorted(graph) if (ring := visit(module))), [])


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def test_imports_of_the_sources_point_downward(sources: dict[str, str]) -> None:
    assert "zvview.errors" in sources
    assert layer_violations(sources) == []


def test_no_module_of_the_sources_imports_itself_in_a_ring(sources: dict[str, str]) -> None:
    assert import_cycle(sources) == []


def test_every_folder_of_tests_has_its_part_in_the_sources() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    missing = {folder.as_posix() for folder in folders if not (SOURCE / folder / "__init__.py").is_file()}
    assert missing - {"neuroglancer/browser"} == set()  # all parts at once, as a user sees them


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zvview.cancel", "from zvview.errors import Cancelled"),
        ("zvview.format.cells", "import zvview.format.names\nimport numpy as np\nimport struct"),
        ("zvview.geometry.batch", "from zvview import errors, format"),
        ("zvview.store.read", "from zvview.geometry.batch import Batch\nfrom zvview.store.place import Place"),
        ("zvview", "from zvview.store.store import Store\nfrom zvview.pyramid.refresh import compute_refresh"),
        ("zvview.napari.reader", "import zvview\nfrom zvview import open\nimport napari.layers, qtpy.QtCore"),
        ("zvview.cli.info", "def info():\n    from zvview.neuroglancer import serve\n    import typer"),
    ],
)
def test_downward_imports_pass(module: str, source: str) -> None:
    assert layer_violations({module: source}) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("zvview.errors", "from zvview.cancel import CancelToken"),
        ("zvview.format.cells", "from zvview.store import place"),
        ("zvview.format.cells", "from zvview import geometry"),
        ("zvview.geometry.batch", "def late():\n    import zvview.store.read"),
        ("zvview.store.read", "import zvview"),
        ("zvview.store.read", "from zvview import open"),
        ("zvview.store.read", "import importlib\nimportlib.import_module('zvview.stream')"),
        ("zvview", "from zvview.convert import convert"),
        ("zvview.pyramid.build", "from zvview import open"),
        ("zvview.stream.plan", "from zvview.style import colour"),
        ("zvview.napari.reader", "from zvview.neuroglancer.link import make_link"),
        ("zvview.neuroglancer.link", "from zvview.napari import reader"),
        ("zvview.napari.reader", "from zvview.handover import commands"),
        ("zvview.convert.swc", "from zvview.cli import main"),
        ("zvview.store.read", "from .place import Place"),
        ("zvview.store.read", "from . import place"),
        ("zvview.utils", ""),
        ("zvview.stream.view", "import napari"),
        ("zvview.stream.view", "from qtpy.QtCore import QTimer"),
        ("zvview.store.check", "import rich.table"),
        ("zvview.napari.reader", "import neuroglancer"),
        ("zvview.store.read", "import pandas as pd"),
        ("zvview.testing.stores", "import zarr_vectors"),
    ],
)
def test_each_broken_rule_is_found(module: str, source: str) -> None:
    assert len(layer_violations({module: source})) == 1


def test_rings_are_found_and_chains_are_not() -> None:
    chain = {
        "zvview.store": "from zvview.store.a import f",
        "zvview.store.a": "def f():\n    from zvview.store.b import g",
        "zvview.store.b": "from zvview.store import c",
        "zvview.store.c": "",
    }
    assert import_cycle(chain | {"zvview.store.b": "import zvview.store.c"}) == []
    ring = import_cycle(chain | {"zvview.store.b": "import zvview.store.c", "zvview.store.c": "import zvview.store.a"})
    assert set(ring) == {"zvview.store.a", "zvview.store.b", "zvview.store.c"}
