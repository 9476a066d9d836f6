"""`striate report`, and the command that a report says how to type again."""

import json

from tests.pages.reading import Outline


def test_the_report_is_told_and_made_again(striate, as_json, tmp_path):
    told = as_json("train", "xo:120", "--net", "fc(classes)", "--epochs", 1, "--out", "a run")
    assert told["report"] == "a run/report.html"
    page = tmp_path / "a run" / "report.html"
    outline = Outline(page.read_text("utf-8"))
    assert outline.faults == []
    assert "striate train xo:120 --net 'fc(classes)' --epochs 1 --out 'a run' --json" in outline.words
    before = page.read_text("utf-8")
    page.unlink()
    assert striate("report", "a run").stdout == "a run/report.html\n"
    assert page.read_text("utf-8") == before
    assert as_json("report", "a run") == {"report": "a run/report.html"}


def test_people_are_told_where_it_is(striate):
    assert "report run/report.html" in striate("train", "xo:60", "--net", "majority", "--out", "run").stdout


def test_a_wrong_run_is_a_message(striate, tmp_path):
    result = striate("report", "nothing")
    assert result.exit_code == 1
    assert "no run" in result.output
    assert not (tmp_path / "nothing").exists()


def test_what_a_run_keeps_for_its_report(striate, tmp_path):
    striate("train", "xo:60", "--net", "majority", "--out", "run")
    kept = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert kept["machine"]["cpus"] >= 1
    assert kept["command"].startswith("striate train xo:60")
    assert len(kept["prepared"]) == 2
