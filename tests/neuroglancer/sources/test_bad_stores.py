"""Golden stores with wrong bytes in them: what can be read is served, all else is told, and nothing breaks."""

from __future__ import annotations

import json
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import zvview
from zvview.errors import ZvviewError
from zvview.neuroglancer.serving.answers import Answers
from zvview.neuroglancer.sources.opening import open_sources

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
NAMES = sorted(path.name for path in GOLDEN.glob("*.zip"))


def spoil(rng: np.random.Generator, data: bytes) -> bytes:
    """Some bytes with a bit, or eight bytes, changed, or the end cut off; of a document also a number."""
    out = bytearray(data)
    at = int(rng.integers(len(out)))
    form = int(rng.integers(5))
    if form == 0:
        out[at] ^= 1 << int(rng.integers(8))
    elif form == 1:
        del out[at:]
    elif form == 2:
        out[at : at + 8] = rng.bytes(8)
    elif form == 3:
        out[at : at + 8] = b"\xff" * 8
    elif digits := [k for k, byte in enumerate(data) if chr(byte).isdigit()]:
        at = int(rng.choice(digits))
        out[at : at + 1] = rng.choice(["0", "-1", "1e308", "9999999999999", "null"]).encode()
    return bytes(out)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", NAMES)
def test_wrong_bytes_are_served_or_told(name: str, seed: int) -> None:
    rng = np.random.default_rng([NAMES.index(name), seed])
    with zipfile.ZipFile(GOLDEN / name) as archive:
        held = {entry: archive.read(entry) for entry in archive.namelist() if not entry.endswith("/")}
    for entry in rng.choice(sorted(key for key, data in held.items() if data), 2):
        held[str(entry)] = spoil(rng, held[str(entry)])
    try:
        opened = zvview.open(held)
        for store in [opened] if isinstance(opened, zvview.Store) else dict(opened.items()).values():
            sources = open_sources(store)
            answers = Answers(sources, "v")
            for path, source in sources.items():
                json.dumps(json.loads(answers.answer(f"{path}/info").body), allow_nan=False)
                for section in source.sections:
                    for keys in islice(source.keys(section), 20):
                        block = source.read(section, keys[:100])
                        assert set(block.keys.tolist()) <= set(keys.tolist())
                assert all(source.notes)
        told = "served"
    except ZvviewError as error:
        told = str(error)
    assert told
