"""What all benchmarks share: timing ours and the peer's in turns, the facts of the machine, and results as JSON."""

from __future__ import annotations

import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

__all__ = ["RESULTS", "Claim", "environment", "in_turns", "load", "save", "table", "timed", "versus"]

RESULTS = Path(__file__).parent / "results"
_TURN = 0.1  # seconds
_PACKAGES = ("numpy", "zarr", "zstandard", "zarr-vectors")


@dataclass(frozen=True, slots=True)
class Claim:
    """One number: what was asked, what was measured, and how.

    Attributes
    ----------
    name : str
        What is measured, in plain words.
    measured : float
    asked : float or None
        None for numbers that are only shown.
    unit : str
        ``x``, ``s`` or ``MB``.
    bound : "at least" or "at most"
    how : str
        Times or sizes that the number comes from.
    facts : dict
        Further figures, for the JSON only.
    """

    name: str
    measured: float
    asked: float | None = None
    unit: str = "x"
    bound: Literal["at least", "at most"] = "at least"
    how: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Whether the number is as asked."""
        if self.asked is None:
            return "shown"
        is_kept = self.measured >= self.asked if self.bound == "at least" else self.measured <= self.asked
        return "kept" if is_kept else "MISSED"

    def row(self) -> tuple[str, str, str, str]:
        """Name, asked, measured and verdict as text."""
        sign = "≥" if self.bound == "at least" else "≤"
        asked = "" if self.asked is None else f"{sign} {_number(self.asked)} {self.unit}"
        return self.name, asked, f"{_number(self.measured)} {self.unit}", self.verdict


def in_turns(rounds: int, *calls: Callable[[], object]) -> list[float]:
    """Median seconds of each call; they take turns, so that a busy moment of the machine strikes all alike.

    In a turn a call is repeated for a tenth of a second: short ones are not measured in the cold wake of long ones. One
    untimed round goes before. Results are dropped, and garbage collected, outside of the time.
    """
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for call, own in zip(calls, times, strict=True):
            gc.collect()
            spent = 0.0
            while spent < _TURN:
                start = time.perf_counter()
                result = call()
                seconds = time.perf_counter() - start
                del result
                spent += seconds
                if turn:
                    own.append(seconds)
    return [statistics.median(own) for own in times]


def versus(name: str, asked: float | None, ours: float, peer: float, **facts: Any) -> Claim:
    """How many times faster ours is than the peer."""
    return Claim(name, peer / ours, asked, how=f"{timed(ours)} against {timed(peer)}", facts=facts)


def environment() -> dict[str, Any]:
    """Versions and cores; nothing that names the machine."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in _PACKAGES},
    }


def save(name: str, claims: Sequence[Claim]) -> None:
    """Write the claims of one benchmark to ``results/NAME.json`` and print them."""
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "environment": environment(),
        "claims": [{**asdict(claim), "verdict": claim.verdict} for claim in claims],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(table(claims))


def load(name: str) -> tuple[dict[str, Any], list[Claim]]:
    """Environment and claims of one benchmark."""
    document = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    claims = [Claim(**{k: v for k, v in claim.items() if k != "verdict"}) for claim in document["claims"]]
    return document["environment"], claims


def table(claims: Sequence[Claim]) -> str:
    """The claims as aligned text."""
    rows = [(*claim.row(), claim.how) for claim in claims]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return "\n".join("  ".join([*(row[k].ljust(widths[k]) for k in range(4)), row[4]]).rstrip() for row in rows)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def timed(seconds: float) -> str:
    """A time as text, in milliseconds below one second."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"
