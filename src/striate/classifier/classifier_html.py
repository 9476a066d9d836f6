"""A classifier in a notebook: what it is, how good, and the ladder that it came from."""

from __future__ import annotations

from typing import Any

from striate.classifier.provenance import Provenance
from striate.errors import some
from striate.metrics.by_class import uneven_line
from striate.notebook.tables import html_facts, html_table
from striate.units import percent


def classifier_html(model: Any) -> str:
    """Return a `Classifier` as HTML for notebooks."""
    told, (h, w) = model.provenance, model.preprocessing.size
    facts = {
        "classes": f"{len(model.classes):,}: {some(model.classes)}" if model.classes else "none",
        "images": f"{h}×{w} pixels, {model.preprocessing.channels} channels, {model.preprocessing.fit}",
        "net": str(model.net),
        "validation accuracy": _percent(told.valid_accuracy, told.valid_interval, told.uneven_line("valid")),
        "test accuracy": _percent(told.test_accuracy, told.test_interval, told.uneven_line("test")),
        "trained on": (told.data or {}).get("source"),
    }
    return html_facts(repr(model).strip("<>"), facts) + ladder_html(told)


def ladder_html(told: Provenance) -> str:
    """Return the ladder of a provenance as HTML for notebooks; nothing where there is none."""
    if not told.ladder:
        return ""
    rows, uneven = [], told.uneven_line("valid")
    for one in told.ladder:
        chosen = "chosen" if one.get("name") == told.chosen else ""
        beside = uneven_line(dict(one)) if uneven else ""
        valid = _percent(one.get("valid_accuracy"), one.get("valid_interval"), beside)
        rows.append((one.get("name"), valid, one.get("fit_s"), one.get("image_ms"), chosen))
    return html_table("The ladder", ("rung", "validation", "seconds", "ms/image", ""), rows, [told.verdict or ""])


def _percent(share: Any, interval: Any = None, beside: str = "") -> str | None:
    if not isinstance(share, int | float):
        return None
    told = percent(share)
    if interval and len(interval) == 2:
        told += f" ({100 * interval[0]:.1f} to {percent(interval[1], 1)})"
    return f"{told}; {beside}" if beside else told
