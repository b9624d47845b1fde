"""Reads awaited: each in a worker thread, and cancelled with the task that awaits it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from zvview.cancel import CancelToken

__all__ = ["read_in_thread"]

T = TypeVar("T")


async def read_in_thread(read: Callable[..., T], cancel: CancelToken | None, *args: Any, **kwargs: Any) -> T:
    """What `read` gives, called with a token as `cancel`; the task's cancellation becomes the read's."""
    token = CancelToken() if cancel is None else cancel
    try:
        return await asyncio.to_thread(read, *args, cancel=token, **kwargs)
    except asyncio.CancelledError:
        token.cancel()
        raise
