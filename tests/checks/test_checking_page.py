"""docs/checking.md names every kind of finding, and its options and defaults are those of the command."""

import re
from pathlib import Path
from typing import get_args

from typer.testing import CliRunner

from striate.checks import classes, doubtful, duplicates, files_told, ledgers, pictures, shift
from striate.checks.finding import Kind
from striate.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "checking.md").read_text("utf-8")


def test_every_kind_is_explained_once():
    table = [line for line in PAGE.splitlines() if line.startswith("| `")]
    named = [kind for line in table for kind in re.findall(r"`([a-z-]+)`", line.split("|")[1])]
    assert sorted(named) == sorted(get_args(Kind))


def test_options_are_those_of_the_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = CliRunner().invoke(app, ["check", "--help"]).stdout + CliRunner().invoke(app, ["train", "--help"]).stdout
    for option in set(re.findall(r"(?<=[ `])--[a-z][a-z-]*", PAGE)):
        assert option in told, option


def test_thresholds_are_those_of_the_code():
    rows = dict(re.findall(r"^\| `([a-z-]+)`.*\| ([^|]+) \|$", PAGE, re.M))
    assert rows["unreadable"] == f"{100 * ledgers.SERIOUS_SHARE:.0f} % of the files"
    assert rows["leak"] == f"{100 * duplicates.SERIOUS_LEAK:.0f} % of the test images"
    assert rows["conflicting-labels"] == f"{100 * duplicates.SERIOUS_CONFLICTS:.0f} % of the images"
    assert rows["wrong-labels"] == f"{100 * doubtful.SERIOUS_WRONG:.0f} % expected"
    assert rows["blank"] == f"{100 * pictures.SERIOUS_SHARE:.0f} % of the images"
    assert rows["shift"] == f"told apart for {100 * shift.SERIOUS_AREA:.0f} % of pairs"
    assert rows["shortcut"] == f"{200 * files_told.SHORTCUT_SHARE:.0f} % of the way from chance to certainty"
    assert (classes.FEWEST, classes.FEW, classes.UNEVEN) == (3, 10, 3)
