"""What became of edits that were written into their store."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Committed"]


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to.

    Attributes
    ----------
    chunks : int
        Chunks of level 0 that are others now.
    objects : int
        Objects that were edited, added or removed; 0 where vertices have none.
    levels : int
        Coarse levels that were made to fit.
    written_bytes : int
    note : str
        What the user should know; empty where all is well.
    """

    chunks: int = 0
    objects: int = 0
    levels: int = 0
    written_bytes: int = 0
    note: str = ""
