"""`striate train`: what it prints for people and programs, the run it leaves, resuming, being interrupted."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading

import pytest
from rich.console import Console
from tests.data.oddities import encoded, photo

from striate.cli.output.training import TrainingView
from striate.observer import StepReport
from striate.system.signals import stop_signals

QUICK = ("--net", "fc(classes)", "--epochs", 2, "--set", "precision=float32")


def test_json_has_the_promised_keys_and_nothing_else_is_on_stdout(as_json, tmp_path):
    result = as_json("train", "digits", *QUICK)
    assert result["model"] == os.path.join("runs", "digits-1", "model.striate")
    assert result["run"] == os.path.join("runs", "digits-1")
    assert result["net"] == "fc(10)"
    assert 0.5 < result["valid_accuracy"] <= 1
    assert 0.5 < result["test_accuracy"] <= 1
    assert result["train_s"] > 0
    assert (tmp_path / result["model"]).exists()


def test_words_end_with_the_accuracies_the_model_and_the_next_commands(striate, photos):
    result = striate("train", photos, *QUICK, "--out", "my run")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    accuracy = r"Accuracy on {} set: \d+\.\d\d% \(\d+ / \d+\)  95 % interval \d+\.\d\d to \d+\.\d\d %"
    assert re.fullmatch(accuracy.format("validation"), lines[0])
    assert re.fullmatch(accuracy.format("test"), lines[1])
    assert lines[-5] == "model  my run/model.striate"
    assert lines[-4] == "report my run/report.html"
    assert lines[-2] == "  striate predict 'my run/model.striate' IMAGE …"
    assert lines[-1] == f"  striate evaluate 'my run/model.striate' {photos}"
    assert re.search(r"^epoch +loss +train +validation +images/s +seconds", result.stderr, re.M)


def test_a_run_holds_what_the_docs_say(striate, photos, tmp_path):
    assert striate("train", photos, *QUICK, "--out", "run").exit_code == 0
    present = {path.name for path in (tmp_path / "run").iterdir()} - {".lock"}
    assert present == {
        "run.json", "recipe.toml", "net.txt", "ledger.csv", "metrics.jsonl", "checkpoint.safetensors", "model.striate",
        "result.json", "health.json", "report.html",
    }  # fmt: skip
    metrics = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in metrics] == [1, 2]


def test_names_with_brackets_spaces_and_letters_survive(striate, tmp_path):
    folder = tmp_path / "ein [ä] Ordner"
    for c in ("[red]", "ü ö"):
        (folder / c).mkdir(parents=True)
        for i in range(4):
            (folder / c / f"[b]{i} é.png").write_bytes(encoded(photo(8, 8, seed=i + len(c))))
    result = striate("train", folder, *QUICK, "--out", "[dim]run")
    assert result.exit_code == 0, result.output
    assert "model  [dim]run/model.striate" in result.stdout
    judged = striate("evaluate", "[dim]run/model.striate", folder)
    assert "[red]" in judged.stdout
    predicted = striate("predict", "[dim]run/model.striate", folder / "[red]" / "[b]0 é.png")
    assert "[b]0 é.png" in predicted.stdout


def test_help_names_every_common_setting_and_shows_a_first_command(striate):
    text = " ".join(re.sub("[│╭╮╰╯─]", "", striate("train", "--help").stdout).split())
    for name in ("epochs", "batch-size", "optimiser", "learning-rate", "seed"):
        assert f"--{name}" in text
    assert "such as precision=float32 or patience=5" in text
    for word in ("Data", "Net and recipe", "Run", "striate train digits"):
        assert word in text


@pytest.fixture
def finished(striate):
    assert striate("train", "xo:40", *QUICK).exit_code == 0


@pytest.mark.parametrize("arguments", [["--resume"], ["xo:40", *QUICK, "--resume"]])
def test_resume_finds_the_last_run_and_says_so(striate, finished, photos, arguments):
    if arguments != ["--resume"]:  # a later run of another source is not meant
        assert striate("train", photos, *QUICK).exit_code == 0
    result = striate("train", *arguments)
    assert result.exit_code == 0, result.output
    assert "run runs/xo-40-1, which is finished: " in result.stderr
    assert "resuming runs/xo-40-1 from checkpoint.safetensors: 2 epochs and 0 steps done" in result.stderr
    assert "Accuracy on test set:" in result.stdout
    assert "striate evaluate runs/xo-40-1/model.striate xo:40" in result.stdout


def test_resume_of_another_source_or_of_nothing(striate, finished, photos):
    result = striate("train", photos, "--resume")
    assert result.exit_code == 1
    assert f"no run of {photos} to resume in" in result.stderr
    assert "Name its folder with --out, or start one without --resume" in result.stderr
    assert "no run in nowhere" in striate("train", "--resume", "--out", "nowhere").stderr


def test_resume_with_other_settings_names_them(striate, finished):
    result = striate("train", "xo:40", *QUICK, "--epochs", 5, "--resume")
    assert result.exit_code == 1
    assert "cannot go on with epochs 2 → 5" in result.stderr
    result = striate("train", "--resume", "--net", "lenet", "--size", 12)
    assert result.exit_code == 2
    assert "--net, --size cannot change with --resume" in result.stderr


def test_a_folder_with_a_run_is_not_overwritten(striate, finished):
    result = striate("train", "xo:40", *QUICK, "--out", "runs/xo-40-1")
    assert result.exit_code == 1
    assert "runs/xo-40-1 already holds a run. Add --resume to go on with it" in result.stderr


def test_interrupted_before_training(striate, monkeypatch, tmp_path):
    monkeypatch.setattr("striate.data.dataset.read", _interrupt)
    result = striate("train", "digits")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "interrupted. Go on with: the same command" in result.stderr
    assert not list((tmp_path / "runs").iterdir())


def test_interrupted_twice_while_training(striate, monkeypatch):
    monkeypatch.setattr("striate.training.trainer.train_loop", _interrupt)
    result = striate("train", "digits", *QUICK, "--out", "my run")
    assert result.exit_code == 1
    assert "interrupted. Go on with: striate train --resume --out 'my run'" in result.stderr


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_interrupted_elsewhere(striate, monkeypatch, digits_run, command):
    monkeypatch.setattr("striate.classifier.classifier.Classifier.outputs_of", _interrupt)
    result = striate(command, digits_run / "model.striate", "digits")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("interrupted\n")


def _interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_a_second_signal_ends_at_once():
    with stop_signals() as asked:
        assert not asked()
        os.kill(os.getpid(), signal.SIGINT)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path):
    command = [sys.executable, "-c", "from striate.cli import main; main()", "train", "digits", "--net", "fc(classes)"]
    command += ["--epochs", "100000", "--set", "precision=float32", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    threading.Timer(60, process.kill).start()
    for line in process.stderr:
        if line.lstrip().startswith("1 "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped and saved. Go on with: striate train --resume --out run\n" in err
    assert out == ""
    assert (tmp_path / "run/checkpoint.safetensors").exists()


def shown(view_width, work):
    file = io.StringIO()
    with TrainingView(Console(file=file, force_terminal=True, width=view_width, color_system=None)) as view:
        work(view)
        view._line._progress.refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", file.getvalue()).replace("\r", "\n")
    return [line for line in text.splitlines() if line.strip()]


def test_the_live_line_fits_80_columns():
    lines = shown(
        80, lambda view: [view.step(StepReport(12, 20, step, 391, 1.234, 0.5678, 12345.6)) for step in (9, 10)]
    )
    wanted = "epoch 12/20 step 10/391 loss 1.234 accuracy 56.78 % 12,346 images/s"
    assert any(line.startswith(wanted) for line in lines)
    assert all(len(line) <= 80 for line in lines)
    wide = shown(120, lambda view: [view.prepare("decoding", n, 60_000) for n in (100, 30_000)])
    assert any(line.startswith("decoding 30,000 / 60,000 ━━━━") and line.endswith("left") for line in wide)


def test_an_epoch_is_one_short_line():
    record = {"epoch": 100, "train_loss": 0.1234, "train_accuracy": 1.0, "valid_accuracy": 0.98765,
              "images_per_s": 123456.7, "seconds": 1234.5}  # fmt: skip
    head, first, second = shown(
        80, lambda view: [view.epoch(record, True), view.epoch(record | {"valid_accuracy": 1.0}, False)]
    )
    assert head.split() == ["epoch", "loss", "train", "validation", "images/s", "seconds", "(*", "best", "so", "far)"]
    assert first.split() == ["100", "0.123", "100.00", "%", "98.77", "%", "*", "123,457", "1234.5"]
    assert second.split() == ["100", "0.123", "100.00", "%", "100.00", "%", "123,457", "1234.5"]
    assert len(first) == len(second) <= 80
    head, only = shown(80, lambda view: view.epoch(record | {"valid_accuracy": None}, True))
    assert "validation" not in head
    assert only.split() == ["100", "0.123", "100.00", "%", "123,457", "1234.5"]


def test_tensorboard_writes_event_files(striate, tmp_path):
    pytest.importorskip("tensorboard")
    assert striate("train", "digits", *QUICK, "--out", "run", "--tensorboard").exit_code == 0
    (events,) = (tmp_path / "run/tensorboard").glob("events.out.tfevents.*")
    written = events.read_bytes()
    assert b"accuracy/valid" in written
    assert b"loss/train" in written


def test_without_tensorboard_the_extra_is_named(striate, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = striate("train", "digits", *QUICK, "--out", "run", "--tensorboard")
    assert result.exit_code == 1
    assert 'error: TensorBoard scalars need the extra: pip install "striate[tensorboard]"' in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_metric_chooses_and_balance_is_asked_for(striate, as_json, uneven, tmp_path):
    asked = (*QUICK, "--metric", "balanced-accuracy", "--balance", "draw")
    result = as_json("train", uneven, *asked, "--out", "run")
    for split in ("valid", "test"):
        assert {f"{split}_{figure}" for figure in ("accuracy", "balanced_accuracy", "macro_f1")} <= result.keys()
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    assert 'metric = "balanced-accuracy"' in recipe
    assert 'balance = "draw"' in recipe
    told = striate("train", uneven, *asked, "--out", "told")
    assert re.search(r"^epoch +loss +train +validation +balanced accuracy +images/s", told.stderr, re.M)
    assert "  balanced accuracy " in told.stdout
    refused = striate("train", uneven, *QUICK, "--metric", "macro-f1", "--out", "run", "--resume")
    assert refused.exit_code == 1
    assert "metric" in refused.stderr


def test_on_the_ladder_uneven_classes_have_columns_of_their_own(striate, uneven):
    result = striate("train", uneven, "--budget", "3s", "--metric", "macro-f1", "--balance", "loss", "--json")
    assert result.exit_code == 0, result.output
    header = next(line for line in result.stderr.splitlines() if line.strip().startswith("validation"))
    assert header.split()[:7] == ["validation", "95", "%", "interval", "balanced", "macro", "F1"]
    rungs = json.loads(result.stdout)["ladder"]
    assert all({"balanced_accuracy", "macro_f1"} <= rung.keys() for rung in rungs)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--metric", "f1"), "unknown metric 'f1'"),
        (("--balance", "weights"), "unknown balance 'weights'"),
        (("--balance", "loss", "--net", "neighbours"), "balance must be left out with neighbours"),
    ],
)
def test_a_metric_or_balance_that_cannot_be_is_refused_in_words(striate, words, message):
    result = striate("train", "digits", *words)
    assert result.exit_code == 1
    assert message in result.stderr


def test_splits_in_their_own_spelling_are_no_classes_and_classes_are_told(striate, photos, tmp_path):
    for path in sorted(photos.glob("*/*.png")):
        place = "seg_test" if int(path.stem) >= 8 else "seg_train"
        target = tmp_path / "wrapped" / place / place / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    result = striate("train", "wrapped", "--net", "fc(classes)", "--epochs", 1, "--out", "run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["classes"] == 2
    assert "2 classes: day (12), night (12)" in result.stderr
    assert "folders are taken as splits: seg_test as test, seg_train as train" in result.stderr


def test_versions_of_one_set_stop_before_anything_is_trained(striate, photos, tmp_path):
    for path in sorted(photos.glob("*/*.png")):
        for version in ("color", "gray"):
            target = tmp_path / "versions" / version / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    result = striate("train", "versions", "--out", "run")
    assert result.exit_code == 1
    assert "Give one of them: versions/color" in result.stderr.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_what_to_type_next_reads_the_source_alike(striate, photos, tmp_path):
    """A table whose images lie elsewhere, a column of groups: the command that is told runs as it is."""
    (tmp_path / "tables").mkdir()
    rows = [f"{name}/{i}.png,{name},{i // 2}" for name in ("day", "night") for i in range(12)]
    (tmp_path / "tables/a b.csv").write_text("\n".join(["path,what,place", *rows]))
    words = ("tables/a b.csv", "--images", photos, "--label-column", "what", "--groups", "place")
    told = striate("train", *words, *QUICK, "--out", "run").stdout.splitlines()[-1]
    assert f"--images {photos} --label-column what --groups place" in told
    again = striate("train", "--resume", "--out", "run").stdout.splitlines()[-1]
    assert shlex.split(again)[4:] == shlex.split(told)[4:]
    for command in (told, again):
        done = striate(*shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
