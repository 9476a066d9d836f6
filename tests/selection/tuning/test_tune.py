"""Studies: the same seed and number of trials, budgets, interruptions, refusals, what is left in the folder."""

import os
import signal
import subprocess
import sys
import warnings
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import striate
from striate.classifier.classifier import Classifier
from striate.data.dataset import DataOptions, make_dataset
from striate.data.preparing.prepare import prepare
from striate.errors import ArgumentError, MissingExtraError, StorageError, TrainingError
from striate.metrics.evaluation import Evaluation
from striate.metrics.intervals import wilson_interval
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.fit import run_one
from striate.selection.tuning import worker
from striate.selection.tuning.report import study_verdict, write_report
from striate.selection.tuning.study import read_trials
from striate.selection.tuning.tune import TuningOptions
from striate.selection.tuning.tune import tune as search
from striate.selection.tuning.worker import TuningObserver
from striate.training.engine.precision import Autocast
from striate.training.engine.state import Lesson
from striate.training.engine.timing import lesson_epoch_s
from striate.training.options import read_training_options
from striate.training.plan import change_plan, make_plan

SOURCE, NET = "xo:120", "fc(16) relu fc(classes)"
QUICK = {"net": NET, "most_epochs": 2, "precision": "float32"}


def tune(source, out, *, ratios=None, observer=None, **options):
    own = {name: options.pop(name) for name in list(options) if name in {one.name for one in fields(TuningOptions)}}
    return search(source, out, TuningOptions(**own, fixed=options), DataOptions(ratios=ratios), observer=observer)


class Listener(TuningObserver):
    def __init__(self, stop_after=99):
        self.ended, self.notes, self.left = [], [], stop_after

    def note(self, text):
        self.notes.append(text)

    def trial_starts(self, number, net, epochs, seconds_left):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def trial_ends(self, trial, best):
        self.ended.append((trial.number, trial.state))


def outcome(result):
    return [(t.state, t.net, t.recipe, t.accuracies, t.correct) for t in result.trials if t.state != "lost"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tune(SOURCE, tmp_path_factory.mktemp("study"), trials=5, **QUICK)


def test_the_folder_holds_the_best_model_and_a_recipe_that_makes_it_again(study):
    assert study.best is not None
    assert study.baseline.number == 0
    assert study.best.accuracy == max(t.accuracy for t in study.trials if t.accuracy is not None)
    model = Classifier.load(study.model)
    assert model.provenance.valid_accuracy == study.best.accuracy
    assert model.provenance.tuning == {"study": "striate", "trial": study.best.number, "trials": 5}
    assert isinstance(study.test, Evaluation)
    assert model.provenance.test_accuracy == study.test.accuracy
    again = run_one(SOURCE, recipe=study.recipe)
    assert str(again.classifier.net) == study.best.net
    assert (again.valid.correct, again.valid.total) == (study.best.correct, study.best.total)
    assert again.test.accuracy == study.test.accuracy


def test_the_same_seed_gives_the_same_study_and_another_another(study, tmp_path):
    assert outcome(tune(SOURCE, tmp_path / "same", trials=5, **QUICK)) == outcome(study)
    other = tune(SOURCE, tmp_path / "other", trials=1, seed=1, **QUICK)
    assert outcome(other) != outcome(study)[:1]


def test_an_interrupted_study_goes_on_where_it_was(study, tmp_path):
    stopped = tune(SOURCE, tmp_path, trials=5, observer=Listener(stop_after=3), **QUICK)
    assert stopped.stopped
    assert [t.state for t in stopped.trials].count("lost") == 1
    assert stopped.recipe.exists()
    resumed = tune(SOURCE, tmp_path, trials=5, **QUICK)
    assert not resumed.stopped
    assert outcome(resumed) == outcome(study)
    before = (tmp_path / "model.striate").read_bytes()
    assert len(tune(SOURCE, tmp_path, trials=5, **QUICK).trials) == 6  # the lost one is counted as a line, not as done
    assert (tmp_path / "model.striate").read_bytes() == before


KILLED = """
import os, signal, sys
from striate.selection.tuning.tune import TuningOptions, tune
from striate.selection.tuning.worker import TuningObserver
from striate.observer import Observer
class Kill(TuningObserver):
    def trial_ends(self, trial, best):
        print(trial.number, flush=True)
    def epoch(self, record, better):
        if Kill.started == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    def trial_starts(self, number, *rest):
        Kill.started = number
options = TuningOptions("fc(16) relu fc(classes)", trials=5, most_epochs=2, fixed={"precision": "float32"})
tune("xo:120", sys.argv[1], options, observer=Kill())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_study_goes_on_and_ends_like_one_that_was_not(study, tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "2"], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.split() == ["0", "1"]
    listener = Listener()
    resumed = tune(SOURCE, tmp_path, trials=5, observer=listener, **QUICK)
    assert listener.notes[-1] == "1 trial of a process that was killed will be made again"
    assert [state for _, state in listener.ended] == [state for state, *_ in outcome(study)[2:]]
    assert outcome(resumed) == outcome(study)


@pytest.fixture
def diverging(monkeypatch):
    """Let bfloat16 be chosen for a study, and give no finite loss where a net learns."""
    forward = Autocast.forward
    monkeypatch.setattr(Autocast, "forward", lambda self, x: forward(self, x) * (float("nan") if self.training else 1))
    monkeypatch.setattr("striate.selection.tuning.tune.choose_precision", lambda *of: "bfloat16")


def test_a_precision_that_was_chosen_and_does_not_learn_is_left_for_float32(tmp_path, diverging):
    result = tune(SOURCE, tmp_path, trials=2, net=NET, most_epochs=2)
    assert [trial.state for trial in result.trials] == ["finished", "finished"]
    assert {trial.recipe["precision"] for trial in result.trials} == {"float32"}
    assert read_training_options(NET, str(tmp_path / "best.toml"), {}).recipe.precision == "float32"


def test_a_precision_that_was_asked_for_is_kept(tmp_path, diverging):
    result = tune(SOURCE, tmp_path, trials=1, net=NET, most_epochs=2, precision="bfloat16")
    assert result.trials[0].state == "failed"


def test_another_process_is_kept_out_and_a_run_is_not_tuned_over(tmp_path, digits_run):
    with RunFolder(tmp_path).held("tuning"), pytest.raises(TrainingError, match="another process is tuning"):
        tune(SOURCE, tmp_path, trials=1, **QUICK)
    with pytest.raises(ArgumentError, match="already holds a run"):
        tune(SOURCE, digits_run, trials=1, **QUICK)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "xo:160"}, "made on other images"),
        ({"seed": 3}, "made on other images"),  # another split
        ({"net": "any"}, "net 'fc.*' → 'any'"),
        ({"flip": True}, "flip False → True"),
        ({"optimiser": "sgd"}, "'optimiser': 'sgd'"),
    ],
)
def test_another_study_in_the_same_place_is_refused(study, changes, message):
    arguments = {"source": SOURCE, "out": study.out, "trials": 9, **QUICK, **changes}
    with pytest.raises(ArgumentError, match=message):
        tune(**arguments)


def test_a_budget_is_kept(tmp_path, monkeypatch):
    none = tune(SOURCE, tmp_path / "none", budget=1e-3, **QUICK)
    assert [len(t.accuracies) for t in none.trials] == [1]
    monkeypatch.setattr(worker, "lesson_epoch_s", lambda *told: 1e6)
    slow = tune(SOURCE, tmp_path / "slow", budget=600, **QUICK)
    assert [len(t.accuracies) for t in slow.trials if t.accuracy is not None] == [1]  # the first always runs
    assert {t.state for t in slow.trials[1:]} == {"refused"}
    assert "this trial may take" in slow.trials[-1].why
    assert len(slow.trials) == 1 + worker.MISFITS


def test_a_trial_whose_loss_diverges_is_a_failed_one(tmp_path):
    result = tune(SOURCE, tmp_path, trials=2, learning_rate=1e30, optimiser="sgd", **QUICK)
    assert {t.state for t in result.trials} == {"failed"}
    assert "the loss became" in result.trials[0].why
    assert result.best is None
    assert study_verdict(result) == "No trial has finished."
    assert write_report(result, "striate train").exists()


def test_intervals_of_trials_count_groups(tmp_path):
    """Twelve frames of each picture are no twelve pictures."""
    xo = prepare(striate.read(SOURCE))
    pixels, labels = xo.pixels, xo.labels
    frames = np.random.default_rng(0).integers(-2, 3, (12, *pixels.shape))
    bursts = np.clip(pixels[None].astype(int) + frames, 0, 255).astype(np.uint8).reshape(-1, *pixels.shape[1:])
    catalog = replace(striate.read((bursts, np.tile(labels, 12))), columns={"of": [str(i % 120) for i in range(1440)]})
    found = search(catalog, tmp_path, TuningOptions(trials=2, net=NET, most_epochs=2, fixed={"precision": "float32"}),
                   DataOptions(groups="of"))  # fmt: skip
    best = found.best
    low, high = best.interval
    assert best.size.groups == best.total / 12
    assert best.counted == f" ({best.total} images of {best.size.groups} groups)"
    assert best.interval == read_trials(found.study)[best.number].interval
    assert high - low > np.subtract(*reversed(wilson_interval(best.correct, best.total)))
    assert best.counted in write_report(found, "striate train").read_text("utf-8")


def test_several_machines_share_a_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = tune(SOURCE, tmp_path / "a", trials=1, storage=url, study="ours", **QUICK)
    second = tune(SOURCE, tmp_path / "b", trials=2, storage=url, study="ours", **QUICK)
    assert len(second.trials) == 2
    assert not (tmp_path / "b" / "study.db").exists()
    assert second.recipe.exists()
    if second.best.number < 1:
        assert second.model is None
        assert first.model is not None
    with pytest.raises(ArgumentError, match=r"shared\.db was made on other images"):
        tune("xo:160", tmp_path / "c", trials=3, storage=url, study="ours", **QUICK)
    assert tune("xo:160", tmp_path / "c", trials=1, storage=url, study="other", **QUICK).trials


def test_a_database_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    with pytest.raises(StorageError, match=r"me:\*\*\*@localhost") as caught:
        tune(SOURCE, tmp_path, storage="nosuch://me:secret@localhost/x", trials=1, **QUICK)
    assert "secret" not in str(caught.value)
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match=r"study\.db"):
        tune(SOURCE, tmp_path, trials=1, **QUICK)


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "striate\[tune\]"'):
        tune(SOURCE, tmp_path, trials=1)


def test_no_validation_images(tmp_path):
    with pytest.raises(ArgumentError, match="needs validation images"):
        tune(SOURCE, tmp_path, trials=1, ratios="1:0", **QUICK)


def test_the_page_stands_alone_and_names_the_best(study):
    page = write_report(study, "striate train xo:200 --recipe 'my <best>.toml'").read_text("utf-8")
    assert "&#39;my &lt;best&gt;.toml&#39;" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "").replace(
        "http://creativecommons", ""
    ).replace("http://purl.org", "").replace("https://matplotlib.org", "")
    assert "<script" not in page
    assert f"{100 * study.best.accuracy:.2f} %" in page
    assert page.count('<tr class="') == len(study.trials)
    assert (study.out / "history.png").stat().st_size > 5_000


def test_foresight_grows_with_the_work():
    catalog = striate.read("digits")
    wish = read_training_options("fc(classes)", {"precision": "float32", "batch_size": 32}, {})
    plan = make_plan(wish, make_dataset(catalog, DataOptions(), 0, Observer()), Observer())
    large = change_plan(plan, "conv(64, 3, pad=1) relu conv(64, 3, pad=1) relu fc(classes)", plan.recipe)
    lesson, cpu = Lesson(plan.splits.train, plan.splits.valid, plan.preprocessing), torch.device("cpu")
    assert 0 < lesson_epoch_s(plan.net, lesson, plan.recipe, cpu) < lesson_epoch_s(large.net, lesson, large.recipe, cpu)
