"""A run that is stopped or killed at any moment and resumed ends in the same bits as one that never was."""

import json
import random
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.training.stopping import StopAt

import striate
from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError, TrainingError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.fit import resume, run_one
from striate.training.engine.checkpoints import read_state
from striate.training.engine.state import Interrupted

NET = "conv(4, 3, pad=1) bn relu maxpool(2) dropout(0.2) fc(classes)"
RECIPE = {"epochs": 3, "batch_size": 256, "augment": ["flip", "translate(1)"], "precision": "float32"}


def files(folder):
    return {name: (folder / name).read_bytes() for name in ("model.striate", "recipe.toml", "net.txt")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    run_one("digits", NET, RECIPE, out=out)
    return out


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_s")} for line in lines]


def test_a_stop_is_acknowledged_at_once(tmp_path):
    heard = []

    class Listener(StopAt):
        note = staticmethod(heard.append)

    with pytest.raises(Interrupted):
        run_one("digits", NET, RECIPE, out=tmp_path / "run", observer=Listener(2))
    assert heard[-1] == "stopping after this step; once more stops at once, without saving it"


def test_every_moment_of_an_optimiser_and_an_average_is_resumed(tmp_path):
    recipe = RECIPE | {"optimiser": "muon", "average": 0.9, "accumulate": 2, "batch_size": 128, "schedule": "onecycle"}
    run_one("digits", NET, recipe, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_one("digits", NET, recipe, out=tmp_path / "run", observer=StopAt(8))
    resume(tmp_path / "run")
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize("steps", [1, 4, 6, 11, 17])
def test_stopped_and_resumed_is_bit_equal(whole, tmp_path, steps):
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        run_one("digits", NET, RECIPE, out=out, observer=StopAt(steps))
    assert (out / "checkpoint.safetensors").exists()
    resume(out)
    assert files(out) == files(whole)
    assert metrics(out) == metrics(whole)


RUNS = {
    "swift": (
        "swift_xs",
        {"optimiser": "muon", "learning_rate": 0.2, "side_learning_rate": 3.0, "label_smoothing": 0.2,
         "augment": ["alternating_flip translate(1)"], "views": "mirror-shift", "small_until": 0.6, "small_side": 0.9,
         "whiten_until": 0.4},
    ),
    "hard": (
        "conv(8, 3, pad=1) bn relu dropout(0.2) conv(8, 3, pad=1) bn relu globalavg fc(classes)",
        {"hard_share": 0.5, "hard_from": 0.3, "small_until": 0.2, "small_side": 0.75, "augment": ["mixup"]},
    ),
    "residual": (
        "conv(8, 3, pad=1) bn relu residual(conv(8, 3, pad=1) bn relu dropout(0.2) conv(8, 3, pad=1) bn) relu "
        "droppath(0.1) globalavg dropout(0.3) fc(classes)",
        {"optimiser": "adamw", "weight_decay": 0.01, "average": 0.95, "clip_norm": 1.0, "warmup_epochs": 1,
         "augment": ["translate(1)", "mixup", "cutout(2)"]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_stopped_at_random_steps(tmp_path, name):
    net, settings = RUNS[name]
    recipe = {"epochs": 3, "batch_size": 128, "precision": "float32"} | settings
    run_one("digits", net, recipe, out=tmp_path / "whole")
    steps, out, stops = 3 * 11, tmp_path / "run", 0
    random_steps = random.Random(name)
    while True:
        stop = StopAt(random_steps.randint(1, steps // 2))
        try:
            run_one("digits", net, recipe, out=out, observer=stop, resume=True)
        except Interrupted:
            stops += 1
            continue
        break
    assert stops >= 2
    assert files(out) == files(tmp_path / "whole")
    assert metrics(out) == metrics(tmp_path / "whole")


def test_stopped_after_every_step(whole, tmp_path):
    out = tmp_path / "run"
    for _ in range(30):
        try:
            run_one("digits", NET, RECIPE, out=out, observer=StopAt(1), resume=True)
        except Interrupted:
            continue
        break
    else:
        pytest.fail("did not end")
    assert files(out) == files(whole)


def test_the_same_command_twice_gives_the_same_files(whole, tmp_path):
    run_one("digits", NET, RECIPE, out=tmp_path / "again")
    assert files(tmp_path / "again") == files(whole)


def test_a_seed_makes_a_difference(whole, tmp_path):
    run_one("digits", NET, RECIPE | {"seed": 1}, out=tmp_path / "other")
    assert files(tmp_path / "other")["model.striate"] != files(whole)["model.striate"]


def test_a_finished_run_can_be_resumed_for_its_result(whole):
    before = files(whole)
    result = resume(whole)
    assert result.test is not None
    assert result.test.total > 100
    assert files(whole) == before


def test_the_run_folder_holds_everything(whole):
    names = {path.name for path in whole.iterdir()} - {".lock"}
    assert names == {
        "run.json", "recipe.toml", "net.txt", "ledger.csv", "metrics.jsonl", "checkpoint.safetensors", "model.striate",
        "result.json", "health.json", "report.html",
    }  # fmt: skip


def test_what_changed_is_refused_and_shown(whole):
    with pytest.raises(TrainingError, match=r"epochs 3 → 5"):
        run_one("digits", NET, RECIPE | {"epochs": 5}, out=whole, resume=True)
    with pytest.raises(TrainingError, match=r"net .* → 'fc\(10\)'"):
        run_one("digits", "fc(classes)", RECIPE, out=whole, resume=True)
    data = striate.read("digits")
    with pytest.raises(TrainingError, match=r"images 1797 → 1700"):
        run_one(data.subset(np.arange(1700)), NET, RECIPE, out=whole, resume=True)


def test_a_folder_with_a_run_is_not_overwritten(whole):
    with pytest.raises(ArgumentError, match="already holds a run"):
        run_one("digits", NET, RECIPE, out=whole)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no run in"):
        resume(tmp_path / "nothing")


@pytest.mark.parametrize("workers", ["processes", "threads"])
def test_another_number_of_processes_or_threads_is_said(whole, tmp_path, workers):
    out = shutil.copytree(whole, tmp_path / "run")
    run = json.loads((out / "run.json").read_text())
    now = run[workers]
    (out / "run.json").write_text(json.dumps(run | {workers: 7}))
    heard = []
    observer = Observer()
    observer.warn = heard.append
    resume(out, observer=observer)
    said = f"this run was started with 7 {workers} and goes on with {now}: it will not end in the same bits"
    assert heard == [said]


def test_a_run_in_use_is_refused(whole):
    with RunFolder(whole).held(), pytest.raises(TrainingError, match="another process"):
        run_one("digits", NET, RECIPE, out=whole, resume=True)


def test_a_damaged_checkpoint_is_named(whole, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes((whole / "checkpoint.safetensors").read_bytes()[:1000])
    with pytest.raises(ModelFileError, match=r"checkpoint\.safetensors is not a checkpoint"):
        read_state(path)


def test_a_loss_that_is_not_finite_stops_with_advice(tmp_path):
    with pytest.raises(TrainingError, match=r"the loss became .* at epoch \d+, step \d+, learning rate [\d.]+e"):
        run_one("digits", "fc(64) relu fc(classes)", RECIPE | {"learning_rate": 1e30, "optimiser": "sgd"})


@pytest.mark.slow
def test_killed_twenty_times_at_random(tmp_path):
    out = tmp_path / "run"
    settings = RECIPE | {"epochs": 400, "batch_size": 128}
    code = (
        f"import striate.selection.fit as p\np.run_one('digits', {NET!r}, {settings!r}, out={str(out)!r}, resume=True)"
    )
    rng, kills = random.Random(0), 0
    for _ in range(60):
        process = subprocess.Popen([sys.executable, "-c", code])
        if kills < 20:
            time.sleep(rng.uniform(2, 5))
        if process.poll() is None and kills < 20:
            process.kill()
            kills += 1
            process.wait()
            for path in (out / "model.striate",):
                if path.exists():
                    striate.Classifier.load(path)
            continue
        assert process.wait() == 0
        break
    assert kills == 20
    run_one("digits", NET, settings, out=tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")
