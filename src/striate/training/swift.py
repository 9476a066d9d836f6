"""Which swift net to train and for how long: what this machine can do within a budget."""

from __future__ import annotations

import time

import torch

from striate.nets import resolve
from striate.training.batches import steps_per_epoch
from striate.training.measurements import measurement_key, recall, remember
from striate.training.optimisers import Optimisers
from striate.training.own_module import AnyNet, build
from striate.training.precision import precision_seconds
from striate.training.recipe import Recipe

DEFAULT_BUDGET_S = 300.0
SIZES = ("swift_xs", "swift_s", "swift_m", "swift_l")
# Fewer epochs of a larger net end lower than these of a smaller one; more than the most teach little.
FEWEST_EPOCHS, MOST_EPOCHS = 6, 40
# Larger nets than this are of no use to so few images.
IMAGES_PER_SIZE = {"swift_m": 1_000, "swift_l": 20_000}


def epochs_within(
    budget_s: float, net: AnyNet, recipe: Recipe, input_shape: tuple[int, int, int], count: int, device: torch.device
) -> int:
    """Return how many epochs of `count` images fit into a budget, from a quick measurement; at least 1."""
    batch = min(recipe.batch_size, count)
    tried, seconds = precision_seconds(net, batch, input_shape, device, recipe)
    step_s = min(seconds.values()) if recipe.precision == "auto" else seconds[recipe.precision]
    # The twentieth is for batches, augmentation and validation.
    epoch_s = 1.05 * count * step_s / tried + steps_per_epoch(count, batch) * _update_s(
        net, recipe, input_shape, device
    )
    return max(1, int(budget_s / epoch_s))


def choose_swift(
    budget_s: float,
    recipe: Recipe,
    input_shape: tuple[int, int, int],
    classes: int,
    count: int,
    device: torch.device,
    epochs: int | None = None,
) -> tuple[str, int]:
    """Return the name of the largest swift net of which enough epochs fit into the budget, and how many to train.

    Arguments:
        recipe: decides the steps whose time is measured.
        input_shape: (c, h, w) of the images.
        count: how many images are trained on.
        epochs: where they are told; the net is then the largest that carries them within the budget.
    """
    chosen = SIZES[0], epochs or 1
    for size in SIZES:
        net = resolve(size, classes=classes, channels=input_shape[0], side=min(input_shape[1:]))
        fit = epochs_within(budget_s, net, recipe, input_shape, count, device)
        enough = fit >= (epochs or FEWEST_EPOCHS) and count >= IMAGES_PER_SIZE.get(size, 0)
        if enough or size == SIZES[0]:
            chosen = size, epochs or min(fit, MOST_EPOCHS)
        if not enough:
            break
    return chosen


def adapt_swift(recipe: Recipe, count: int, side: int, told: frozenset[str] = frozenset()) -> Recipe:
    """Return the published recipe fitted to `count` images of `side` pixels; what the user has `told` stays.

    Small sets take smaller batches, and the rate of what is no filter follows the batch, as the loss is a mean.
    Translations are a sixteenth of the side.
    """
    batch = (
        recipe.batch_size if "batch_size" in told else min(recipe.batch_size, 1 << max(5, (count // 40).bit_length()))
    )
    changes = {
        "batch_size": batch,
        "side_learning_rate": recipe.side_learning_rate * batch / recipe.batch_size,
        "augment": tuple(
            f"translate({max(1, round(side / 16))})" if w == "translate(2)" else w for w in recipe.augment
        ),
    }
    return recipe.replace(**{name: value for name, value in changes.items() if name not in told})


def _update_s(net: AnyNet, recipe: Recipe, input_shape: tuple[int, int, int], device: torch.device) -> float:
    """Return the seconds of one update of the weights, without the gradients; measured once on a machine."""

    key = measurement_key(device, "update", str(net), input_shape, recipe.optimiser)
    if measured := recall(key):
        return measured["seconds"]
    module = build(net, input_shape).to(device)
    optimisers, seconds = Optimisers(recipe, module.parameters()), []
    for _ in range(3):
        for parameter in optimisers.parameters:
            parameter.grad = torch.ones_like(parameter)
        start = time.perf_counter()
        optimisers.step(0.0)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - start)
    remember(key, {"seconds": min(seconds)})
    return min(seconds)
