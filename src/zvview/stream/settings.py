"""What a user or a viewer may set about streaming."""

from __future__ import annotations

from dataclasses import dataclass, fields

from zvview.errors import InvalidInputError

__all__ = ["StreamSettings"]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """How much memory, how much at once, how often.

    Attributes
    ----------
    cache_bytes : int
        Hard budget of the chunks that are kept, in bytes of their arrays.
    group_bytes : int
        Aim for the size of one read of points: several chunks where they are small; three times as much for kinds with
        links. It bounds what a cancelled read costs.
    concurrent_reads : int
        Reads in flight at once.
    update_interval_s : float
        Least time between two updates that are not settled yet; large ones wait ten times what joining them takes.
    hysteresis : float
        By which part the view must change beyond the point where the level was chosen before another one is.
    prefetch_margin : float
        Width of the ring around the view that is read when idle, as a part of the view; 0 turns reading ahead off.
    prefetch_share : float
        Part of the cache that one round of reading ahead may fill.
    idle_s : float
        How long a view must be settled before reading ahead begins.
    stall_s : float
        A read that takes longer is reported.
    give_up_s : float
        A read that takes longer is given up and tried again.
    backoff_s : float
        Wait before the first new attempt after a failure; it doubles each time, up to 30 s.
    attributes : tuple of str or None
        Vertex and link attributes to read; None for all.
    """

    cache_bytes: int = 512 << 20
    group_bytes: int = 2 << 20
    concurrent_reads: int = 2
    update_interval_s: float = 0.1
    hysteresis: float = 0.25
    prefetch_margin: float = 0.25
    prefetch_share: float = 0.25
    idle_s: float = 0.15
    stall_s: float = 2.0
    give_up_s: float = 30.0
    backoff_s: float = 0.5
    attributes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "attributes":
                continue
            least = 1 if f.name in ("cache_bytes", "group_bytes", "concurrent_reads") else 0
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
                raise InvalidInputError(f"{f.name} = {value!r}, expected a number of at least {least}")
