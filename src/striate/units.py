"""Times, sizes, shares and counts as people write them: "90s", "1h30m"; "500 MB", "20GB"; "98.61 %"; "1 epoch"."""

from __future__ import annotations

import math
import re

from striate.errors import ArgumentError

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_SIZES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def parse_duration(text: str | float) -> float:
    """Return seconds from "90s", "5m", "1h30m", "1.5h" or a plain number of seconds.

    Raises:
        ArgumentError: not a time, or none at all.

    >>> parse_duration("5m"), parse_duration("1h30m"), parse_duration(20), parse_duration("0.5h")
    (300.0, 5400.0, 20.0, 1800.0)
    """
    words = str(text).strip().lower().replace(" ", "")
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(min|[smh])", words)
    try:
        seconds = float(words) if not parts else sum(float(number) * _UNITS[unit] for number, unit in parts)
    except ValueError:
        seconds = math.nan
    if (parts and "".join(number + unit for number, unit in parts) != words) or not 0 < seconds < math.inf:
        raise ArgumentError(f"a time must be as 90s, 5m or 1h30m, above zero; got {text!r}")
    return seconds


def say_duration(seconds: float) -> str:
    """Return a time in words as short as its size deserves.

    >>> say_duration(0.034), say_duration(12.34), say_duration(300), say_duration(5461)
    ('0.034 s', '12 s', '5 min', '1 h 31 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h" + (f" {minutes % 60} min" * (minutes % 60 > 0))


def percent(share: float | None, digits: int = 2) -> str:
    """Return a share as people read it; none is a dash.

    >>> percent(0.9376), percent(0.5, 0), percent(None)
    ('93.76 %', '50 %', '–')
    """
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def say_count(count: int, one: str, many: str) -> str:
    """Return a count with what is counted, and the verb if it has one.

    >>> say_count(1, "row has", "rows have"), say_count(1200, "row has", "rows have")
    ('1 row has', '1,200 rows have')
    """
    return f"{count:,} {one if count == 1 else many}"


def say_bytes(count: float) -> str:
    """Return a size as people read it.

    >>> say_bytes(870), say_bytes(150_000_000), say_bytes(999_900), say_bytes(2e12)
    ('870 B', '150 MB', '1 MB', '2 TB')
    """
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def parse_bytes(text: str) -> float:
    """Return bytes from "500 MB", "20GB", "1.5 TB" or "0".

    Raises:
        ArgumentError: not a size.

    >>> parse_bytes("20GB"), parse_bytes("1.5 tb"), parse_bytes("0")
    (20000000000.0, 1500000000000.0, 0.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?b)|0", text.strip().lower())
    if not found:
        raise ArgumentError(f"a size must be as 500MB or 20GB; got {text!r}")
    return float(found[1]) * _SIZES[found[2]] if found[1] else 0.0
