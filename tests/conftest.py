"""What all tests share: what they do not save is kept in folders of their own, not in the user's."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# an example may take long, or be long in the making, for what else the machine does
settings.register_profile("zvview", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zvview")

# shells take interrupts away from what they run in the background, and with that from the programs that tests interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: looking for garbage in it took a third of a second a window."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which this test's journals are kept."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("ZVVIEW_STATE", str(folder))
    return folder
