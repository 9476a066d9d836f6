"""The ladder in a report: what each rung came to, what was foreseen of it, and what was not climbed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from striate.pages.plots import PlotAxis, interval_strip
from striate.units import say_bytes, say_duration


def rung_rows(
    rungs: Sequence[Mapping[str, Any]], probes: Sequence[Mapping[str, Any]], chosen: str | None
) -> list[dict[str, Any]]:
    """Return the rows of the ladder's table, in the order of the climb.

    Arguments:
        rungs, probes: as in ladder.json.
        chosen: the name of the rung that was kept.
    """
    if not rungs:
        return []
    foreseen = {probe["name"]: probe["foreseen_accuracy"] for probe in probes if "foreseen_accuracy" in probe}
    axis = rung_axis(rungs)
    rows = []
    for rung in rungs:
        accuracy, (low, high) = rung["valid_accuracy"], rung["valid_interval"]
        said = f"{100 * accuracy:.1f} %, interval {100 * low:.1f} to {100 * high:.1f} %"
        rows.append(
            {
                "name": rung["name"], "chosen": rung["name"] == chosen, "accuracy": accuracy, "low": low, "high": high,
                "strip": interval_strip(axis, accuracy, (low, high), said),
                "fit": say_duration(max(0.001, rung["fit_s"])),
                "size": say_bytes(rung["size_bytes"]), "image_ms": rung["image_ms"], "log_loss": rung.get("log_loss"),
                "foreseen": foreseen.get(rung["name"]),
            }
        )  # fmt: skip
    return rows


def rung_axis(rungs: Sequence[Mapping[str, Any]]) -> PlotAxis:
    """Return the scale on which the intervals of the rungs are drawn: whole tens of percent that hold them all."""
    low = math.floor(10 * min(rung["valid_interval"][0] for rung in rungs)) / 10
    high = math.ceil(10 * max(rung["valid_interval"][1] for rung in rungs)) / 10
    return PlotAxis(low, high, "", ())
