from __future__ import annotations

from zvview.stream.ledger import Ledger


def test_what_was_read_and_not_shown_is_wasted_as_long_as_no_view_wants_it() -> None:
    ledger = Ledger(100)
    ledger.read([((0, 1), 10), ((0, 2), 20)], is_ahead=False)
    ledger.read([((1, 0), 40)], is_ahead=True)
    assert ledger.snapshot(is_wanted=lambda key: key == (0, 2)).bytes_wasted == 10
    ledger.shown([(0, 1), (1, 0)])
    stats = ledger.snapshot()
    assert (stats.bytes_read, stats.bytes_shown, stats.bytes_prefetched, stats.bytes_wasted) == (70, 50, 40, 20)


def test_levels_get_other_indices_and_those_of_another_store_are_forgotten() -> None:
    ledger = Ledger(100)
    ledger.read([((0, 66), 10), ((1, 5), 20)], is_ahead=False)
    ledger.rebase({0: 3})
    assert ledger.snapshot(is_wanted=lambda key: key != (3, 66)).bytes_wasted == 10
    ledger.rebase({})
    asked: list[object] = []
    assert ledger.snapshot(is_wanted=lambda key: bool(asked.append(key))).bytes_wasted == 0 and not asked
