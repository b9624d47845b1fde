"""Units of axes: the UDUNITS-2 names that stores use, as metres, seconds and their like."""

from __future__ import annotations

import math
import re
from typing import Final

__all__ = ["parse_unit"]

_PREFIXES: Final = {
    "yotta": 24, "zetta": 21, "exa": 18, "peta": 15, "tera": 12, "giga": 9, "mega": 6, "kilo": 3, "hecto": 2, "deca": 1,
    "deka": 1, "deci": -1, "centi": -2, "milli": -3, "micro": -6, "nano": -9, "pico": -12, "femto": -15, "atto": -18,
    "zepto": -21, "yocto": -24,
}  # fmt: skip
_SHORT_PREFIXES: Final = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1, "d": -1, "c": -2, "m": -3,
    "u": -6, "\u00b5": -6, "\u03bc": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip
_NAMES: Final = {"meter": "m", "metre": "m", "second": "s", "hertz": "Hz"}
_SYMBOLS: Final = ("m", "s", "Hz")
_OTHERS: Final[dict[str, tuple[float, str]]] = {
    "micron": (1e-6, "m"),
    "angstrom": (1e-10, "m"),
    "\u00e5": (1e-10, "m"),
    "inch": (0.0254, "m"),
    "inche": (0.0254, "m"),  # what is left of the plural
    "in": (0.0254, "m"),
    "foot": (0.3048, "m"),
    "feet": (0.3048, "m"),
    "ft": (0.3048, "m"),
    "yard": (0.9144, "m"),
    "yd": (0.9144, "m"),
    "mile": (1609.344, "m"),
    "parsec": (3.0856775814913673e16, "m"),
    "sec": (1.0, "s"),
    "minute": (60.0, "s"),
    "min": (60.0, "s"),
    "hour": (3600.0, "s"),
    "hr": (3600.0, "s"),
    "h": (3600.0, "s"),
    "day": (86400.0, "s"),
    "d": (86400.0, "s"),
    "week": (604800.0, "s"),
    "year": (31556925.9747, "s"),
}
_FACTOR: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s*[*. ]?\s*(.+)")


def parse_unit(text: str | None) -> tuple[float, str] | None:
    """What one of a unit is: a factor and ``m``, ``s`` or ``Hz``; None for what is none of them.

    Names in full with a prefix or without (``micrometer``, ``micrometre``, ``seconds``), symbols (``um``, ``nm``), what
    else is common for lengths and times, and a number before any of them (``4 nm``).

    Parameters
    ----------
    text : str or None
    """
    plain = (text or "").strip()
    if (match := _FACTOR.fullmatch(plain)) is not None:
        factor, found = float(match[1]), _parse_name(match[2])
        is_sound = found is not None and math.isfinite(factor * found[0]) and factor * found[0] > 0
        return (factor * found[0], found[1]) if found is not None and is_sound else None
    return _parse_name(plain)


def _parse_name(name: str) -> tuple[float, str] | None:
    for symbol in _SYMBOLS:
        prefix = name.removesuffix(symbol)
        if name == symbol:
            return 1.0, symbol
        if prefix != name and prefix in _SHORT_PREFIXES:
            return float(f"1e{_SHORT_PREFIXES[prefix]}"), symbol
    lower = name.lower()
    for word in dict.fromkeys((lower, lower.removesuffix("s"))):
        if word in _OTHERS:
            return _OTHERS[word]
        for unit, symbol in _NAMES.items():
            prefix = word.removesuffix(unit)
            if word == unit:
                return 1.0, symbol
            if prefix != word and prefix in _PREFIXES:
                return float(f"1e{_PREFIXES[prefix]}"), symbol
    return None
