"""What a model file says of a classifier, and building it again: a net, a module of the user's own, what was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from striate.classifier.heads.fitted import (
    Body,
    Fitted,
    FittedModule,
    describe_fitted,
    put_weights,
    rebuild_fitted,
    rebuild_timm,
)
from striate.classifier.model_file import TENSORS
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.provenance import Provenance
from striate.classifier.samples import Samples
from striate.classifier.trust import Trust
from striate.classifier.views import check_views
from striate.errors import ArgumentError, ModelFileError, ShapeError
from striate.nets import Net, parse
from striate.nets.modules.own import AnyNet, OwnModule, build
from striate.nets.modules.timm_models import TimmModule, TimmNet, timm_version

_KINDS = {Net: "net", OwnModule: "module", TimmNet: "timm", Fitted: "fitted"}


def describe_parts(parts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what a model file says of a classifier's fields, by their names, and its arrays.

    Arguments:
        parts: the fields of `striate.classifier.classifier.Classifier`.
    """
    preprocessing, module = parts["preprocessing"], parts["module"]
    description = {
        "kind": kind_of(parts["net"]),
        "classes": list(parts["classes"]),
        "preprocessing": preprocessing.to_json(),
        "net": str(parts["net"]),
        "views": parts["views"],
        "provenance": parts["provenance"].to_json(),
        **describe_module(module),
    }
    tensors = {f"weights.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}
    tensors["preprocessing.mean"], tensors["preprocessing.std"] = preprocessing.mean, preprocessing.std
    tensors["trained_on"] = parts["trained_on"]
    if len(parts["sketches"]):
        tensors["sketches"] = parts["sketches"]
    description["trust"], kept = parts["trust"].describe()
    description["samples"], images = parts["samples"].describe()
    return description, tensors | kept | images


def rebuild_parts(
    description: Mapping[str, Any], tensors: dict[str, np.ndarray], own: torch.nn.Module | None
) -> dict[str, Any]:
    """Return the fields that `describe_parts` described; every tensor must be there, none spare, and all fit.

    Arguments:
        own: takes the weights where the file says that they are of a module of the user's own.

    Raises:
        ModelFileError, NotationError, ShapeError: anything missing, spare, out of range or that does not fit.
    """
    for name in ("preprocessing.mean", "preprocessing.std", "trained_on"):
        if name not in tensors:
            raise ModelFileError(f"{TENSORS} has no {name}")
    preprocessing = Preprocessing.from_parts(
        description["preprocessing"], tensors.pop("preprocessing.mean"), tensors.pop("preprocessing.std")
    )
    parts: dict[str, Any] = {
        "classes": tuple(description["classes"]),
        "preprocessing": preprocessing,
        "provenance": Provenance.from_json(description["provenance"]),
        "trained_on": tensors.pop("trained_on"),
        "sketches": tensors.pop("sketches", np.zeros((0, 0), np.int8)),
        "views": check_views(description.get("views", "none")),  # files of before there were views have none
    }
    trust = {name: tensors.pop(name) for name in list(tensors) if name.startswith("trust.")}
    samples = {name: tensors.pop(name) for name in list(tensors) if name.startswith("samples.")}
    weights = {name.removeprefix("weights."): torch.from_numpy(value.copy()) for name, value in tensors.items()}
    parts["net"], parts["module"] = rebuild_module(description, weights, preprocessing.input_shape, own)
    parts["trust"] = Trust.rebuilt(description.get("trust"), trust, len(parts["classes"]))
    shape = preprocessing.input_shape
    parts["samples"] = Samples.rebuilt(description.get("samples"), samples, shape, len(parts["classes"]))
    return parts


def kind_of(net: AnyNet | Fitted) -> str:
    """Return the word by which a model file tells a net from a module of the user's own and from what was fitted.

    >>> kind_of(parse("fc(10)"))
    'net'
    """
    return _KINDS[type(net)]


def describe_module(module: torch.nn.Module) -> dict[str, Any]:
    """Return what a model file says of a module beside its net and its tensors, as plain values: nothing of most."""
    said: dict[str, Any] = {"fitted": describe_fitted(module)} if isinstance(module, FittedModule) else {}
    timm = isinstance(module, TimmModule) or isinstance(getattr(module, "body", None), TimmModule)
    return said | ({"timm": timm_version()} if timm else {})


def rebuild_module(
    description: Mapping[str, Any],
    weights: dict[str, torch.Tensor],
    input_shape: tuple[int, int, int],
    own: torch.nn.Module | None,
) -> tuple[AnyNet | Fitted, torch.nn.Module]:
    """Return the net that a model file describes and its module with these weights, ready to predict.

    Arguments:
        description: the file's, with `kind`, `net` and `classes`.
        weights: by their names in the module.
        input_shape: (c, h, w).
        own: takes the weights where the file says that they are of a module of the user's own.

    Raises:
        ModelFileError, NotationError, ShapeError: anything missing, spare, out of range or that does not fit.
    """
    classes = len(description["classes"])
    try:
        if description["kind"] == "fitted":
            built = rebuild_fitted(description.get("fitted"), weights, input_shape, classes)
            net = Fitted(description["net"], built.body.net if isinstance(built.body, Body) else None)
        elif description["kind"] == "timm":
            built = rebuild_timm(description["net"], weights, input_shape, classes)
            net = built.net
        else:
            net = _net(description, own)
            built = _trained(net, weights, input_shape, classes)
    except (ModelFileError, ArgumentError, ShapeError) as error:
        raise ModelFileError(f"{error}{_other_timm(description)}") from None
    return net, built.to(memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]


def _other_timm(description: Mapping[str, Any]) -> str:
    """Return what is to be said of a model that another timm has saved; nothing of others."""
    if "timm" not in description or description["timm"] == timm_version():
        return ""
    return f". It was saved with timm {description['timm']!s:.20}, this is timm {timm_version()}"


def _net(description: Mapping[str, Any], own: torch.nn.Module | None) -> AnyNet:
    if description["kind"] == "net":
        return parse(description["net"])
    if own is None:
        raise ModelFileError(
            f"it holds the weights of a module of your own, {description['net']}, and runs no code to build it. "
            "Build it and give it: Classifier.load(path, module)"
        )
    return OwnModule(own)


def _trained(
    net: AnyNet, weights: dict[str, torch.Tensor], input_shape: tuple[int, int, int], classes: int
) -> torch.nn.Module:
    if isinstance(net, Net):
        # Before anything is allocated: a short sentence can describe a net of any size.
        needed = net.table(input_shape).parameters
        stored = sum(value.numel() for value in weights.values())
        if needed > stored:
            raise ModelFileError(f"the net has {needed:,} parameters, the file holds {stored:,} numbers")
    outputs = net.output_shape(input_shape)
    if outputs != (classes,):
        raise ModelFileError(f"the net's output {outputs} does not match {classes} classes")
    return put_weights(build(net, input_shape, seed=0), weights)
