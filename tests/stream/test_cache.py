from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from zvview.stream.cache import ByteCache, choose_evictions


@dataclass(frozen=True)
class Block:
    nbytes: int


keys = st.tuples(st.integers(0, 2), st.integers(0, 5))
steps = st.lists(st.tuples(st.sampled_from(["put", "touch"]), keys, st.integers(0, 60)), max_size=60)


@given(steps, st.integers(1, 150), st.sets(keys, max_size=4))
def test_the_budget_holds_and_the_oldest_go_first(
    steps: list[tuple[str, tuple[int, int], int]], budget: int, protected: set[tuple[int, int]]
) -> None:
    cache: ByteCache[Block] = ByteCache(budget)
    model: dict[tuple[int, int], int] = {}
    for what, key, size in steps:
        if what == "touch" and key in model:
            cache.touch(key)
            model[key] = model.pop(key)
        elif what == "put":
            gone = cache.put(key, Block(size), protected.__contains__)
            stay = sum(n for k, n in model.items() if k in protected and k != key) + size
            assert (gone is None) == (stay > budget)
            if gone is not None:
                oldest = [k for k in model if k not in protected and k != key]
                assert gone == oldest[: len(gone)]
                for other in gone:
                    del model[other]
                model.pop(key, None)
                model[key] = size
        assert list(cache) == list(model) and cache.nbytes == sum(model.values()) <= budget


@given(st.lists(st.integers(0, 50), max_size=10), st.integers(-5, 300))
def test_no_more_goes_than_must(sizes: list[int], excess: int) -> None:
    entries = [((0, i), size) for i, size in enumerate(sizes)]
    gone = choose_evictions(entries, excess, lambda key: False)
    if gone is None:
        assert sum(sizes) < excess
    else:
        freed = [sizes[row] for _, row in gone]
        assert sum(freed) >= excess and (not freed or sum(freed[:-1]) < excess)


def test_nothing_of_a_cleared_cache_is_left() -> None:
    cache: ByteCache[Block] = ByteCache(10)
    cache.put((0, 0), Block(7), lambda key: False)
    assert len(cache) == 1 and (0, 0) in cache and cache[(0, 0)].nbytes == 7
    cache.clear()
    assert len(cache) == 0 and cache.nbytes == 0
