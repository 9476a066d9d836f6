"""What a training run needs to start, settled and checked before the first step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from striate.augmentation import make_augmentation
from striate.classifier.classifier import Classifier
from striate.classifier.feature_bank import FeatureBank
from striate.classifier.preprocessing import Preprocessing, measure
from striate.classifier.views import check_square, view_count
from striate.data.dataset import Dataset
from striate.data.imageset import ImageSet
from striate.data.splitting import Splits
from striate.errors import ArgumentError
from striate.nets import Net
from striate.nets.layers import Bn
from striate.nets.modules.own import AnyNet, as_net, find_net
from striate.nets.modules.timm_models import TimmNet
from striate.nets.surgery import with_dropout, with_new_head
from striate.observer import Observer
from striate.training.budget import DEFAULT_BUDGET_S, adapt_swift, choose_swift, epochs_within
from striate.training.engine.batches import steps_per_epoch
from striate.training.engine.resizing import check_small, size_at
from striate.training.options import NetLike, TrainingOptions
from striate.training.recipe import Recipe
from striate.units import percent, say_count, say_duration


@dataclass(frozen=True, eq=False)
class Plan:
    """The net, the recipe and the data of one run, checked against each other.

    Arguments:
        described: plain values that say what the data are, to compare on resume.
        start: the weights to start from, at the size of the images; None for random ones.
        known: has the features that the start makes of training images, perhaps of some only, to fit a new head to;
            None computes them.
    """

    net: AnyNet
    recipe: Recipe
    splits: Splits[ImageSet]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    described: dict[str, Any]
    start: Classifier | None = None
    known: FeatureBank | None = None


def make_plan(
    options: TrainingOptions, dataset: Dataset, observer: Observer, device: torch.device | None = None
) -> Plan:
    """Return the plan of a run: what is asked, fitted to the images, and to the `device` where there is a budget.

    Raises:
        ArgumentError: a batch larger than the set, a net with other outputs than classes.
        ShapeError: the net does not fit the images.
    """
    splits, classes = dataset.splits, dataset.images.classes
    if not len(splits.valid):
        observer.warn("there are no validation images: the last epoch is kept, not the best")
    recipe = _recipe_that_fits(options, splits.train, observer)
    if start := options.start:
        preprocessing = start.preprocessing
        if isinstance(start.net, Net) and start.classes != classes:
            net = with_new_head(start.net, len(classes), preprocessing.input_shape, recipe.head)
            options = replace(options, net=net)
        elif isinstance(start.net, TimmNet):
            options = replace(options, net=replace(start.net, classes=len(classes)))
    elif options.shown:
        preprocessing = options.shown
    else:
        preprocessing = measure(splits.train.pixels, splits.train.rows, recipe.subtract, dataset.options.fit or "crop")
    preprocessing = replace(preprocessing, window=dataset.images.window)
    shape = preprocessing.input_shape
    chosen, recipe = _within_budget(options, recipe, shape, splits.train, device or torch.device("cpu"), observer)
    net = _net_for(chosen, recipe, shape, len(classes), len(splits.train))
    _tell_views(recipe, shape, observer)
    _tell_small(recipe, shape, observer)
    described = dataset.described | {"input": list(preprocessing.input_shape)}
    return Plan(net, recipe, splits, preprocessing, classes, described, start)


def change_plan(plan: Plan, net: str | NetLike, recipe: Recipe) -> Plan:
    """Return a plan for the same images, split and preprocessed as they are, with another net, untrained, and recipe.

    The recipe's seed decides the training alone, and its `subtract` nothing.

    Raises:
        ArgumentError, NotationError, ShapeError: the net or the recipe does not fit the images.
    """
    chosen = net if isinstance(net, str) else as_net(net)
    shape, count = plan.preprocessing.input_shape, len(plan.splits.train)
    return replace(plan, net=_net_for(chosen, recipe, shape, len(plan.classes), count), recipe=recipe, start=None)


def _net_for(net: str | AnyNet, recipe: Recipe, input_shape: tuple[int, int, int], classes: int, count: int) -> AnyNet:
    """Return the net as it is trained, with the recipe's dropout, checked against the images."""
    chosen = choose_net(net, input_shape, classes)
    if recipe.dropout is not None:
        if not isinstance(chosen, Net):
            owner = "of timm's" if isinstance(chosen, TimmNet) else f"of your own; set it in {chosen} itself"
            raise ArgumentError(f"dropout can be set in a net, not in a module {owner}")
        chosen = with_dropout(chosen, recipe.dropout)
    _check_smallest_batch(chosen, input_shape, recipe, count)
    check_small(chosen, recipe, input_shape)
    return chosen


def _check_smallest_batch(net: AnyNet, input_shape: tuple[int, int, int], recipe: Recipe, count: int) -> None:
    """Refuse steps of one image where that leaves a batch norm one value, which has no variance."""
    if not isinstance(net, Net) or count // steps_per_epoch(count, recipe.batch_size) > 1:
        return
    for node in net.graph(input_shape).nodes:
        if isinstance(node.layer, Bn) and math.prod(node.shape[1:]) == 1:
            raise ArgumentError(
                f"batch_size must leave two images or more for each step: {node.layer} at {node.path} has one value "
                f"of each channel in an image; got {count:,} images in steps of {recipe.batch_size}. "
                "Choose another batch_size, or leave that layer out"
            )


def _tell_views(recipe: Recipe, input_shape: tuple[int, int, int], observer: Observer) -> None:
    if recipe.views == "none":
        return
    check_square(recipe.views, input_shape[1:])
    observer.note(
        f"views {recipe.views}: the final figures are of predictions averaged over {view_count(recipe.views)} views of "
        "each image, those of each epoch of the image alone"
    )
    augmentation = make_augmentation(recipe.augment)
    if recipe.views == "turns" and not augmentation.turns:
        observer.warn(
            "views = turns looks at turned images, which training without the augmentation turns never saw; "
            "that is right only where a class stays the same however it lies"
        )
    elif not augmentation.mirrors:
        observer.warn(
            f"views = {recipe.views} looks at mirror images, which training without flip never saw; "
            "that is right only where a class stays the same in the mirror"
        )


def _tell_small(recipe: Recipe, input_shape: tuple[int, int, int], observer: Observer) -> None:
    if recipe.small_until:
        height, width = size_at(recipe, input_shape[1:], 0.0)
        observer.note(
            f"the first {percent(recipe.small_until, 0)} of the run trains on images of {height}×{width} pixels; "
            "until then validation, on whole images, says little"
        )
    if recipe.hard_share < 1:
        observer.note(
            f"{f'after {percent(recipe.hard_from, 0)} of the run ' if recipe.hard_from else ''}it trains on the "
            f"{percent(recipe.hard_share, 0)} of the images that are hard for it; training accuracies are of those"
        )


def _within_budget(
    options: TrainingOptions,
    recipe: Recipe,
    input_shape: tuple[int, int, int],
    train: ImageSet,
    device: torch.device,
    observer: Observer,
) -> tuple[str | AnyNet, Recipe]:
    """Return the net, and the recipe with the epochs that fit into the budget where there is one."""
    net, count, classes = options.net, len(train), len(train.classes)
    budget_s = options.budget_s or DEFAULT_BUDGET_S
    if net is None:
        told = recipe.epochs if "epochs" in options.told or not options.published else None
        net, epochs = choose_swift(budget_s, recipe, input_shape, classes, count, device, told)
    elif options.budget_s is not None:
        epochs = epochs_within(budget_s, choose_net(net, input_shape, classes), recipe, input_shape, count, device)
    else:
        return net, recipe
    usual = "" if options.budget_s is not None else "usual "
    enough = f"{say_count(epochs, 'epoch', 'epochs')} of {net} on this machine"
    observer.note(f"the {usual}budget of {say_duration(budget_s)} is enough for {enough}")
    return net, recipe.replace(epochs=epochs)


def choose_net(net: str | AnyNet, input_shape: tuple[int, int, int], classes: int) -> AnyNet:
    """Return the net for a name or a sentence, checked against the images (c, h, w) and the classes.

    Raises:
        ArgumentError: its outputs are not as many as the classes.
        NotationError, ShapeError: the sentence cannot be read or does not fit the images.
    """
    chosen = find_net(net, classes, input_shape[0], min(input_shape[1:])) if isinstance(net, str) else net
    outputs = chosen.output_shape(input_shape)
    if outputs != (classes,):
        advice = f"Write fc({classes}) or fc(classes) at its end" if isinstance(chosen, Net) else "Build it for them"
        raise ArgumentError(
            f"the net must end in {classes} outputs, one a class; it ends in {' × '.join(map(str, outputs))}. {advice}"
        )
    return chosen


def _recipe_that_fits(options: TrainingOptions, train: ImageSet, observer: Observer) -> Recipe:
    """Return the recipe fitted to the training images; settings that the user chose stay.

    An epoch of a few steps learns little: small sets get smaller batches, down to 16, for at least 32 steps an epoch.
    """
    recipe, count = options.recipe, len(train)
    own = "batch_size" in options.told or not options.published
    if own and recipe.batch_size > count:
        raise ArgumentError(
            f"batch_size must be at most the number of training images, {count:,}; got {recipe.batch_size:,}. "
            f"Choose {max(1, min(32, count // 4))}, say"
        )
    if options.published == "swift":
        return adapt_swift(recipe, count, min(train.image_shape[:2]), options.told)
    if own:
        return recipe
    suits = 1 << max(4, (count // 32).bit_length() - 1)
    smaller = min(recipe.batch_size, suits, max(4, count // 4), count)
    if smaller < recipe.batch_size:
        observer.note(f"batch size {smaller} instead of {recipe.batch_size}: there are {count:,} training images")
    return recipe.replace(batch_size=smaller)
