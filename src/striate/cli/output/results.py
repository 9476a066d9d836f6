"""What `striate train` ends with: the figures, where the model is, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.table import Table

from striate.cli.output.console import print_accuracy, stdout
from striate.units import percent

if TYPE_CHECKING:
    from rich.console import Console

    from striate.runs.session import RunResult

# Keys of the provenance that only some runs have.
TOLD_TOO = ("features", "candidates", "ladder", "chosen", "verdict")


def result_json(result: RunResult) -> dict[str, Any]:
    """Return what a program may rely on."""
    model, told = result.classifier, result.classifier.provenance
    return {
        "model": str(result.model),
        "run": str(result.run),
        "report": result.report and str(result.report),
        "net": str(model.net),
        "classes": len(model.classes),
        "valid_accuracy": result.valid and result.valid.accuracy,
        "valid_balanced_accuracy": result.valid and result.valid.balanced_accuracy,
        "valid_macro_f1": result.valid and result.valid.macro_f1,
        "test_accuracy": result.test and result.test.accuracy,
        "test_balanced_accuracy": result.test and result.test.balanced_accuracy,
        "test_macro_f1": result.test and result.test.macro_f1,
        "test_accuracy_without_views": result.test and result.test.alone and result.test.alone.accuracy,
        "test_interval": result.test and list(result.test.interval),
        "near_copies": result.test and result.test.near_copies_json(),
        "groups": (told.data or {}).get("groups"),
        "best_epoch": told.epoch,
        "train_s": round(result.train_s, 3),
        "promises": result.promises,
    } | {key: value for key in TOLD_TOO if (value := getattr(told, key)) is not None}


def print_result(result: RunResult, source: str) -> None:
    """Print it for people; `source` is typed so, with how it is read."""
    from striate.classifier.promises import say_promises

    console = stdout()
    _print_candidates(console, result)
    told = result.classifier.provenance
    if told.verdict is not None:
        console.print(told.verdict, soft_wrap=True, markup=False)
        console.print(f"chosen: {told.chosen}", soft_wrap=True, markup=False)
    for name, evaluation in (("validation", result.valid), ("test", result.test)):
        if evaluation:
            print_accuracy(console, evaluation, name)
    for line in say_promises(result.promises):
        console.print(line, soft_wrap=True, markup=False)
    model = quoted(result.model)
    epoch = told.epoch
    lines = [
        f"trained in {result.train_s:.1f} s; best epoch {epoch}" if epoch else f"fitted in {result.train_s:.1f} s",
        f"model  {result.model}",
        *([f"report {result.report}"] if result.report else []),
        "next",
        f"  striate predict {model} IMAGE …",
        f"  striate evaluate {model} {source}",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _print_candidates(console: Console, result: RunResult) -> None:
    """Print how each did among which the model was chosen."""
    candidates = result.classifier.provenance.candidates
    if not candidates:
        return
    by_class = {"balanced": "balanced_accuracy", "macro F1": "macro_f1"} if result.valid and result.valid.uneven else {}
    table = Table("classifier", "validation", "95 % interval", *by_class, "seconds", "", box=None, pad_edge=False)
    for column in table.columns[1:-1]:
        column.justify = "right"
    for one in candidates:
        low, high = one["valid_interval"] or (None, None)
        kept = "kept" if one["net"] == result.classifier.provenance.fitted else ""
        figures = [f"{percent(low)} to {percent(high)}", *(percent(one[name]) for name in by_class.values())]
        table.add_row(one["net"], percent(one["valid_accuracy"]), *figures, f"{one['fit_s']:.1f}", kept)
    console.print(table, markup=False)


def quoted(path: object) -> str:
    """Return a path as it is typed in a shell."""
    return shlex.quote(str(path))
