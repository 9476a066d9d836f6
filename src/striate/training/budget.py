"""Which swift net to train and for how long: what this machine can do within a budget."""

from __future__ import annotations

from typing import Any

import torch

from striate.nets import resolve
from striate.nets.modules.own import AnyNet
from striate.training.engine.timing import epoch_seconds, faster, precision_seconds
from striate.training.recipe import Recipe

DEFAULT_BUDGET_S = 300.0
SIZES = ("swift_xs", "swift_s", "swift_m(width=0.5)", "swift_m", "swift_l")
# Fewer epochs of a larger net end lower than these of a smaller one, and few images need more of them; more than the
# most teach little.
FEWEST_EPOCHS, FEWEST_LOOKS, MOST_EPOCHS = 5, 225_000, 50
# Larger nets than this are of no use to so few images.
IMAGES_PER_SIZE = {"swift_m(width=0.5)": 1_000, "swift_m": 1_000, "swift_l": 20_000}
# Multiply-adds a second of a machine that is slow beyond doubt; a step of training makes three for each of the net's.
SLOW, PASSES = 1e9, 3
_LEAP = 2.0  # larger nets do more multiply-adds a second, but not so many more


def epochs_within(
    budget_s: float, net: AnyNet, recipe: Recipe, input_shape: tuple[int, int, int], count: int, device: torch.device
) -> int:
    """Return how many epochs of `count` images fit into a budget; at least 1. Arguments as `epoch_seconds`."""
    return max(1, int(budget_s / epoch_seconds(net, recipe, input_shape, count, device)))


def choose_swift(
    budget_s: float,
    recipe: Recipe,
    input_shape: tuple[int, int, int],
    classes: int,
    count: int,
    device: torch.device,
    epochs: int | None = None,
    known: dict[Any, Any] | None = None,
) -> tuple[str, int]:
    """Return the name of the largest swift net of which enough epochs fit into the budget, and how many to train.

    Arguments:
        recipe: decides the steps whose time is measured.
        input_shape: (c, h, w) of the images.
        count: how many images are trained on.
        epochs: where they are told; the net is then the largest that carries them within the budget.
        known: what was measured before, and is not measured again; None keeps nothing.
    """
    if epochs and (size := _carried_anywhere(budget_s, input_shape, classes, count, epochs)):
        return size, epochs
    chosen, measured = (SIZES[0], epochs or 1), {} if known is None else known
    if recipe.precision == "auto":  # one of the middle speaks for all
        middle = resolve(SIZES[1], classes=classes, channels=input_shape[0], side=min(input_shape[1:]))
        seconds = precision_seconds(middle, min(recipe.batch_size, count), input_shape, device)[1]
        recipe = recipe.replace(precision=faster(seconds))
    fewest = epochs or min(MOST_EPOCHS // 2, max(FEWEST_EPOCHS, round(FEWEST_LOOKS / count)))
    last: tuple[float, int] | None = None  # seconds of an epoch of the size before, and its multiply-adds
    for size in SIZES:
        if count < IMAGES_PER_SIZE.get(size, 0):
            break
        net = resolve(size, classes=classes, channels=input_shape[0], side=min(input_shape[1:]))
        work = net.table(input_shape).multiply_adds
        most_s = last and last[0] * work / last[1]  # larger nets take no longer for a multiply-add
        if most_s and most_s > _LEAP * budget_s / fewest:
            break  # so far beyond the budget that measuring it would be a waste of that
        key = "epoch", str(net), input_shape, count, recipe.batch_size, recipe.precision
        if epochs and most_s and epochs * most_s <= budget_s:
            one_s = most_s  # the epochs are told, and so many fit without a doubt
        elif key not in measured:
            measured[key] = one_s = epoch_seconds(net, recipe, input_shape, count, device)
        else:
            one_s = measured[key]
        last = one_s, work
        fit = max(1, int(budget_s / one_s))
        enough = fit >= fewest
        if enough or size == SIZES[0]:
            chosen = size, epochs or min(fit, MOST_EPOCHS)
        if not enough:
            break
    return chosen


def epoch_s_known(known: dict[Any, Any], net: AnyNet, input_shape: tuple[int, int, int], count: int) -> float | None:
    """Return the seconds of an epoch that `choose_swift` has measured before, None where it has not."""
    about = "epoch", str(net), input_shape, count
    return next((seconds for key, seconds in known.items() if key[:4] == about), None)


def _carried_anywhere(
    budget_s: float, input_shape: tuple[int, int, int], classes: int, count: int, epochs: int
) -> str | None:
    """Return the largest net that so many images can use, if the slowest machine trains it in time; else None.

    A run of seconds would otherwise wait for measurements that cannot change what is chosen.
    """
    size = [one for one in SIZES if count >= IMAGES_PER_SIZE.get(one, 0)][-1]
    net = resolve(size, classes=classes, channels=input_shape[0], side=min(input_shape[1:]))
    work = PASSES * net.table(input_shape).multiply_adds * count * epochs
    return size if work <= SLOW * budget_s else None


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
