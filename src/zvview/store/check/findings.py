"""What a check comes back with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["Finding", "Findings", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "note"]
"""``error``: the store contradicts the specification, and a reader fails or shows something false. ``warning``: it can
be read, but a claim in it is untrue or a part of it is useless. ``note``: legal, and good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes
    ----------
    severity : "error", "warning" or "note"
    code : str
        Short name of the kind of finding, such as ``"wrong-chunk"``; stable, for programs.
    where : str
        Such as ``"0/vertices, chunk 1.0.2"``.
    message : str
        What was found and what was expected, in plain words.
    remedy : str
        What to do about it.
    """

    severity: Severity
    code: str
    where: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.message} [{self.code}]"


@dataclass(frozen=True, slots=True)
class Findings:
    """All findings about one place, worst first; iterable.

    Attributes
    ----------
    place : str
    items : tuple of Finding
    """

    place: str
    items: tuple[Finding, ...] = ()

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings and notes may be."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings of severity ``error``."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings of severity ``warning``."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Findings of severity ``note``."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(f for f in self.items if f.severity == severity)

    def to_dict(self) -> dict[str, Any]:
        """The findings as plain values, ready for JSON."""
        return {"place": self.place, "ok": self.ok, "findings": [asdict(f) for f in self.items]}
