"""Every place answers alike: the promises of ``Source``, once for each kind."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zvview.cancel import CancelToken
from zvview.errors import Cancelled, InvalidInputError, UnsupportedError
from zvview.store.places.source import Source, clip_range

KEY = "0/vertices/c/0/0/0"
HOSTILE = [
    "",
    "/etc/passwd",
    "../secret",
    "0/../../secret",
    "0//zarr.json",
    "0/./zarr.json",
    "0/",
    "a\\b",
    "a\0b",
    "\ud800",
]


def as_bytes(answers: list) -> list[bytes | None]:
    return [None if answer is None else bytes(answer) for answer in answers]


def test_whole_objects_in_the_order_asked(source: Source, content: dict[str, bytes]) -> None:
    keys = [*reversed(content), "0/missing", "zarr.json/below", "zarr.json"]
    found = as_bytes(source.get_many([(key, None) for key in keys]))
    assert found == [content.get(key) for key in keys]


def test_async_answers_are_the_same(source: Source, content: dict[str, bytes]) -> None:
    requests = [(key, None) for key in content]
    assert as_bytes(asyncio.run(source.aget_many(requests))) == list(content.values())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(-11_000, 11_000), st.integers(0, 11_000)), min_size=1, max_size=8))
def test_ranges_are_slices(source: Source, content: dict[str, bytes], spans: list[tuple[int, int]]) -> None:
    body = content[KEY]
    found = as_bytes(source.get_many([(KEY, span) for span in spans]))
    assert found == [body[slice(*clip_range(span, len(body)))] for span in spans]


def test_ranges_of_missing_and_empty_objects(source: Source, content: dict[str, bytes]) -> None:
    spans = [(0, 5), (-20, 0), (3, 3)]
    assert source.get_many([("0/missing", span) for span in spans]) == [None] * 3
    assert as_bytes(source.get_many([("0/vertices/c/0/0/1", span) for span in spans])) == [b""] * 3
    assert as_bytes(source.get_many([(KEY, (3, 3)), (KEY, (20_000, 20_001)), (KEY, (-99_999, 0))])) == [
        b"",
        b"",
        content[KEY],
    ]


def test_listing(source: Source, content: dict[str, bytes]) -> None:
    if not source.can_list:
        with pytest.raises(UnsupportedError):
            source.list_names("")
        with pytest.raises(UnsupportedError):
            source.list_keys("")
        return
    assert source.list_names("") == ["0", "zarr.json"]
    assert source.list_names("0/") == ["vertex_attributes", "vertices", "zarr.json"]
    assert source.list_names("0/vertex_attributes") == ["g\u00e8ne 1%"]
    assert source.list_names("9/none") == []
    assert source.list_keys("") == sorted(content)
    assert source.list_keys("0/vertices/c") == ["0/vertices/c/0/0/0", "0/vertices/c/0/0/1"]
    assert source.list_keys("0/vert") == []


def test_sizes(source: Source, content: dict[str, bytes]) -> None:
    keys = [*content, "0/missing", "0/vertices"]
    assert source.stat_many(keys) == [*(len(value) for value in content.values()), None, None]


@pytest.mark.parametrize("key", HOSTILE)
def test_keys_stay_inside(source: Source, key: str) -> None:
    with pytest.raises(InvalidInputError):
        source.get_many([("zarr.json", None), (key, None)])
    with pytest.raises(InvalidInputError):
        asyncio.run(source.aget_many([(key, None)]))
    with pytest.raises(InvalidInputError):
        source.stat_many([key])


def test_a_set_token_stops_before_anything(source: Source) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        source.get_many([("zarr.json", None)], token)
    with pytest.raises(Cancelled):
        asyncio.run(source.aget_many([("zarr.json", None)], token))


def test_nothing_asked_nothing_answered(source: Source) -> None:
    assert source.get_many([]) == []
    assert source.place
