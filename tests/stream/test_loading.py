from __future__ import annotations

import numpy as np
import pytest

from zvview.cancel import CancelToken
from zvview.errors import Cancelled
from zvview.stream.facts import gather_facts
from zvview.stream.loading import load_chunks
from zvview.testing import make_store


class Countdown(CancelToken):
    """Sets itself at the n-th look at it."""

    def __init__(self, looks: float) -> None:
        super().__init__()
        self.left, self.seen = looks, 0

    def raise_if_cancelled(self) -> None:
        self.seen += 1
        if self.seen > self.left:
            self.cancel()
        super().raise_if_cancelled()


@pytest.mark.parametrize("kind", ["point_cloud", "streamline", "mesh", "graph", "skeleton"])
def test_a_read_stops_at_each_of_its_steps(kind: str) -> None:
    with make_store({}, kind, size=2000, chunk_shape=(250.0,) * 3) as store:
        facts = gather_facts(store, None)
        rows = np.arange(0, len(facts.levels[0].chunks), 2)
        through = Countdown(np.inf)
        parts = load_chunks(store, facts, facts.levels[0], rows, cancel=through).parts
        assert len(parts) == len(rows) and through.seen >= len(rows) + (kind != "point_cloud") * 10
        for looks in range(0, through.seen, max(1, through.seen // 20)):
            with pytest.raises(Cancelled):
                load_chunks(store, facts, facts.levels[0], rows, cancel=Countdown(looks))
