"""What is kept of decoded chunks, and for how long."""

from __future__ import annotations

import pickle

import numpy as np

from zvview.store.decoded_chunks import DecodedChunks
from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

ONE, TWO = np.arange(3), np.arange(4)  # 24 and 32 bytes


def test_chunks_are_found_by_their_bytes_and_how_they_are_encoded() -> None:
    kept = DecodedChunks()
    kept.keep("a", b"12", ONE)
    assert kept.find("a", memoryview(b"12")) is ONE
    assert kept.find("b", b"12") is None and kept.find("a", b"13") is None


def test_those_that_were_asked_for_longest_ago_go_first() -> None:
    kept = DecodedChunks(90)
    kept.keep("a", b"1", ONE)
    kept.keep("a", b"2", TWO)
    assert kept.find("a", b"1") is ONE
    kept.keep("a", b"3", TWO)
    assert kept.find("a", b"2") is None
    assert kept.find("a", b"1") is ONE and kept.find("a", b"3") is TWO


def test_what_is_too_large_is_not_kept_and_lets_nothing_go() -> None:
    kept = DecodedChunks(32)
    kept.keep("a", b"1", ONE)
    kept.keep("a", b"2", TWO)
    assert kept.find("a", b"2") is None and kept.find("a", b"1") is ONE


def test_overlays_share_those_of_the_overlay_below() -> None:
    source = MemorySource({})
    below = Overlay(source)
    assert DecodedChunks.of(source) is None
    assert DecodedChunks.of(Overlay(below)) is DecodedChunks.of(below) is below.decoded
    assert Overlay(source).decoded is not below.decoded


def test_in_another_process_they_begin_empty() -> None:
    kept = DecodedChunks(90)
    kept.keep("a", b"1", ONE)
    copy = pickle.loads(pickle.dumps(kept))
    assert copy.find("a", b"1") is None
    copy.keep("a", b"1", TWO)
    copy.keep("a", b"2", TWO)
    copy.keep("a", b"3", TWO)
    assert copy.find("a", b"1") is None and copy.find("a", b"2") is not None
