"""An evaluation in a notebook: its figures, and its classes, those that are hardest first."""

from __future__ import annotations

from typing import Any

import numpy as np

from striate.notebook.tables import html_table


def evaluation_html(evaluation: Any) -> str:
    """Return an `Evaluation` as HTML for notebooks."""
    counts, (low, high) = evaluation.counts, evaluation.interval
    lines = [evaluation.uneven_line(), evaluation.near_copies_line(), *evaluation.notes]
    order = np.argsort(counts.hits / np.maximum(1, counts.actual), kind="stable")
    rows = [
        (evaluation.classes[i], int(counts.actual[i]), int(counts.hits[i]), _share(counts.hits[i], counts.actual[i]),
         _share(counts.hits[i], counts.called[i]))
        for i in order if counts.actual[i] or counts.called[i]
    ]  # fmt: skip
    caption = (
        f"{100 * evaluation.accuracy:.2f} % of {evaluation.total:,} images right, 95 % interval {100 * low:.2f} to "
        f"{100 * high:.2f} %{evaluation.counted}"
    )
    headings = ("class", "images", "right", "recall", "precision")
    return html_table(caption, headings, rows, [line for line in lines if line])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
