"""What `striate train` ends with where several classifiers were tried, where classes are uneven, and after a ladder."""

import shlex
from dataclasses import replace

import pytest

from striate.cli.output.results import print_result, quoted, result_json
from striate.runs.session import RunResult


def test_of_several_classifiers_each_has_a_line_and_one_is_kept(striate, as_json, digits_run, uneven):
    words = ("train", uneven / "train", "--split", "50:30", "--features", digits_run / "model.striate")
    shown = striate(*words, "--out", "first")
    assert shown.exit_code == 0, shown.output
    head, *rows = shown.stdout.splitlines()
    assert head.split() == ["classifier", "validation", "95", "%", "interval", "balanced", "macro", "F1", "seconds"]
    told = as_json(*words, "--out", "second")
    candidates = told["candidates"]
    assert len(candidates) > 1
    assert [row.split()[0] for row in rows[: len(candidates)]] == [one["net"].split()[0] for one in candidates]
    (kept,) = (row for row in rows if row.rstrip().endswith("kept"))
    assert kept.split()[0] == told["net"].split()[0]
    assert max(one["valid_accuracy"] for one in candidates) == pytest.approx(told["valid_accuracy"])


def test_uneven_classes_have_their_own_figures_beside_accuracy(striate, as_json, uneven):
    told = as_json("train", uneven, "--net", "logistic")
    assert told["test_balanced_accuracy"] is not None
    shown = striate("train", uneven, "--net", "logistic").stdout
    assert f"balanced accuracy {100 * told['test_balanced_accuracy']:.2f} %" in shown


def test_a_run_without_images_to_judge_by_says_nothing_of_them(digits_model, tmp_path, capsys):
    chosen = replace(digits_model.provenance, verdict="A tie.", chosen="the net is cheaper", epoch=0, promises=None)
    result = RunResult(
        replace(digits_model, provenance=chosen), None, None, 1.25, tmp_path / "a run"
    )  # fmt: skip
    print_result(result, "photos/ --format folders")
    said = capsys.readouterr().out
    assert said.startswith("A tie.\nchosen: the net is cheaper\nfitted in 1.2 s\n")
    assert "Accuracy" not in said
    assert said.endswith(f"  striate evaluate {shlex.quote(str(result.model))} photos/ --format folders\n")
    told = result_json(result)
    assert (told["valid_accuracy"], told["test_interval"], told["report"]) == (None, None, None)
    assert told["chosen"] == "the net is cheaper"
    assert "candidates" not in told


def test_a_path_is_told_as_it_is_typed():
    assert (quoted("runs/a-1"), quoted("my run/é.striate")) == ("runs/a-1", "'my run/é.striate'")
