"""Links hold a state and give it back; what is none is told."""

from __future__ import annotations

import json
from typing import Any

import neuroglancer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import BadFileError, InvalidInputError
from zvview.neuroglancer.links.urls import (
    HOSTED,
    LONGEST,
    make_link,
    make_short_link,
    origin_of,
    parse_link,
    size_warning,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
STATES = st.dictionaries(st.text(), VALUES, max_size=5)


@given(STATES, st.booleans(), st.sampled_from([HOSTED, "http://127.0.0.1:8000/v/token/", "https://h.org/a/?x=1"]))
def test_a_state_comes_back_from_its_link(state: dict[str, Any], merge: bool, prefix: str) -> None:
    link = make_link(state, prefix=prefix, merge=merge)
    assert parse_link(link) == state
    assert link.startswith(prefix)
    assert not set(link) & set(' "<>\n\t')


@given(STATES)
def test_json_itself_is_a_state(state: dict[str, Any]) -> None:
    assert parse_link(json.dumps(state)) == state


@pytest.mark.parametrize("address", ["https://host/a b/state.json", "gs://bucket/state.json", "s3+https://h/x.json"])
def test_an_address_of_a_state_comes_back(address: str) -> None:
    assert parse_link(make_short_link(address)) == address


def test_the_client_of_neuroglancer_reads_our_links_alike() -> None:
    state = {"layers": [{"type": "annotation", "name": "a b", "source": "precomputed://https://h/é?x=1&y=%20#z"}]}
    assert neuroglancer.parse_url(make_link(state)).to_json()["layers"][0]["source"] == state["layers"][0]["source"]


@given(st.text(max_size=200))
def test_what_is_no_state_is_told(text: str) -> None:
    with pytest.raises(BadFileError, match="no state"):
        parse_link(f"https://h/#!{{{text}")


@pytest.mark.parametrize(
    "link", ["", "https://h/", "https://h/#!", "https://h/#![1]", "#!{", "#!" + "[" * 100_000, '#!{"a": NaN}', "#!%ff"]
)
def test_links_without_a_state_are_told(link: str) -> None:
    with pytest.raises(BadFileError):
        parse_link(link)


@pytest.mark.parametrize(
    "prefix", ["", "ftp://h", "h.org", "https://", "https://a@h.org", "https://h:99999", "javascript:x"]
)
def test_prefixes_are_addresses_of_sites(prefix: str) -> None:
    with pytest.raises(InvalidInputError):
        make_link({}, prefix=prefix)


def test_what_is_no_json_is_told() -> None:
    with pytest.raises(InvalidInputError, match="JSON"):
        make_link({"a": float("nan")})


def test_sites_are_told_as_browsers_do() -> None:
    assert origin_of("https://Example.org/some/page#x") == "https://example.org"
    assert origin_of("http://localhost:8080") == "http://localhost:8080"


@pytest.mark.parametrize(("size", "word"), [(10, None), (LONGEST + 1, "mail"), (3 << 20, "browsers refuse")])
def test_long_links_are_warned_of(size: int, word: str | None) -> None:
    told = size_warning("a" * size)
    assert told is None if word is None else word in (told or "")
