"""What the page on converting shows is run, and its table of formats is that of the registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zvview.convert.registry import ENTRIES, load_format

PAGE = Path(__file__).parents[2] / "docs" / "convert.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), scope)
    told = capsys.readouterr().out
    assert "300 points of 5 neurons; 0 left out" in told and "micrometer" in told
    assert {p.name for p in tmp_path.iterdir()} >= {"corner.parquet", "corner.ply", "synapses.zarrvectors"}


def test_the_table_of_formats_is_that_of_the_registry() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| `")]
    told = {name.strip("`"): row for row in rows for name in row[0].split(", ")}
    assert list(told) == [entry.name for entry in ENTRIES]
    for entry in ENTRIES:
        assert set(told[entry.name][3].split(", ")) == set(load_format(entry.name).kinds)
        assert any(f"`{suffix}`" in told[entry.name][1] for suffix in entry.suffixes)
