"""From path to answer: what is there, what is not, and what nobody should have asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources.contract import Block, Section

CELLS = Section("spatial0", (4, 3, 1), ("spatial", 0))
IDS = Section("by_id", None, ("by_id",))
BESIDE = Section("", None)


class Fake:
    """A source of which a few contents are there."""

    info: Mapping[str, Any] = {"@type": "test"}
    sections = (CELLS, IDS, BESIDE)
    notes = ()

    def __init__(self) -> None:
        self.reads: list[tuple[str, int]] = []

    def read(self, section: Section, keys: np.ndarray) -> Block:
        self.reads += [(section.key, int(key)) for key in keys]
        there = [int(key) for key in keys if key < 5 or key == 2**64 - 1]
        block = Block.of(there, [f"{section.key}:{key}:body".encode() for key in there])
        if section is BESIDE:
            return Block(block.keys, block.contents, np.full(len(there), 2, np.int64))
        return block

    def keys(self, section: Section) -> Iterator[np.ndarray]:
        yield np.arange(5, dtype=np.uint64)


@pytest.fixture
def answers() -> Answers:
    return Answers({"one": Fake()}, "v1")


def test_documents_cells_and_ids(answers: Answers) -> None:
    info = answers.answer("one/info")
    assert (info.status, info.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(info.body) == {"@type": "test"}
    assert answers.answer("one/spatial0/1_0_0").body == b"spatial0:1:body"
    assert answers.answer("one/spatial0/0_1_0").body == b"spatial0:2:body"
    assert answers.answer("one/by_id/3").body == b"by_id:3:body"
    assert answers.answer(f"one/by_id/{2**64 - 1}").status == 200


def test_a_content_of_two_files(answers: Answers) -> None:
    assert answers.answer("one/3").body == b":3"
    assert answers.answer("one/3.index").body == b":body"
    assert answers.answer("one/by_id/3.index").status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 404),
        ("one", 400),
        ("one/", 400),
        ("two/info", 404),
        ("one/nothing/3", 404),
        ("one/spatial0/3_2_0", 404),
        ("one/spatial0/4_0_0", 404),
        ("one/spatial0/99999999999_0_0", 400),
        ("one/spatial0/9999999999_0_0", 404),
        ("one/spatial0/0_0", 400),
        ("one/spatial0/0_0_-1", 400),
        ("one/spatial0/a_b_c", 400),
        ("one/by_id/18446744073709551616", 400),
        ("one/by_id/-1", 400),
        ("one/by_id/01", 400),
        ("one/by_id/1e3", 400),
        ("one/by_id/7", 404),
        ("one/../../etc/passwd", 404),
        ("one/by_id/../info", 404),
        ("one/" + "a" * 600, 414),
    ],
)
def test_what_is_not_there_or_cannot_be(answers: Answers, path: str, status: int) -> None:
    assert answers.answer(path).status == status


@given(st.text(max_size=60))
def test_no_path_breaks_it(path: str) -> None:
    answers = Answers({"one": Fake()}, "v1")
    assert answers.answer(path).status in (400, 404)
    assert answers.answer(f"one/{path}").status in (200, 400, 404)
    assert answers.answer(f"one/by_id/{path}").status in (200, 400, 404)


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, b"by_i"),
        ("bytes=3-3", 206, b"i"),
        ("bytes=8-", 206, b"body"),
        ("bytes=-4", 206, b"body"),
        ("bytes=0-999", 206, b"by_id:3:body"),
        ("bytes=12-", 416, b""),
        ("bytes=5-2", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=-", 416, b""),
        (f"bytes={10**18}-{10**18 + 1}", 416, b""),
        ("bytes=0-1,4-5", 200, b"by_id:3:body"),
        ("lines=0-1", 200, b"by_id:3:body"),
    ],
)
def test_ranges(answers: Answers, asked: str, status: int, body: bytes) -> None:
    answer = answers.answer("one/by_id/3", {"Range": asked})
    assert (answer.status, answer.body) == (status, body)
    if status == 206:
        span, _, size = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")
        first, last = map(int, span.split("-"))
        assert (last - first + 1, int(size)) == (len(body), 12)


def test_the_rest_of_what_is_no_longer_there_is_all_of_what_is(answers: Answers) -> None:
    tag = answers.answer("one/by_id/3").headers["ETag"]
    for held, status in ((tag, 206), ('"another"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)):
        answer = answers.answer("one/by_id/3", {"Range": "bytes=8-", "If-Range": held})
        assert (answer.status, answer.body) == (status, b"body" if status == 206 else b"by_id:3:body")


def test_what_a_browser_holds_is_not_sent_again(answers: Answers) -> None:
    tag = answers.answer("one/by_id/3").headers["ETag"]
    again = answers.answer("one/by_id/3", {"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert answers.answer("one/by_id/4", {"If-None-Match": tag}).status == 200
    assert Answers({"one": Fake()}, "v2").answer("one/by_id/3", {"If-None-Match": tag}).status == 200


def test_contents_are_read_once_and_kept_within_a_budget() -> None:
    source = Fake()
    answers = Answers({"one": source}, "v1", cache_bytes=1000)
    for _ in range(3):
        answers.answer("one/by_id/3")
        answers.answer("one/by_id/9")
    assert source.reads == [("by_id", 3), ("by_id", 9)]
    for key in (0, 1, 2, 4):
        answers.answer(f"one/by_id/{key}")
    answers.answer("one/by_id/3")
    assert source.reads.count(("by_id", 3)) == 2
