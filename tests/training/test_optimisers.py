import pytest
import torch

from striate.training.optimisers import learning_rate, make_optimiser
from striate.training.recipe import Recipe


def test_step_schedule_multiplies_at_milestones():
    recipe = Recipe(epochs=60, schedule="step", milestones=(30, 45), decay=0.1, learning_rate=1)
    assert [learning_rate(recipe, e) for e in (0, 29.9, 30, 45)] == pytest.approx([1, 1, 0.1, 0.01])


def test_cosine_agrees_with_torch():
    recipe = Recipe(epochs=10, learning_rate=0.5)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10)
    for epoch in range(10):
        assert learning_rate(recipe, epoch) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()


def test_warm_up_rises_to_the_top():
    recipe = Recipe(epochs=4, warmup_epochs=2, schedule="constant", learning_rate=1)
    assert [learning_rate(recipe, e) for e in (0, 1, 2, 3)] == [0, 0.5, 1, 1]


@pytest.mark.parametrize(("name", "kind"), [("sgd", "SGD"), ("adam", "Adam"), ("adamw", "AdamW")])
def test_optimisers_are_torchs(name, kind):
    optimiser = make_optimiser(Recipe(optimiser=name), [torch.nn.Parameter(torch.zeros(1))])
    assert type(optimiser).__name__ == kind
