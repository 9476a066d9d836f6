"""Plans that share images: another net on the same split, trained in memory, ended early."""

import pytest
import torch

import striate
from striate.errors import ArgumentError, ShapeError
from striate.pipeline import judge_images, run_training, train_plan
from striate.planning import change_plan, make_plan, make_wish
from striate.training.observer import Observer

RECIPE = {"epochs": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def plan():
    catalog = striate.read("digits")
    wish = make_wish("fc(classes)", RECIPE, {}, "crop", "80:10:10")
    return make_plan(wish, catalog, striate.prepare(catalog), Observer())


def trained(plan, **options):
    run = plan.described | {"precision": "float32"}
    return train_plan(plan, run, torch.device("cpu"), Observer(), **options)


def test_a_changed_plan_trains_as_one_made_for_its_net(plan):
    changed = change_plan(plan, "fc(16) relu fc(classes)", plan.recipe.replace(dropout=0.1))
    assert str(changed.net) == "fc(16) relu dropout(0.1) fc(10)"
    assert changed.described["data"] == plan.described["data"]
    model, state = trained(changed)
    alone = run_training("digits", "fc(16) relu fc(classes)", RECIPE, dropout=0.1)
    assert state.best["valid_accuracy"] == alone.valid.accuracy
    for ours, theirs in zip(model.module.parameters(), alone.classifier.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_enough_ends_with_the_best_epoch_so_far(plan):
    model, state = trained(plan, enough=lambda record: record["epoch"] == 2)
    assert len(state.history) == 2
    assert judge_images(model, plan.splits.valid, Observer()).accuracy == state.best["valid_accuracy"]
    assert "test_accuracy" not in model.provenance


def test_a_net_that_does_not_fit_is_refused(plan):
    with pytest.raises(ShapeError):
        change_plan(plan, "conv(4, 11) fc(classes)", plan.recipe)
    with pytest.raises(ArgumentError, match="must end in 10 outputs"):
        change_plan(plan, "fc(4)", plan.recipe)
