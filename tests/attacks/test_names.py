# ruff: noqa: E501
"""Names of files and classes that are HTML, commands of a terminal, or formulas: shown for what they are, run by nothing."""

from __future__ import annotations

import csv
import json
import re
import shutil

import pytest
from tests.attacks.sandbox import Sandbox
from tests.data import forms

from striate.errors import visible
from striate.system.cells import from_cell, table_text, to_cell

RAN = "window.RAN=1;alert(1)"
CLASSES = (
    f"<img src=x onerror={RAN}>", f"</script></style></svg><script>{RAN}</script>", f'"><svg onload="{RAN}">',
    f"' onmouseover='{RAN}' x='", "=HYPERLINK(\"http://127.0.0.1:9/\",\"x\")", "\x1b[2J\x1b]0;owned\x07\u202egnp",
)  # fmt: skip
FILES = (
    f"<img src=x onerror={RAN}>", f'"onload="{RAN}"', "=cmd|'calc'!A0", "@SUM(1)", "+1+1", "-2+3", "a;=1+1", "{{ 7*7 }}",
    "[bold]x", "\x1b[31mred", "line\nerror: none", "a\u2028b\u202egnp", "'=1", "javascript:alert(1)",
)  # fmt: skip
# What a terminal obeys, other than ends of lines.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
FORMULA = re.compile("[=+@\t\r-]")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What commands printed and wrote of a set whose names are all hostile."""
    root = tmp_path_factory.mktemp("names")
    here = root / "work" / "here"
    here.mkdir(parents=True)
    rows = []
    for i in range(14 * len(CLASSES)):
        name = f"{FILES[i % len(FILES)]} {i}.png"
        if i % 40:
            (here / name).write_bytes(forms.picture(i % len(CLASSES), i))
        else:
            (here / name).write_bytes(b"no picture")
        rows.append([name, CLASSES[i % len(CLASSES)]])
    with (here / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["image", "label"], *rows])
    box = Sandbox()
    model = "run/model.striate"
    commands = {
        "train": ["train", "labels.csv", "--net", "logistic", "--out", "run"],
        "check": ["check", "labels.csv", "--out", "found"],
        "check-json": ["check", "labels.csv", "--out", "found-json", "--json"],
        "evaluate": [
            "evaluate",
            model,
            "labels.csv",
            "--robustness",
            "--card",
            "card.html",
            "--mistakes",
            "mistakes.csv",
        ],
        "predict": ["predict", model, "labels.csv"],
        "predict-json": ["predict", model, "labels.csv", "--json"],
        "predict-csv": ["predict", model, "labels.csv", "--csv", "predictions.csv"],
        "runs": ["runs", "."],
        "without": ["train", "labels.csv", "--net", "majority", "--without", "found/findings.csv", "--out", "run2"],
    }
    try:
        told = {name: box.run(root, words) for name, words in commands.items()}
    finally:
        box.close()
    yield here, told
    shutil.rmtree(root)


def test_commands_end_well(made):
    _, told = made
    for name, outcome in told.items():
        assert "Traceback" not in outcome.err, f"{name}: {outcome.err}"
        assert outcome.code in (0, 1, 3), f"{name}: {outcome.err}"  # 1: an image cannot be read, 3: serious findings
        assert not outcome.strange


def test_terminals_are_told_nothing(made):
    _, told = made
    for name, outcome in told.items():
        if not name.endswith("-json"):
            assert not OBEYED.search(outcome.out + outcome.err), f"{name}: {outcome.out} {outcome.err}"
    assert "\\x1b[31mred" in told["predict"].out
    assert "line\\nerror: none" in told["predict"].out + told["predict"].err


def test_json_stays_json(made):
    here, told = made
    names = {row["image"] for row in json.loads(told["predict-json"].out)}
    assert {name for name in names if (here / name).is_file()} == names  # exact: a program opens them by it
    assert set(CLASSES) >= {row["class"] for row in json.loads(told["predict-json"].out)}
    assert json.loads(told["check-json"].out)["findings"]


def test_written_cells_are_no_formulas_and_read_back(made):
    here, _ = made
    tables = [here / "run/ledger.csv", here / "found/findings.csv", here / "predictions.csv"]
    files = {path.name for path in here.glob("*.png")}
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if FORMULA.match(cell) and not re.fullmatch(r"[-+]?[\d.e+-]+", cell)], path
        named = {from_cell(row[0]) for row in rows[1:]} - {"labels.csv"}
        assert named, path
        assert named <= files, path
    for line in (here / "predictions.csv").read_text("utf-8").splitlines():
        assert not re.search(r';=[^"]*$', re.sub(r'"[^"]*"', "", line))  # parted by semicolons, it is none either


def test_what_check_found_is_left_out(made):
    _, told = made
    assert told["without"].code == 0, told["without"].err


@pytest.mark.parametrize(
    "text", ["=1", "'=1", "''=1", "'tis", "-1", "-1e5", "", "\t=1", "\uff1d1", "cat", "a;=1", '"', "\r"]
)
def test_cells_read_back_as_they_were(text):
    assert from_cell(to_cell(text)) == text
    assert next(csv.reader([table_text([[text, "x"]])[:-1]])) == [to_cell(text), "x"] or "\r" in text


def test_pages_run_nothing_and_fetch_nothing(made, browser):
    here, _ = made
    pages = sorted(here.rglob("*.html"))
    assert {"report.html", "card.html"} <= {path.name for path in pages}
    assert len(pages) >= 3
    seen: list[str] = []
    page = browser.new_page()
    page.on("dialog", lambda dialog: (seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: seen.append(request.url))
    page.on("pageerror", lambda error: seen.append(f"error {error}"))
    for path in pages:
        page.goto(path.as_uri())
        for element in page.query_selector_all("td, img, summary, figure, [onmouseover]")[:40]:
            element.dispatch_event("mouseover")
        assert page.evaluate("window.RAN") is None, path
        assert not page.query_selector_all("[onerror], [onload], [onmouseover], script:not([type]) + script"), path
        text = page.inner_text("body")
        assert not OBEYED.search(text), (path, OBEYED.search(text))
    page.close()
    asked = [one for one in seen if not one.startswith(("data:", "blob:")) and one not in {p.as_uri() for p in pages}]
    assert not asked


def test_what_is_obeyed_is_seen():
    assert visible("a\x9b31m\x7f\u2066") == "a\\x9b31m\\x7f\\u2066"
