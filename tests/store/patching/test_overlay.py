"""An overlay shows a store as its changes leave it, and keeps nothing that is no change."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from zvview.store.patching.overlay import Overlay
from zvview.store.places.memory import MemorySource

KEYS = st.sampled_from(["zarr.json", "0/zarr.json", "0/a/c/0/0", "0/a/c/0/1", "0/b", "1/a"])
BYTES = st.binary(max_size=3)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put_many", "remove", "replace"]), KEYS, BYTES), max_size=12)


def shown(overlay: Overlay) -> dict[str, bytes]:
    """All keys that the overlay lists, with what it gives for them."""
    keys = overlay.list_keys("")
    answers = overlay.get_many([(key, None) for key in keys])
    assert all(data is not None for data in answers)
    return {key: bytes(data) for key, data in zip(keys, answers, strict=True) if data is not None}


@given(before=st.dictionaries(KEYS, BYTES), steps=STEPS)
def test_it_is_a_store_with_changes(before: dict[str, bytes], steps: list[tuple[str, str, bytes]]) -> None:
    overlay, model = Overlay(MemorySource(before)), dict(before)
    for way, key, data in steps:
        match way:
            case "put":
                assert overlay.put(key, data) == (model.get(key) != data)
                model[key] = data
            case "put_many":
                overlay.put_many([(key, (data[:1], data[1:]))])
                model[key] = data
            case "remove":
                overlay.remove([key])
                model.pop(key, None)
            case _ if model.get(key) != data:
                overlay.replace(key, data)
                model[key] = data
    assert shown(overlay) == model
    differ = {key for key in before.keys() | model.keys() if before.get(key) != model.get(key)}
    assert dict(overlay.changes) == {key: model.get(key) for key in differ}


@given(before=st.dictionaries(KEYS, BYTES), steps=STEPS, path=st.sampled_from(["", "0", "0/a", "1"]))
def test_it_lists_measures_and_cuts_what_it_shows(
    before: dict[str, bytes], steps: list[tuple[str, str, bytes]], path: str
) -> None:
    overlay = Overlay(MemorySource(before))
    for way, key, data in steps:
        if way == "remove":
            overlay.remove([key])
        else:
            overlay.put(key, data)
    model = shown(overlay)
    prefix = f"{path}/" if path else ""
    names = {key[len(prefix) :].split("/")[0] for key in model if key.startswith(prefix)}
    assert names <= set(overlay.list_names(path))
    assert overlay.list_keys(path) == sorted(key for key in model if key.startswith(prefix))
    keys = sorted({*before, *model, "none"})
    assert overlay.stat_many(keys) == [len(model[key]) if key in model else None for key in keys]
    requests = [(key, (1, 2)) for key in keys]
    wanted = [model[key][1:2] if key in model else None for key in keys]
    assert [None if a is None else bytes(a) for a in overlay.get_many(requests)] == wanted
    assert [None if a is None else bytes(a) for a in asyncio.run(overlay.aget_many(requests))] == wanted
