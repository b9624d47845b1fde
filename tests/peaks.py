"""The most memory that a process takes, as Linux tells it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path


def peak_of(script: str, *arguments: object) -> int:
    """The most anonymous memory (not that of files) of a process that runs a script without complaint, in bytes."""
    most = 0
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            for line in status.read_text().splitlines():
                if line.startswith("RssAnon:"):
                    most = max(most, int(line.split()[1]) * 1024)
            time.sleep(0.002)
        assert process.stderr is not None and (process.returncode, process.stderr.read()) == (0, b"")
    return most
