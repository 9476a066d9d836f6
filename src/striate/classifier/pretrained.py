"""A zoo net with published weights as a classifier, and models by file or by name."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import Fitted
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.data.decoding.pixels import Fit, check_size
from striate.errors import ArgumentError, SourceNotFoundError, unknown
from striate.nets import ZOO, Net, imagenet_classes, pretrained
from striate.nets.modules.own import build
from striate.nets.modules.timm_models import TimmNet, make_timm, pretrained_timm, read_timm, timm_version
from striate.nets.zoo import is_timm
from striate.observer import Progress, silent


def load_pretrained(
    name: str,
    weights: str | Path = "imagenet",
    size: int | tuple[int, int] | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Return a zoo net with published weights, its classes and its preprocessing, ready to predict.

    Arguments:
        name: a zoo net, with options if need be: 'mobilenet_v2(width=1.0)'.
        weights: "imagenet" (downloaded once), "imagenet-v2" where there are two, or a .pth or .safetensors file.
        size: (h, w) in pixels to look at images at, or one side of a square; None is what the weights were trained for.
        progress: told how far a download is.

    Images are fitted as the weights want it: shorter side to 256 pixels, say, and 224 cut from the centre.

    Raises:
        ArgumentError: no such net, or the weights are for other classes than ImageNet's.
        SourceNotFoundError, ModelFileError: the file is not there, cannot be downloaded, or does not fit the net.
    """
    found = pretrained(name, weights, progress=progress)
    if not found.classes:
        raise ArgumentError(
            f"the weights {weights} do not have ImageNet's 1,000 classes, so {name} cannot name what it sees"
        )
    wanted = found.preprocessing
    mean, std = (np.array(values, np.float32) * 255 for values in (wanted.mean, wanted.std))
    preprocessing = Preprocessing((wanted.size, wanted.size), 3, "crop", mean, std, wanted.resize)
    module = found.module.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    model = Classifier(
        _distinct(found.classes), preprocessing, found.net, module, Provenance(weights=list(found.notes))
    )
    return model if size is None else at_size(model, size)


def load_pretrained_timm(
    name: str, weights: str | Path = "imagenet", size: int | tuple[int, int] | None = None
) -> Classifier:
    """Return a model of timm's with weights and with timm's own preprocessing.

    It can predict where the weights' head knows ImageNet's 1,000 classes; else it has no classes, and makes features.

    Arguments:
        name: as in "timm/levit_192".
        weights: "imagenet" (timm's own, downloaded once by timm), a .pth or .safetensors file by timm's names, or
            "none" for first weights.
        size: (h, w) in pixels to look at images at; None is timm's.

    Raises:
        MissingExtraError: timm is not there.
        ArgumentError: timm has no such model, or no weights of it.
        SourceNotFoundError, ModelFileError: the file is not there, cannot be downloaded, or does not fit the model.
    """
    net = read_timm(name, classes=1)
    preprocessing, told = timm_preprocessing(net), str(weights)
    if told == "none":
        module, outputs = make_timm(net, preprocessing.input_shape), 0
    else:
        module, outputs = pretrained_timm(net, weights, preprocessing.input_shape)
    classes = _distinct(imagenet_classes()) if outputs == 1000 else ()
    said = {"none": "at first weights", "imagenet": f"weights of timm {timm_version()}"}.get(told, told)
    module = module.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    model = Classifier(classes, preprocessing, module.net, module, Provenance(weights=[f"{net}: {said}"]))
    return model if size is None else at_size(model, size)


def timm_preprocessing(net: TimmNet) -> Preprocessing:
    """Return how images are shown to a model of timm's, from timm's own configuration of it."""
    wanted = net.data_config()
    channels, height, width = wanted["input_size"]
    fits: dict[str, Fit] = {"squash": "stretch", "border": "pad"}
    fit = fits.get(wanted["crop_mode"], "crop")
    resize = math.floor(height / wanted["crop_pct"]) if fit == "crop" and height == width else None
    mean, std = (np.array(wanted[key], np.float32) * 255 for key in ("mean", "std"))
    return Preprocessing((height, width), channels, fit, mean, std, resize)


def at_size(model: Classifier, size: int | tuple[int, int]) -> Classifier:
    """Return a model that looks at images at another size, with the same weights.

    Arguments:
        size: (h, w) in pixels, or one side of a square.

    Raises:
        ArgumentError: it is no size, or the weights fit no other: the net has an fc layer on what is not pooled, or a
            mean image.
    """
    if isinstance(model.net, Fitted):
        raise ArgumentError(f"size can be changed of a net only; {model.net} was fitted at its own")
    size = check_size(size)
    if not fits_size(model, size):
        (h, w), (own_h, own_w) = size, model.preprocessing.size
        raise ArgumentError(f"size must be {own_h}×{own_w}, as the weights fit no other; got {h}×{w}")
    preprocessing = model.preprocessing.at(size)
    module = build(model.net, preprocessing.input_shape)
    module.load_state_dict(model.module.state_dict())
    module.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return replace(model, preprocessing=preprocessing, module=module)


def fits_size(model: Classifier, size: tuple[int, int]) -> bool:
    """Whether the weights of a model are right for images of another size (h, w) too."""
    shape = (model.preprocessing.channels, *size)
    if isinstance(model.net, TimmNet):
        return not model.net.one_size or size == model.preprocessing.size
    if not isinstance(model.net, Net) or model.preprocessing.mean.ndim == 3:
        return False
    needed, own = (model.net.graph(s) for s in (shape, model.preprocessing.input_shape))
    return [node.parameters for node in needed.nodes] == [node.parameters for node in own.nodes]


def load_model(
    model: str | Path,
    weights: str | Path | None = None,
    size: int | tuple[int, int] | None = None,
    progress: Progress = silent,
) -> Classifier:
    """Return the classifier in a `.striate` file, or the net of that name, the zoo's or timm's, with published weights.

    Raises:
        SourceNotFoundError: neither a file nor a zoo net.
        ArgumentError: weights were given for a file, which has its own.
    """
    word = str(model).split("(")[0].strip()
    if is_timm(str(model)) and not Path(model).is_file():
        return load_pretrained_timm(str(model), weights or "imagenet", size)
    if not Path(model).is_file() and word in ZOO:
        return load_pretrained(str(model), weights or "imagenet", size, progress)
    if weights is not None and Path(model).is_file():
        raise ArgumentError(f"{model} must be a named net to take --weights; a .striate file has its own. Leave it out")
    if not Path(model).is_file() and Path(model).name == str(model) and not Path(model).suffix:
        raise SourceNotFoundError(f"no model file {model}, and no net of that name: {unknown('net', word, ZOO)}")
    loaded = Classifier.load(model)
    return loaded if size is None else at_size(loaded, size)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return class names of which no two are equal: ImageNet has two cranes, the bird and the machine."""
    total, met, result = Counter(names), Counter(), []
    for name in names:
        met[name] += 1
        result.append(f"{name} ({met[name]})" if total[name] > 1 else name)
    return tuple(result)
