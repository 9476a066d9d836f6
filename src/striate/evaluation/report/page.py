"""The page of a report: what is known of a run, brought to what the templates show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from striate.evaluation.report.anatomy import describe_anatomy
from striate.evaluation.report.climbing import rung_axis, rung_rows
from striate.evaluation.report.confusion import MOST_ROWS, class_rows, confused_pairs, matrix_rows
from striate.evaluation.report.contents import ReportContents
from striate.evaluation.report.curves import draw_curves
from striate.evaluation.report.pictures import picture_mistakes
from striate.evaluation.report.trust import (
    draw_reliability,
    figure_rows,
    promises_of,
    say_temperature,
)
from striate.evaluation.report.verdict import most_frequent, title_of, verdict_sentences
from striate.metrics.by_class import UNEVEN
from striate.pages.page import render_page
from striate.units import say_duration

# So many files that were skipped or repaired are named.
MOST_FILES = 40


def report_page(contents: ReportContents) -> str:
    """Return the report as HTML: one page that needs nothing else."""
    values = {"title": title_of(contents), "sentences": verdict_sentences(contents), "contents": contents}
    values |= _figures(contents) | _data(contents) | _training(contents) | _judged(contents) | _trust(contents)
    values |= _making(contents)
    return render_page("striate.evaluation.report", "report.html", **values)


def _figures(contents: ReportContents) -> dict[str, Any]:
    """Return the few figures that stand in boxes: (figure, what it is)."""
    boxes, told = [], contents.model.provenance
    for name, judged in (("test", contents.test), ("validation", contents.valid)):
        if judged and judged.total:
            low, high = judged.interval
            boxes.append((judged.accuracy, f"{name} accuracy, 95 %: {100 * low:.1f} to {100 * high:.1f}"))
    if contents.judged and contents.judged.uneven:
        boxes.append((contents.judged.balanced_accuracy, f"balanced accuracy ({contents.judged_by})"))
    share, name = most_frequent(contents.judged)
    if name:
        boxes.append((share, f"right by always saying “{name}”"))
    known = [one for one in (told.train_s, told.fit_s) if one is not None]
    seconds = known[0] if known else sum(line.get("seconds") or 0.0 for line in contents.history)
    return {"boxes": boxes, "seconds": say_duration(seconds) if seconds >= 0.001 else None}


def _data(contents: ReportContents) -> dict[str, Any]:
    counts, images = contents.class_counts(), contents.splits.train
    ledger = images.ledger
    troubled = [entry for entry in ledger if entry.status != "used"]
    totals = {name: int(of.sum()) for name, of in counts.items()}
    classes = [
        {"name": name, **{part: int(of[i]) for part, of in counts.items()}} for i, name in enumerate(images.classes)
    ]
    trained = [row["train"] for row in classes if row["train"]]
    groups = (contents.model.provenance.data or {}).get("groups")
    return {
        "shape": images.image_shape, "ledger": ledger, "totals": totals, "class_counts": classes,
        "reasons": {status: ledger.reasons(status).most_common() for status in ("skipped", "repaired")},
        "troubled": troubled[:MOST_FILES], "untold": max(0, len(troubled) - MOST_FILES),
        "uneven": max(trained) / min(trained) if trained and max(trained) >= UNEVEN * min(trained) else None,
        "groups": {"by": "", "count": 0, "images": 0, "largest": 0} | groups if isinstance(groups, dict) else None,
        "notes": [*images.notes, *contents.splits.notes], "most_rows": MOST_ROWS,
        "window": images.window,
    }  # fmt: skip


def _training(contents: ReportContents) -> dict[str, Any]:
    told, ladder = contents.model.provenance, contents.ladder
    rungs = list(ladder.get("rungs") or told.ladder or [])
    kept = told.epoch if told.refit_s is None else None  # the curves are of the fit before, the epoch of the last one
    curves = draw_curves(contents.history, kept, contents.valid and contents.valid.interval)
    return {
        "rungs": rung_rows(rungs, ladder.get("probes") or [], told.chosen),
        "axis": rung_axis(rungs) if rungs else None,
        "skipped": ladder.get("skipped") or [], "candidates": told.candidates or [], "curves": curves,
    }  # fmt: skip


def _judged(contents: ReportContents) -> dict[str, Any]:
    judged = contents.judged
    if judged is None or not judged.total:
        return {"judged": None}
    trained = {
        name: int(count)
        for name, count in zip(contents.splits.train.classes, contents.class_counts()["train"], strict=True)
    }
    return {
        "judged": judged, "by": contents.judged_by, "class_rows": class_rows(judged, trained),
        "matrix": matrix_rows(judged), "pairs": confused_pairs(judged), "figures": figure_rows(judged),
        "pictures": picture_mistakes(contents), "slices": contents.slices,
        "more_mistakes": judged.total - judged.correct - len(contents.mistakes),
    }  # fmt: skip


def _trust(contents: ReportContents) -> dict[str, Any]:
    judged, promises = contents.judged, contents.promises
    reliability = judged.reliability if judged and judged.total else None
    return {
        "reliability": reliability, "diagram": reliability and draw_reliability(reliability),
        "promises": promises_of(promises), "said": say_temperature(promises),
        "health": contents.health.get("layers") or [], "ills": contents.health.get("health") or [],
        "robustness": contents.robustness,
    }  # fmt: skip


def _making(contents: ReportContents) -> dict[str, Any]:
    told, run = contents.model.provenance, contents.run
    machine, asked = (dict(one) if isinstance(one := run.get(name), Mapping) else {} for name in ("machine", "asked"))
    return {
        "anatomy": describe_anatomy(contents.model), "model": contents.model, "told": told,
        "asked": {name: value for name, value in asked.items() if value not in (None, "", {}, [])},
        "commit": machine.pop("commit", ""), "machine": machine, "command": run.get("command"),
        "precision": told.precision or run.get("precision"), "fingerprint": (told.data or {}).get("data"),
    }  # fmt: skip
