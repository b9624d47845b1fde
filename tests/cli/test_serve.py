"""``zvview serve`` as a process: what it prints, what it answers, how it ends."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import zvview
from zvview.cli.app import app
from zvview.neuroglancer.links.urls import parse_link
from zvview.neuroglancer.viewing import view


@pytest.fixture
def places(tmp_path: Path) -> list[str]:
    """A store, and a collection of two, one of which cannot be shown."""
    rng = np.random.default_rng(1)
    found = []
    for name in ("first", "second"):
        place = tmp_path / f"{name}.zarrvectors"
        with zvview.create(place, kind="point_cloud", axes="xyz", chunk_shape=(50, 50, 50)) as store:
            store.write(zvview.Points(rng.uniform(0, 100, (100, 3)).astype("f4")))
        found.append(str(place))
    return found


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that serves, and the addresses that it printed."""
    command = [sys.executable, "-m", "zvview", "serve", "--no-browser", *arguments]
    count = 2 if "--allow-origin" in arguments else 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().strip() for _ in range(count)]
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_ended(places: list[str], how: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with served(*places, "--port", str(port)) as (process, (url,)):
        assert url.startswith(f"http://127.0.0.1:{port}/v/")
        with urllib.request.urlopen(url, timeout=20) as reply:
            assert b"<html" in reply.read().lower()
        process.send_signal(how)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in said
        assert "Ctrl+C ends" in said


def test_another_address_is_served_if_asked(places: list[str]) -> None:
    with served(*places, "--address", "localhost") as (process, (url,)):
        assert url.startswith("http://localhost:")
        with urllib.request.urlopen(url, timeout=20) as reply:
            assert b"<html" in reply.read().lower()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Whoever has the address below reads these stores" in said
    refused = CliRunner().invoke(app, ["serve", "--no-browser", "--address", "0.0.0.0", *places])
    assert refused.exit_code == 2 and "by which others reach this machine" in refused.output.replace("\n", " ")


def test_a_client_elsewhere_is_let_in_if_asked(places: list[str]) -> None:
    with served(*places, "--allow-origin", "https://example.org/client/") as (process, (_, link)):
        state = parse_link(link)
        assert link.startswith("https://example.org/client/#!")
        assert isinstance(state, dict)
        assert [layer["name"] for layer in state["layers"]] == ["first", "second"]
        source = json.dumps(state["layers"][0]["source"])
        info = source[source.index("http") :].partition("|")[0] + "info"
        request = urllib.request.Request(info, headers={"Origin": "https://example.org"})
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.headers["Access-Control-Allow-Origin"] == "https://example.org"
        process.send_signal(signal.SIGINT)
        assert "allows the browser" in process.communicate(timeout=20)[1]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nowhere.zarrvectors"], "nowhere"),
        (["--allow-origin", "example.org"], "example.org"),
        (["--image", "volume.zarr"], "or an address"),
    ],
)
def test_what_cannot_be_served_is_told(places: list[str], arguments: list[str], word: str) -> None:
    given = arguments if arguments[0].startswith("nowhere") else [*places, *arguments]
    found = CliRunner().invoke(app, ["serve", "--no-browser", *given])
    assert found.exit_code == 2
    assert word in found.stderr


def test_a_port_that_is_taken_is_told(places: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "zvview", "serve", "--no-browser", *places, "--port", port]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert f"port {port} cannot be had" in found.stderr and "0 for any that is free" in found.stderr
    assert "Traceback" not in found.stderr
    command = [sys.executable, "-m", "zvview", "serve", "--no-browser", *places, "--address", "192.0.2.7"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 2
    assert "nothing can be served at 192.0.2.7: " in found.stderr and "by which others reach it" in found.stderr


def test_one_of_several_that_is_damaged_is_told_and_the_others_are_shown(places: list[str]) -> None:
    (Path(places[0]) / "0" / "zarr.json").write_text("{")
    with view(*places) as shown:
        assert any(places[0] in note and "damaged" in note for note in shown.notes)
        assert [layer["name"] for layer in shown.state()["layers"]] == ["second"]
    with pytest.raises(zvview.DamagedError):
        view(places[0])
    (Path(places[0]) / "zarr.json").write_text("{")
    with pytest.raises(zvview.DamagedError, match=f"of {re.escape(places[0])}"):
        view(*places)


def test_stores_of_one_name_are_told_apart(places: list[str]) -> None:
    other = Path(places[0]).parent / "other" / "first.zarrvectors"
    shutil.copytree(places[0], other)
    with view(places[0], other) as shown:
        assert f"{other} is called first_2 here" in shown.notes
        assert [layer["name"] for layer in shown.state()["layers"]] == ["first", "first_2"]


def test_what_turns_out_to_be_damaged_is_told_when_it_is_asked_for(places: list[str]) -> None:
    vertices = next(path for path in (Path(places[0]) / "0" / "vertices" / "c").rglob("*") if path.is_file())
    vertices.write_bytes(vertices.read_bytes()[:20])
    with served(places[0], "--allow-origin", "https://example.org") as (process, (_, link)):
        source = json.dumps(parse_link(link))
        folder = source[source.index("http") :].partition("|")[0]
        with urllib.request.urlopen(f"{folder}info", timeout=20) as reply:
            (level, *_) = json.load(reply)["spatial"]
        for cell in np.ndindex(*level["grid_shape"]):
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(f"{folder}{level['key']}/{'_'.join(map(str, cell))}", timeout=20).close()
        limit = threading.Timer(60, process.kill)
        limit.start()
        assert process.stderr is not None
        assert any("note: damaged" in line for line in process.stderr)  # waits for it, until the process ends
        limit.cancel()
        process.send_signal(signal.SIGINT)
        process.wait(20)
