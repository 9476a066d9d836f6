"""The shares of train, valid and test, as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from striate.errors import ArgumentError

Ratios = tuple[float, float, float]
DEFAULT_RATIOS: Ratios = (0.8, 0.1, 0.1)


def parse_ratios(text: str) -> Ratios:
    """Read "70:30" (train:valid) or "80:10:10" (train:valid:test) as shares that sum to 1.

    The numbers may be percentages, shares or plain ratios, parted by `:`, `/` or `,`.

    Raises:
        ArgumentError: not two or three numbers, one is negative, or train has none.

    >>> parse_ratios("70:30")
    (0.7, 0.3, 0.0)
    >>> parse_ratios("8/1/1")
    (0.8, 0.1, 0.1)
    """
    try:
        parts = [float(part) for part in re.split("[:/,]", text.replace("%", ""))]
    except ValueError:
        parts = []
    if len(parts) not in (2, 3):
        raise ArgumentError(f"split must be train:valid or train:valid:test, such as 70:30 or 80:10:10; got {text!r}")
    return check_ratios((parts[0], parts[1], parts[2] if len(parts) == 3 else 0.0))


def check_ratios(ratios: Sequence[float]) -> Ratios:
    """Return (train, valid, test) scaled to sum to 1.

    Raises:
        ArgumentError: not three finite numbers, one is negative, or train is 0.
    """
    if len(ratios) != 3 or not all(math.isfinite(part) and part >= 0 for part in ratios) or ratios[0] <= 0:
        raise ArgumentError(
            f"split must be three shares (train, valid, test), none negative and train above 0; got {tuple(ratios)}"
        )
    total = sum(ratios)
    train, valid, test = (part / total for part in ratios)
    return train, valid, test


def as_shares(ratios: str | tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the shares of train, valid and test, from "80:10:10" or numbers; they sum to 1."""
    return parse_ratios(ratios) if isinstance(ratios, str) else check_ratios(ratios)
