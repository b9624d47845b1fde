"""The log of a commit: what is written is read, and nothing else is believed."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.errors import DamagedError
from zvview.store.places.redo_log import RedoLog

NAME = "0123456789abcdef"
_keys = st.text("ab/\u00e8c.", min_size=1, max_size=8).filter(
    lambda key: all(part.strip(".") for part in key.split("/"))
)


def signed(body: bytes) -> bytes:
    return b"zvview commit 1 %08x %d\n" % (zlib.crc32(body), len(body)) + body


@given(st.dictionaries(_keys, st.binary(max_size=20)), st.frozensets(_keys))
def test_what_is_written_is_read(contents: dict[str, bytes], removed: frozenset[str]) -> None:
    log = RedoLog.describe(NAME, contents, removed - contents.keys())
    assert RedoLog.parse(log.encode()) == log
    assert list(log.staged) == list(contents)
    assert all(entry.key.startswith(f"{log.folder}/") for entry in log.staged.values())


@given(st.data())
def test_no_damage_goes_unseen(data: st.DataObject) -> None:
    whole = bytearray(RedoLog.describe(NAME, {"zarr.json": b"{}", "a/b": b"12"}, frozenset({"c"})).encode())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(DamagedError, match="log of a commit that was interrupted"):
        RedoLog.parse(bytes(whole))
    with pytest.raises(DamagedError):
        RedoLog.parse(bytes(whole[:at]))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=30) | st.fixed_dictionaries({"name": _json, "put": _json, "removed": _json}).map(json.dumps))
def test_signed_nonsense_is_refused_as_damage(body: bytes | str) -> None:
    with pytest.raises(DamagedError):
        RedoLog.parse(signed(body if isinstance(body, bytes) else body.encode()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"put": [["../x", 1, 2]]},
        {"put": [["/etc/x", 1, 2]]},
        {"put": [["a", 1, 2], ["a", 1, 2]]},
        {"put": [["a", 1]]},
        {"put": [["a", None, 2]]},
        {"put": [["a", -1, 2]]},
        {"put": [["a", 1, 2]], "removed": ["a"]},
        {"removed": ["a/../../b"]},
        {"removed": [7]},
        {"removed": [["a"]]},
        {"name": "../../../x"},
        {"name": "0123456789ABCDEF"},
        {"name": 7},
        {"name": None},
    ],
)
def test_keys_and_names_that_lead_elsewhere_are_refused(wrong: dict[str, Any]) -> None:
    told = {"name": NAME, "put": [], "removed": [], **wrong}
    with pytest.raises(DamagedError):
        RedoLog.parse(signed(json.dumps(told).encode()))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(DamagedError):
        RedoLog.parse(signed(b"[" * 100_000))
