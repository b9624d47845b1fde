from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zvview.neuroglancer.encoding.units import parse_unit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("micrometer", (1e-6, "m")), ("micrometre", (1e-6, "m")), ("Micrometers", (1e-6, "m")), ("um", (1e-6, "m")),
        ("\u00b5m", (1e-6, "m")), ("\u03bcm", (1e-6, "m")), ("micron", (1e-6, "m")), ("nm", (1e-9, "m")),
        ("nanometer", (1e-9, "m")), ("mm", (1e-3, "m")), ("Mm", (1e6, "m")), ("m", (1.0, "m")), ("metre", (1.0, "m")),
        ("angstrom", (1e-10, "m")), ("inches", (0.0254, "m")), ("s", (1.0, "s")), ("ms", (1e-3, "s")),
        ("minute", (60.0, "s")), ("hours", (3600.0, "s")), ("millisecond", (1e-3, "s")), ("kHz", (1e3, "Hz")),
        ("4 nm", (4e-9, "m")), ("1e-3*m", (1e-3, "m")), (None, None), ("", None), ("pixel", None), ("degree", None),
        ("xm", None), ("0 m", None), ("1e999 m", None),
    ],
)  # fmt: skip
def test_units_in_all_their_spellings(text: str | None, found: tuple[float, str] | None) -> None:
    parsed = parse_unit(text)
    if found is None:
        assert parsed is None
    else:
        assert parsed is not None and parsed[1] == found[1] and parsed[0] == pytest.approx(found[0])


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    found = parse_unit(text)
    assert found is None or (found[0] > 0 and found[1] in ("m", "s", "Hz"))
