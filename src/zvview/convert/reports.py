"""What a conversion made: one store or file for each input, and what was left out or changed on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zvview.convert.contract import Skipped

__all__ = ["Report", "Written"]


@dataclass(frozen=True, slots=True)
class Written:
    """One store or foreign file that was made.

    Attributes
    ----------
    place : str
    source : str
    format : str
        ``"store"`` or the name of a foreign format.
    kind : str
    vertices : int or None
        None of parts of a store that went to a foreign file.
    objects : int or None
        None where there are none.
    skipped : tuple of Skipped
        Files or records that were left out.
    notes : tuple of str
        What was changed on the way, such as polygons cut into triangles.
    """

    place: str
    source: str
    format: str
    kind: str
    vertices: int | None
    objects: int | None
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a conversion made.

    Attributes
    ----------
    place : str
    is_collection : bool
    written : tuple of Written
    """

    place: str
    is_collection: bool = False
    written: tuple[Written, ...] = field(default=())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """All that was left out."""
        return tuple(entry for made in self.written for entry in made.skipped)

    def to_dict(self) -> dict[str, Any]:
        """Fit for JSON."""
        written = [
            {name: getattr(made, name) for name in ("place", "source", "format", "kind", "vertices", "objects")}
            | {"skipped": [{"place": s.place, "reason": s.reason} for s in made.skipped], "notes": list(made.notes)}
            for made in self.written
        ]
        return {"place": self.place, "is_collection": self.is_collection, "written": written}
