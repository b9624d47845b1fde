"""Updates become deliveries: the latest wins, what is prepared is never lost, and nothing is prepared twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zvview.geometry.batches import Batch
from zvview.napari.pipeline import Delivery, Pipeline
from zvview.napari.preparing import Prepared
from zvview.stream import Status, Update
from zvview.testing import make_batch


class Ends:
    """What stands at both ends of a pipeline."""

    def __init__(self) -> None:
        self.prepared: list[Batch] = []
        self.delivered: list[Delivery] = []

    def prepare(self, batch: Batch) -> Prepared:
        self.prepared.append(batch)
        return Prepared(batch.positions.copy(), batch.positions.copy(), None)

    def deliver(self, delivery: Delivery) -> None:
        self.delivered.append(delivery)


def update(generation: int, batch: Batch) -> Update:
    return Update(generation, batch, True, Status())


def test_what_is_prepared_arrives_with_the_latest_status(qtbot: Any) -> None:
    ends, batch = Ends(), make_batch("point_cloud", 10)
    pipeline = Pipeline(ends.prepare, ends.deliver)
    pipeline.take(update(1, batch))
    qtbot.waitUntil(lambda: len(ends.delivered) == 1)
    assert ends.delivered[0].prepared is not None
    pipeline.take(update(2, batch))  # the very same batch: only the status is new
    qtbot.waitUntil(lambda: len(ends.delivered) == 2)
    assert ends.delivered[1].prepared is None and ends.delivered[1].update.generation == 2
    assert len(ends.prepared) == 1
    pipeline.renew()
    qtbot.waitUntil(lambda: len(ends.delivered) == 3)
    assert ends.delivered[2].prepared is not None and len(ends.prepared) == 2
    pipeline.close()


def test_a_burst_ends_with_the_latest_and_a_closed_pipeline_is_silent(qtbot: Any) -> None:
    ends = Ends()
    pipeline = Pipeline(ends.prepare, ends.deliver)
    batches = [make_batch("point_cloud", 10 + n) for n in range(20)]
    for generation, batch in enumerate(batches):
        pipeline.take(update(generation, batch))
    qtbot.waitUntil(lambda: bool(ends.delivered) and ends.delivered[-1].update.generation == 19)
    assert ends.delivered[-1].prepared is not None
    assert len(ends.delivered[-1].prepared.positions) == len(batches[-1])
    pipeline.close()
    count = len(ends.delivered)
    pipeline.take(update(99, batches[0]))
    qtbot.wait(50)
    assert len(ends.delivered) == count


def test_an_update_that_comes_while_the_latest_is_prepared_again_is_not_lost(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = Ends()
    pipeline = Pipeline(ends.prepare, ends.deliver)
    pipeline.take(update(1, make_batch("point_cloud", 10)))
    qtbot.waitUntil(lambda: len(ends.delivered) == 1)
    submit, second = pipeline._worker.submit, make_batch("point_cloud", 20)

    def overtaken(job: Callable[[], None]) -> None:
        monkeypatch.setattr(pipeline._worker, "submit", submit)
        pipeline.take(update(2, second))
        submit(job)

    monkeypatch.setattr(pipeline._worker, "submit", overtaken)
    pipeline.renew()
    qtbot.waitUntil(lambda: ends.delivered[-1].update.generation == 2)
    qtbot.wait(50)
    assert ends.delivered[-1].update.generation == 2
    assert {len(one.prepared.positions) for one in ends.delivered[1:] if one.prepared is not None} == {20}
    pipeline.close()
