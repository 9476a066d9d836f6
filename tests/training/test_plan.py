"""Plans that share images: another net on the same split, trained in memory, ended early."""

import pytest
import torch

import striate
from striate.data.dataset import DataOptions, make_dataset
from striate.errors import ArgumentError, NotationError, ShapeError
from striate.observer import Observer
from striate.runs.session import judge_images
from striate.selection.fit import run_one
from striate.training.budget import adapt_swift, choose_swift
from striate.training.engine.state import Computation, Watch
from striate.training.options import read_training_options
from striate.training.plan import change_plan, make_plan
from striate.training.recipe import load_recipe
from striate.training.trainer import train_plan

RECIPE = {"epochs": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def plan():
    catalog = striate.read("digits")
    wish = read_training_options("fc(classes)", RECIPE, {})
    return make_plan(wish, make_dataset(catalog, DataOptions(), wish.recipe.seed, Observer()), Observer())


def trained(plan, **options):
    return train_plan(plan, Computation(torch.device("cpu")), Watch(**options))


def test_a_changed_plan_trains_as_one_made_for_its_net(plan):
    changed = change_plan(plan, "fc(16) relu fc(classes)", plan.recipe.replace(dropout=0.1))
    assert str(changed.net) == "fc(16) relu dropout(0.1) fc(10)"
    assert changed.described["data"] == plan.described["data"]
    model, state = trained(changed)
    alone = run_one("digits", "fc(16) relu fc(classes)", RECIPE, dropout=0.1)
    assert state.best["valid_accuracy"] == alone.valid.accuracy
    for ours, theirs in zip(model.module.parameters(), alone.classifier.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_enough_ends_with_the_best_epoch_so_far(plan):
    model, state = trained(plan, enough=lambda record: record["epoch"] == 2)
    assert len(state.history) == 2
    assert judge_images(model, plan.splits.valid, Observer()).accuracy == state.best["valid_accuracy"]
    assert model.provenance.test_accuracy is None


def test_a_net_that_does_not_fit_is_refused(plan):
    with pytest.raises(ShapeError):
        change_plan(plan, "conv(4, 11) fc(classes)", plan.recipe)
    with pytest.raises(ArgumentError, match="must end in 10 outputs"):
        change_plan(plan, "fc(4)", plan.recipe)


def test_a_budget_decides_epochs_and_the_size_of_swift_and_a_resume_keeps_them(tmp_path, monkeypatch):
    seconds = [0.01]
    monkeypatch.setattr("striate.training.budget.epoch_seconds", lambda *told: seconds[0])
    short = run_one("xo", budget=0.05, out=tmp_path / "run", precision="float32")
    recipe = load_recipe(tmp_path / "run" / "recipe.toml")
    assert recipe.epochs == 5  # of a hundredth of a second each
    seconds[0] = 1000.0  # another day, a slower machine
    again = run_one("xo", budget=0.05, out=tmp_path / "run", precision="float32", resume=True)
    assert str(again.classifier.net) == str(short.classifier.net)
    with pytest.raises(ArgumentError, match="epochs or a budget"):
        run_one("xo", "fc(classes)", budget="1m", epochs=3)
    with pytest.raises(ArgumentError, match="a time must be as 90s"):
        run_one("xo", budget="soon")


@pytest.mark.parametrize(("budget", "told"), [(None, "the usual budget of 5 min "), ("20s", "the budget of 20 s ")])
def test_a_budget_that_nobody_gave_is_called_the_usual_one(budget, told, monkeypatch):
    monkeypatch.setattr("striate.training.budget.epoch_seconds", lambda *told: 0.1)
    notes = []
    observer = type("Told", (Observer,), {"note": lambda self, text: notes.append(text)})()
    wish = read_training_options("swift", None, {} if budget else {"epochs": 2}, budget)
    make_plan(wish, make_dataset(striate.read("xo"), DataOptions(), 0, Observer()), observer, torch.device("cpu"))
    assert any(note.startswith(told) for note in notes), notes


def test_the_swift_recipe_follows_the_number_and_size_of_images():
    recipe = load_recipe("swift")
    small = adapt_swift(recipe, 1_000, 64)
    assert small.batch_size == 32
    assert small.side_learning_rate / recipe.side_learning_rate == small.batch_size / recipe.batch_size
    assert small.augment == ("translate(4)",)
    assert adapt_swift(recipe, 50_000, 32) == recipe
    told = adapt_swift(recipe.replace(batch_size=7), 1_000, 64, frozenset({"batch_size", "augment"}))
    assert (told.batch_size, told.augment) == (7, recipe.augment)


def test_a_recipe_may_bring_its_net_and_the_user_may_say_another(tmp_path):
    (tmp_path / "own.toml").write_text('net = "fc(8) relu fc(classes)"\nepochs = 1\n')
    wish = read_training_options(None, tmp_path / "own.toml", {})
    assert (wish.net, wish.recipe.net) == ("fc(8) relu fc(classes)", None)
    assert read_training_options("lenet", tmp_path / "own.toml", {}).net == "lenet"
    with pytest.raises(NotationError):
        read_training_options(None, {"net": "fc("}, {})


def test_swift_is_measured_no_oftener_than_it_takes(monkeypatch):
    measured = []

    def seconds(net, recipe, input_shape, count, device):
        measured.append(net)
        return 0.1

    monkeypatch.setattr("striate.training.budget.epoch_seconds", seconds)
    arguments = (load_recipe("swift").replace(precision="float32"), (1, 8, 8), 10, 1_400, torch.device("cpu"))
    assert choose_swift(300.0, *arguments, epochs=5) == ("swift_m", 5)
    assert not measured  # any machine makes so few steps in time
    assert choose_swift(100.0, *arguments, epochs=5) == ("swift_m", 5)
    assert len(measured) == 1  # the larger ones fit by their multiply-adds, the largest is for more images
    assert choose_swift(300.0, *arguments) == ("swift_m", 50)
    assert len(measured) == 1 + 3  # of so small images swift_s and a half swift_m are the same net
    assert choose_swift(0.4, *arguments, epochs=5) == ("swift_xs", 5)
