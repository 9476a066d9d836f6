"""Transfer: training that starts from weights that have learned something else, with a new head fitted to features."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from striate.baselines.logistic import fit_softmax
from striate.classifier.classifier import Classifier
from striate.classifier.features import extract, tapped
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.pretrained import (
    at_size,
    fits_size,
    load_pretrained,
    load_pretrained_timm,
    timm_preprocessing,
)
from striate.data.catalog import Catalog
from striate.data.decoding.decode import array_header, probe
from striate.data.decoding.pixels import Fit
from striate.errors import ArgumentError, DecodingError, unknown
from striate.nets import ZOO, Net, NetModule
from striate.nets.layers import Fc, Scale
from striate.nets.modules.own import build
from striate.nets.modules.timm_models import TimmModule, TimmNet, read_timm
from striate.nets.zoo import is_timm
from striate.observer import Observer, Progress, silent
from striate.training.options import SWIFT, NetLike
from striate.training.plan import Plan
from striate.units import say_duration

# Smaller pictures are enlarged to so many pixels: on less a net made for 224 sees too little.
SMALLEST_SIDE_PX, STEP_PX = 96, 32
_LOOKED_AT = 50


def load_start(net: str | NetLike | None, weights: str | Path, progress: Progress = silent) -> Classifier:
    """Return what training starts from.

    Arguments:
        net: a zoo net or a model of timm's; for a `.striate` file its own, or None or "swift", not named.
        weights: "imagenet" (for timm's models their own), "imagenet-v2", a .pth or .safetensors file, or a .striate
            file.
        progress: told how far a download is.

    Raises:
        ArgumentError: a net that there are no weights for, or another than the file's.
        SourceNotFoundError, ModelFileError: the weights are not there, cannot be downloaded, or do not fit.
    """
    if Path(weights).suffix == ".striate":
        model = Classifier.load(weights)
        if net not in (None, SWIFT) and str(net) != str(model.net):
            raise ArgumentError(f"{weights} has a net of its own; leave the net out. It is {model.net}")
        if not isinstance(model.net, Net | TimmNet):
            raise ArgumentError(f"{weights} must hold a net to be trained further; got {model.net}")
        return model
    if isinstance(net, TimmNet) or is_timm(net):
        return load_pretrained_timm(str(net), weights)
    word = net.split("(")[0].strip() if isinstance(net, str) else ""
    if word not in ZOO:
        having = [name for name, known in ZOO.items() if known.published]
        asked = f"weights are a named net's: say which with --net. Choices: {', '.join(having)}"
        raise ArgumentError(unknown("net", word, having) if word else asked)
    return load_pretrained(str(net), weights, progress=progress)


def fit_start(start: Classifier, catalog: Catalog, size: tuple[int, int] | None, fit: Fit) -> Classifier:
    """Return what training starts from at the size (h, w) in pixels at which these images are trained on.

    Without a size it is the median of the images' shorter sides, rounded up, within what the weights were trained
    for: enlarged pixels take time and tell nothing. The whole image is shown, not the cut of the published figures.
    """
    if size is None:
        return at_side(start, median_side(catalog), fit)
    return _whole(start if size == start.preprocessing.size else at_size(start, size), fit)


def at_side(start: Classifier, side: int, fit: Fit) -> Classifier:
    """Return what training starts from at the side in pixels at which it looks at images with so much detail.

    That is `side` rounded up, within what the weights were trained for, or their own side where they fit no other.
    """
    own = start.preprocessing.size
    if own[0] == own[1] and fits_size(start, (own[0] + STEP_PX, own[0] + STEP_PX)):
        size = _suitable_size(side, own[0])
        start = start if size == own else at_size(start, size)
    return _whole(start, fit)


def _whole(start: Classifier, fit: Fit) -> Classifier:
    """Return what looks at the whole image, not the cut of the published figures."""
    return replace(start, preprocessing=replace(start.preprocessing, resize=None, fit=fit))


def fit_input(
    net: str | NetLike | None, catalog: Catalog, size: tuple[int, int] | None, fit: Fit
) -> Preprocessing | None:
    """Return how these images are shown to a net at random weights that says so itself, as timm's do; None for others.

    Mean and spread are timm's. So is the size of a model that takes one alone; else it is chosen as in `fit_start`.
    """
    net = read_timm(net, classes=1) if isinstance(net, str) and is_timm(net) else net
    if not isinstance(net, TimmNet):
        return None
    wanted = timm_preprocessing(net)
    if size is None:
        size = wanted.size if net.one_size else _suitable_size(median_side(catalog), wanted.size[0])
    return replace(wanted, size=size, resize=None, fit=fit)


def _suitable_size(side: int, most: int) -> tuple[int, int]:
    side = min(most, max(SMALLEST_SIDE_PX, -(-side // STEP_PX) * STEP_PX))
    return side, side


def median_side(catalog: Catalog) -> int:
    """Return the median of the shorter sides in pixels of some of a catalog's images."""
    return int(np.median([min(side) for side in some_sides(catalog)]))


def some_sides(catalog: Catalog) -> list[tuple[int, int]]:
    """Return (h, w) in pixels of some of a catalog's images, at least of one."""
    if isinstance(catalog.images, np.ndarray):
        return [catalog.images.shape[1:3]]
    sides = []
    for i in np.linspace(0, len(catalog) - 1, min(len(catalog), _LOOKED_AT)).astype(int):
        with suppress(DecodingError):
            image = catalog.images[i]
            header = array_header(image) if isinstance(image, np.ndarray) else probe(image)
            sides.append((header.height, header.width))
    return sides or [(SMALLEST_SIDE_PX, SMALLEST_SIDE_PX)]


def weights_digest(start: Classifier) -> str:
    """Return a digest of the weights, to compare on resume."""
    digest = hashlib.blake2b(str(start.net).encode(), digest_size=16)
    for value in start.module.state_dict().values():
        digest.update(np.ascontiguousarray(value.cpu().numpy()).data)
    return digest.hexdigest()


def starting_module(plan: Plan, device: torch.device, observer: Observer) -> tuple[torch.nn.Module, float]:
    """Return the plan's net with the weights that it starts from, and the seconds that fitting a new head took.

    A head for other classes, which may get more than the old one, is a softmax regression on the features of the
    training images as they are, if the net ends in an fc layer; else it has its initial weights.
    """
    begin, start = time.perf_counter(), plan.start
    assert start is not None
    module = build(plan.net, plan.preprocessing.input_shape, plan.recipe.seed, plan.recipe.init)
    # By their order: a dropout that the recipe adds moves the names of the layers behind it.
    with torch.no_grad():
        for own, given in zip(module.state_dict().values(), start.module.state_dict().values(), strict=True):
            if own.shape == given.shape:
                own.copy_(given)
    if start.classes != plan.classes and (head := _head(module)):
        layer, factor = head
        model = replace(start, preprocessing=plan.preprocessing, module=start.module.to(device))
        model = tapped(model) if plan.recipe.head == "parts" else model
        train, valid = plan.splits.train, plan.splits.valid
        if plan.known:
            train = plan.known.of_which_known(train)
            features, others = plan.known.of(train), plan.known.of(valid, observer.prepare)
        else:
            features, others = (extract(model, images, progress=observer.prepare) for images in (train, valid))
        weight, bias, penalty = fit_softmax(
            features, train.labels, len(plan.classes), (others, valid.labels) if len(valid) else None,
            balanced=plan.recipe.balance != "none",
        )  # fmt: skip
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight / factor))
            if layer.bias is not None:
                layer.bias.copy_(torch.from_numpy(bias / factor))
        observer.note(
            f"new head for {len(plan.classes):,} classes: fitted to {features.shape[1]:,} features of {len(train):,} "
            f"training images (penalty {penalty:g}) in {say_duration(time.perf_counter() - begin)}"
        )
    return module, time.perf_counter() - begin


def _head(module: torch.nn.Module) -> tuple[torch.nn.Linear, float] | None:
    """Return the last fc layer and by what its outputs are multiplied, if the net ends in them."""
    factor = 1.0
    if isinstance(module, TimmModule):
        return module.head, factor
    if not isinstance(module, NetModule):
        return None
    for node in reversed([node for node in module.graph.nodes if not node.head]):
        if isinstance(node.layer, Fc):
            layer = module.layer(node.path)
            assert isinstance(layer, torch.nn.Linear)
            return layer, factor
        if not isinstance(node.layer, Scale):
            return None
        factor *= node.layer.factor
    return None
