"""`striate runs`: the runs below a folder, and how some of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import options
from striate.cli.output.console import print_json, stderr, stdout
from striate.units import percent

_WIDEST = 72

if TYPE_CHECKING:
    from striate.runs.listing import Accuracy, Run


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR…", show_default="runs", help="A folder of runs to list; or several runs to compare: runs/*."
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="name|accuracy|test|seconds|time", help="By what; time: the newest first.")
    ] = "name",
    json: options.Json = False,
) -> None:
    """List runs, or compare them: what differs in recipe, net and data, and whether accuracies differ beyond noise.

    [bold]striate runs --sort accuracy[/bold]
    [bold]striate runs runs/digits-1 runs/digits-2[/bold]
    """
    from striate.errors import ArgumentError, unknown
    from striate.runs.comparison import differences, verdicts
    from striate.runs.listing import SORTS, find_runs, sort_runs

    if sort not in SORTS:
        raise ArgumentError(unknown("--sort", sort, SORTS))
    found = sort_runs([run for folder in folders or [Path("runs")] for run in find_runs(folder)], sort)
    if len(folders or []) < 2:
        print_json([_told(run) for run in found]) if json else _list(found, folders)
        return
    for run in found:
        if run.state == "broken":
            stderr().print(f"{run.path} is left out: {run.why}", style="yellow", markup=False)
    found = [run for run in found if run.state != "broken"]
    if len(found) < 2:
        raise ArgumentError(f"comparing needs at least two runs that can be read; got {len(found)}")
    differing, judged = differences(found), verdicts(found)
    if json:
        entries = [_told(run) for run in found]
        print_json({"runs": entries, "differences": differing, "verdicts": [one.to_json() for one in judged]})
        return
    _compare(found, differing)
    for verdict in judged:
        stdout().print(str(verdict), soft_wrap=True, markup=False)


def _told(run: Run) -> dict[str, Any]:
    """Return a run as plain values."""
    from striate.runs.uneven import uneven_figures

    return run.to_json() | {"uneven": {} if run.state == "broken" else uneven_figures(run.path)}


def _list(found: Sequence[Run], folders: list[Path] | None) -> None:
    from rich.table import Table
    from rich.text import Text

    from striate.runs.uneven import uneven_lines

    if not found:
        stderr().print(f"no runs below {(folders or [Path('runs')])[0]}", markup=False)
        return
    table = Table("run", "source", box=None, pad_edge=False)
    table.add_column("net", no_wrap=True, overflow="ellipsis", max_width=36)
    for name in ("epochs", "validation", "test", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state")
    for run in found:
        epochs = "" if run.epochs is None else f"{run.epochs}/{run.planned}"
        cells = [str(run.path), Path(run.source).name, run.net_shown, epochs, _shown(run.valid), _shown(run.test)]
        seconds = "" if run.train_s is None else f"{run.train_s:,.1f}"
        style = {"broken": "red", "stopped": "yellow", "training": "cyan"}.get(run.state, "")
        state = f"{run.state}{' ' if run.state in ('stopped', 'training') else ': '}{run.why}" if run.why else run.state
        table.add_row(*(Text(cell) for cell in [*cells, seconds]), Text(state, style))
    stdout().print(table)
    for run in found:
        lines = [] if run.state == "broken" else [f"{name} {line}" for name, line in uneven_lines(run.path).items()]
        if lines:
            stdout().print(f"{run.path}: by class: {'; '.join(lines)}", soft_wrap=True, markup=False)
        for text in run.health:
            stdout().print(f"{run.path}: {text}", style="yellow", soft_wrap=True, markup=False)


def _compare(found: Sequence[Run], differing: dict[str, list[Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from striate.runs.uneven import uneven_lines

    table = Table("", *(str(run.path) for run in found), box=None, pad_edge=False)
    rows: dict[str, list[str]] = {
        name: [_value(value) for value in row] for name, row in differing.items() if name != "data"
    }
    if "net" in differing:
        rows["net"] = [_value(run.net_shown) for run in found]
    if "data" in differing:
        rows["data"] = [run.data[:12] or "–" for run in found]
    rows["epochs done"] = ["–" if run.epochs is None else f"{run.epochs}/{run.planned}" for run in found]
    rows["validation"] = [_shown(run.valid) for run in found]
    rows["test"] = [_shown(run.test) for run in found]
    beside = [uneven_lines(run.path) for run in found]
    for name in dict.fromkeys(name for one in beside for name in one):
        rows[f"{name}, by class"] = [one.get(name, "–") for one in beside]
    rows["seconds"] = ["–" if run.train_s is None else f"{run.train_s:,.1f}" for run in found]
    if any(run.state != "finished" for run in found):
        rows["state"] = [f"{run.state} {run.why}".strip() for run in found]
    for name, cells in rows.items():
        table.add_row(Text(name.replace("_", " "), "dim"), *(Text(cell) for cell in cells))
    stdout().print(table)
    if not differing:
        stdout().print("source, data, net and recipe are the same", style="dim")


def _value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return _cut(" ".join(map(str, value))) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _cut(str(value))


def _cut(text: str) -> str:
    """Return a cell of which a terminal has room for a few: net.txt and --json have the whole sentence of a net."""
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _shown(accuracy: Accuracy | None) -> str:
    if accuracy is None:
        return "–"
    if accuracy.interval is None:
        return percent(accuracy.value)
    low, high = accuracy.interval
    return f"{percent(accuracy.value)} ({100 * low:.1f} to {100 * high:.1f})"
