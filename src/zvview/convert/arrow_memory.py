"""Memory that pyarrow keeps for later: given back between two passes over a file, so that they do not add up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa  # type: ignore[import-untyped]

__all__ = ["memory_returned"]


@contextmanager
def memory_returned() -> Iterator[None]:
    """At the end what pyarrow took from the system and no longer uses is given back: up to some hundred megabytes."""
    try:
        yield
    finally:
        pa.default_memory_pool().release_unused()
