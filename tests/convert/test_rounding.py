from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zvview.convert.rounding import add_steps, find_steps, map_back, smallest_dtype

FLOATS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 20), st.just(3)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@settings(max_examples=200)
@given(FLOATS, st.integers(0, 2**32))
def test_steps_lead_back_to_the_bit(wanted: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    forth = np.eye(4)
    forth[:3] = rng.normal(0, 2, (3, 4))
    with np.errstate(over="ignore", invalid="ignore"):
        positions = (wanted @ forth[:3, :3].T + forth[:3, 3]).astype(np.float32)
    if not np.isfinite(positions).all():
        return
    back = np.linalg.inv(forth)
    steps = find_steps(wanted, positions, back)
    found = map_back(positions, back)
    if np.isfinite(found).all():
        assert add_steps(found, steps.values, steps.limit).tobytes() == wanted.tobytes()


def test_a_number_that_is_further_away_than_any_was_stays() -> None:
    found = np.array([1e-6, 50.0, 50.0], np.float32)
    steps = np.array([-(2**28), -(2**28), 2**62], np.int64)
    restored = add_steps(found, steps, 1e-5)
    assert restored[0] < 1e-6 and restored[1:].tolist() == [50.0, 50.0]


def test_signed_zeros_and_large_steps() -> None:
    wanted = np.array([[0.0, -0.0, -3e38]], np.float32)
    found = np.array([[-0.0, 0.0, 3e38]], np.float32)
    steps = find_steps(wanted, found, np.eye(4))
    assert steps.values.dtype == np.int64
    back = map_back(found, np.eye(4))
    assert add_steps(back, steps.values, steps.limit).tobytes() == wanted.tobytes()


def test_many_rows_are_worked_on_in_blocks() -> None:
    rng = np.random.default_rng(0)
    positions = rng.normal(0, 100, (40_001, 3)).astype(np.float32)
    matrix = np.concatenate([rng.normal(size=(3, 4)), [[0, 0, 0, 1]]])
    whole = map_back(positions, matrix)
    assert np.array_equal(whole[-5:], map_back(positions[-5:], matrix))
    assert np.allclose(whole, positions @ matrix[:3, :3].T + matrix[:3, 3], rtol=1e-5, atol=1e-3)


def test_dtypes() -> None:
    assert [smallest_dtype(-n, n).name for n in (127, 128, 32767, 2**31 - 1, 2**31)] == [
        "int8",
        "int16",
        "int16",
        "int32",
        "int64",
    ]
