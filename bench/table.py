"""docs/speed.md from the records: `python -m bench table` writes its tables anew, as does every bench that has run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.measured import is_current, standing

RECORDS = Path(__file__).parent / "records"
PAGE = Path(__file__).parents[1] / "docs" / "speed.md"
MARK = "<!-- records -->\n"
NO_FIGURES = ("name", "clock", "machine", "again", "source_digest")
# (what, record, keys): what is shown at the top of the page.
CHOSEN: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("CIFAR-10 by `swift-79`: test accuracy", "speed_swift-79", ("test_accuracy",)),
    ("CIFAR-10 by `swift-79`: seconds", "speed_swift-79", ("seconds",)),
    ("CIFAR-10 by `swift-94`: test accuracy", "speed_swift-94", ("test_accuracy",)),
    ("CIFAR-10 by `swift-94`: seconds", "speed_swift-94", ("seconds",)),
    ("CIFAR-10 by `swift-96`: test accuracy", "speed_swift-96", ("test_accuracy",)),
    ("Digits, the ladder: validation accuracy", "ladder_digits", ("valid_accuracy",)),
    ("Fashion-MNIST, the ladder: test accuracy", "ladder_fashion", ("test_accuracy",)),
    ("Photographs of waste, fine-tuned: test accuracy", "transfer", ("fine_test_accuracy",)),
    ("Photographs of waste, fine-tuned: seconds", "transfer", ("fine_seconds",)),
    ("CIFAR-10 by features of 5,000 images: test accuracy", "features", ("test_accuracy",)),
    ("Two fully connected layers on CIFAR-10: test accuracy", "baselines_mlp", ("test_accuracy",)),
    ("A linear classifier on CIFAR-10: test accuracy", "baselines_linear", ("test_accuracy",)),
)
PERCENT, DIGITS = ("accuracy", "share"), 3


def tables(folder: Path = RECORDS) -> str:
    """Return the chosen figures, then a section of Markdown for each record, by name."""
    records = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    sections = [f"{section(record)}\n{standing(record)}\n" for record in records]
    return "\n".join([summary_table({record["name"]: record for record in records}), *sections])


def summary_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the figures that a reader looks for first: what, how much, over how many runs, where."""
    rows = []
    for what, name, path in CHOSEN:
        if name in records:
            value: Any = records[name]
            for key in path:
                value = value[key]
            figure, _, runs = _cells(path[0], value)
            machine = records[name]["machine"]
            kind = machine["gpu"] or f"{machine['cores']} cores, {machine['cpu'].replace('(R)', '')}"
            rows.append([what, figure, runs or "1", kind, "today's" if is_current(records[name]) else "earlier", name])
    return "## At a glance\n\n" + _table(["", "figure", "runs", "machine", "version", "record"], rows) + "\n"


def section(record: Mapping[str, Any]) -> str:
    """Return one record: its figures, what its clock includes, its settings and the machine."""
    body = {key: value for key, value in record.items() if key not in NO_FIGURES}
    settings = {key: value for key, value in body.items() if not (_is_figure(value) or isinstance(value, Mapping))}
    lines = _list("", {key: value for key, value in body.items() if _is_figure(value)})
    for key, value in body.items():
        if isinstance(value, Mapping) and not _is_figure(value):
            lines += (_list if any(_is_summary(inner) for inner in value.values()) else _grid)(key, value)
    said = [f"Clock: {record['clock']}."] if "clock" in record else []
    if settings:
        said.append(f"Settings: {'; '.join(f'{key} {_words(value)}' for key, value in settings.items())}.")
    return "\n\n".join([f"## {record['name']}", *lines, *said, _machine(record["machine"])]) + "\n"


def write_page() -> None:
    """Write the tables into the page, below what is written by hand."""
    head = PAGE.read_text("utf-8").split(MARK)[0]
    PAGE.write_text(head + MARK + "\n" + tables(), "utf-8")


def _list(name: str, figures: Mapping[str, Any]) -> list[str]:
    """Return a table with a row for each figure; nothing if there is none."""
    rows = [[key, *_cells(key, value)] for key, value in figures.items()]
    return [_table([name, "mean ± standard error", "median", "runs"], rows)] if rows else []


def _grid(name: str, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a table with a row for each inner mapping and a column for each of its figures."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [[key, *(_cells(c, row[c])[0] if c in row else "" for c in columns)] for key, row in rows.items()]
    return [_table([name, *columns], cells)]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(cell.replace("_", " ") for cell in line) + " |" for line in lines)


def _cells(name: str, value: Any) -> list[str]:
    """Return mean ± standard error, median and runs as text."""
    if not _is_summary(value):
        return [_number(name, value), "", ""]
    mean = _number(name, value["mean"])
    if value["standard_error"] is not None:
        mean += f" ± {_number(name, value['standard_error'])}"
    return [mean, _number(name, value["median"]), str(value["runs"])]


def _number(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return _words(value)
    if any(word in name for word in PERCENT):
        return f"{value:.2%}".replace("%", " %")
    if name.endswith("_bytes"):
        return f"{value / 2**20:.3g} MiB"
    return f"{value:,.0f}" if abs(value) >= 10**DIGITS or value == int(value) else f"{value:.{DIGITS}g}"


def _words(value: Any) -> str:
    if isinstance(value, list):
        return f"`{shlex.join(value)}`" if all(isinstance(one, str) for one in value) else ", ".join(map(str, value))
    return f"`{value}`" if isinstance(value, str) else str(value)


def _machine(machine: Mapping[str, Any]) -> str:
    kind = f"{machine['cpu']} ({', '.join(machine['fast'])}), {machine['cores']} cores, {machine['threads']} threads"
    kind += f", {machine['gpu']}" if machine["gpu"] else ""
    return f"Machine: {kind}; Python {machine['python']}, torch {machine['torch']}; commit {machine['commit']}."


def _is_figure(value: Any) -> bool:
    return isinstance(value, float) or _is_summary(value)


def _is_summary(value: Any) -> bool:
    return isinstance(value, Mapping) and {"median", "mean", "runs"} <= value.keys()


if __name__ == "__main__":
    write_page()
