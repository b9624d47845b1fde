"""The command line as a whole: ``zvview check``, exit codes, one-line errors, and manners in a pipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.testing import make_store

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "zvview", *map(str, arguments)]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    make_store(tmp_path / "damaged", "graph", size=300, chunk_shape=(300, 300, 300))
    cell = next(path for path in (tmp_path / "damaged/0/vertices/c").rglob("*") if path.is_file())
    cell.write_bytes(cell.read_bytes()[:-2])
    return tmp_path / "damaged"


def test_a_sound_store_passes(tmp_path: Path) -> None:
    make_store(tmp_path / "store", "mesh", size=300)
    result = run("check", tmp_path / "store")
    assert result.exit_code == 0
    assert "nothing found" in result.stdout
    document = json.loads(run("check", tmp_path / "store", "--json").stdout)
    assert document == {"place": str(tmp_path / "store"), "ok": True, "findings": []}


def test_warnings_alone_do_not_fail_and_are_counted() -> None:
    result = run("check", GOLDEN / "lines.zip")
    assert result.exit_code == 0
    assert "warning bridges" in result.stdout
    assert "warnings" in result.stdout.splitlines()[-1]


def test_errors_come_first_and_fail(damaged: Path) -> None:
    result = run("check", damaged)
    assert result.exit_code == 1
    assert result.stdout.startswith("error ")
    assert "0/vertices, chunk" in result.stdout
    result = run("check", damaged, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"][0]["severity"] == "error"


@pytest.mark.parametrize("name", ["info", "check"])
def test_an_error_is_one_line_without_a_traceback(name: str, tmp_path: Path) -> None:
    result = run(name, tmp_path / "missing")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "missing" in result.stderr


def test_what_is_no_store_is_an_error_to_info_and_a_finding_to_check(tmp_path: Path) -> None:
    assert run("info", tmp_path).exit_code == 2
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert "not-a-store" in result.stdout


def test_wrong_usage_and_help() -> None:
    assert run("info").exit_code == 2
    assert run("nonsense").exit_code == 2
    assert "check" in run("--help").stdout
    assert run("--version").stdout == f"zvview {zvview.__version__}\n"


def test_the_package_runs_as_a_module(damaged: Path) -> None:
    done = subprocess.run(command("check", damaged), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "damaged-cell" in done.stdout
    done = subprocess.run(
        command("info", damaged.parent / "no"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr and "error:" in done.stderr


@pytest.mark.parametrize("arguments", [("info",), ("info", "--json"), ("check", "--json")])
def test_a_closed_pipe_is_no_traceback(arguments: tuple[str, ...]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as closed:
        place = GOLDEN / "streamlines.zip"
        done = subprocess.run(
            command(*arguments, place), stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr == ""


def test_an_interrupt_is_no_traceback(tmp_path: Path) -> None:
    fifo = "import sys, time, zvview.store.check as c\nfrom zvview.cli import main\n"
    slow = "def wait(*a, **k):\n    print('ready', flush=True)\n    time.sleep(30)\nc.check = wait\nmain()"
    arguments = [sys.executable, "-c", fifo + slow, "check", str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert time.monotonic() - started < 20
        assert process.stderr.read() == ""
