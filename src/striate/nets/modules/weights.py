"""Weights from files: torchvision's published ones, and our own, by name and with every shape checked.

Files are read as tensors only: .safetensors, or .pth through torch's reader that runs no code.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.calls import parse_calls
from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError, some, unknown
from striate.nets.graph import Graph
from striate.nets.modules.module import NetModule, make_module
from striate.nets.modules.pth_files import check_pth, check_safetensors, check_tensors
from striate.nets.net import Net
from striate.nets.zoo import ZOO, Architecture
from striate.nets.zoo.downloads import find_weights
from striate.nets.zoo.registry import PublishedInput, PublishedWeights
from striate.observer import Progress, silent

OPTIONAL = ("num_batches_tracked",)


@dataclass(frozen=True)
class Pretrained:
    """A zoo net with published weights.

    `classes` are the names of its outputs, empty if the head is new. `notes` say what a user should know: which version
    of the weights it is, and what was left at its initialisation.
    """

    net: Net
    module: NetModule
    preprocessing: PublishedInput
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes, in the order of the published nets' outputs."""
    text = resources.files("striate.nets.zoo").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def pretrained(
    name: str,
    weights: str | os.PathLike[str] = "imagenet",
    classes: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
    **options: Any,
) -> Pretrained:
    """Return a zoo net with published weights, ready to predict or to be trained further.

    Arguments:
        name: a zoo net, with options if need be: 'mobilenet_v2(pad="same")'.
        weights: "imagenet" (the first published file, downloaded or brought by pip), "imagenet-v2" for the second
            where there is one, or a .pth or .safetensors file with torchvision's names or our own.
        classes: the number of classes; other than 1000, the last layer is left at its initialisation.
        seed: for what is left at its initialisation.
        progress: told how far a download is.
        options: the net's own, such as `width`.

    Raises:
        ArgumentError: the net has no such published weights.
        SourceNotFoundError: the file does not exist, or cannot be downloaded.
        ModelFileError: a parameter is missing, spare or of another shape, or the file is damaged.
    """
    word = name.split("(")[0].strip()
    if word not in ZOO:
        raise ArgumentError(unknown("net", word, ZOO))
    options = {**parse_calls(name)[0].kwargs, **options}
    architecture = ZOO[word]
    path, published = find_weights(architecture, weights, progress)
    tensors, metadata = read_weights(path)
    if metadata.get("padding", "").startswith("same") and word == "mobilenet_v2":
        options.setdefault("pad", "same")
    net = architecture.net(classes, **options)
    shape = (3, *[int(metadata["input"])] * 2) if "input" in metadata else architecture.input_shape
    module = make_module(net, shape, seed)
    left = load_weights(module, tensors, architecture, str(path))
    version = f"{word}: {published.version} of {published.source}" if published else f"{word}: {path}"
    notes = (version, *(f"{name} is left at its initialisation" for name in left))
    names = imagenet_classes() if not left else ()
    return Pretrained(net, module, wanted(architecture, published, metadata), names, notes)


def wanted(architecture: Architecture, published: PublishedWeights | None, metadata: dict[str, str]) -> PublishedInput:
    """Return the preprocessing that a file's weights want: the file's own word goes before the published."""
    known = published or next(iter(architecture.published), None)
    side = architecture.input_shape[1]
    base = known.preprocessing if known else architecture.wants or PublishedInput(side, side)
    if "input" in metadata:
        side = int(metadata["input"])
        base = replace(base, size=side, resize=round(side * base.resize / base.size))
    for key in ("mean", "std"):
        if key in metadata:
            base = replace(base, **{key: tuple(float(value) for value in metadata[key].split(","))})
    return base


def load_weights(
    module: NetModule, tensors: dict[str, Tensor], architecture: Architecture | None = None, source: str = "the file"
) -> tuple[str, ...]:
    """Copy tensors into a module by name: our names, or torchvision's for a zoo net.

    A last layer for another number of classes is left as it is.

    Arguments:
        module: the module to fill.
        tensors: by name.
        architecture: the zoo net that the module is, for torchvision's names.
        source: what messages call the tensors.

    Returns:
        The names of the parameters that were left.

    Raises:
        ModelFileError: a tensor is missing, spare, of another shape or not finite; nothing has been copied then.
    """
    ours = module.state_dict()
    names = {name: name for name in ours}
    if not set(ours) <= set(tensors) and architecture is not None:
        names = {name: architecture.published_key(name) for name in ours}
    tensors = {_modern(name): value for name, value in tensors.items()}
    unused = () if "aux1.fc1.weight" in names.values() else ("aux1.", "aux2.")
    missing = [key for name, key in names.items() if key not in tensors and not name.endswith(OPTIONAL)]
    spare = [key for key in tensors if key not in set(names.values()) and not key.startswith(unused or ("\0",))]
    if missing or spare:
        parts = [f"{what}: {some(keys, 4)}" for what, keys in (("missing", missing), ("spare", spare)) if keys]
        raise ModelFileError(
            f"{source} does not have the parameters of this net; {'; '.join(parts)}. "
            "Are the net and its options those of the file?"
        )
    heads = _heads(module.graph)
    left, copies = [], {}
    for name, key in names.items():
        if key not in tensors:
            continue
        given, own = tensors[key], ours[name]
        if not torch.isfinite(given).all():
            raise ModelFileError(f"{source}: {key} must hold finite numbers; it has NaN or infinity")
        if _squeezed(given) == _squeezed(own):
            copies[name] = given.reshape(own.shape)
        elif name.rpartition(".")[0] in heads and given.shape[1:].numel() == own.shape[1:].numel():
            left.append(name)
        else:
            raise ModelFileError(
                f"{source}: {key} must have the shape {tuple(own.shape)}; got {tuple(given.shape)}. "
                "Are the net, its options and the number of input channels those of the file?"
            )
    with torch.no_grad():
        for name, value in copies.items():
            ours[name].copy_(value)
    return tuple(left)


def _heads(graph: Graph) -> set[str]:
    """Return the last weighted layer of the net and of each auxiliary head."""
    lasts = {node.head: node.path for node in graph.nodes if node.layer.word in ("conv", "fc")}
    return set(lasts.values())


def _squeezed(value: Tensor) -> list[int]:
    """Return a shape less trailing ones: a 1×1 convolution is a fully connected layer."""
    shape = list(value.shape)
    while shape and shape[-1] == 1:
        shape.pop()
    return shape


def _modern(name: str) -> str:
    """Return a published name as today's torchvision has it: DenseNet's file still says "norm.1" for "norm1"."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a .safetensors or .pth file, and what a .safetensors file says of itself.

    Raises:
        SourceNotFoundError: there is no such file.
        ModelFileError: the file is damaged, or holds something other than tensors.
    """
    if not path.is_file():
        raise SourceNotFoundError(f"weights file {path} does not exist")
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            check_safetensors(path)
            with safe_open(path, "pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_pth(path)
            found = torch.load(path, map_location="cpu", weights_only=True)
    except ModelFileError:
        raise
    except pickle.UnpicklingError as error:
        call = re.search(r"GLOBAL (\S+)", str(error))
        raise ModelFileError(
            f"{path} must hold nothing but tensors; it would call {call[1] if call else 'code'}, and is not read. "
            "Ask its author for a state_dict, best as .safetensors"
        ) from None
    except Exception as error:  # the readers raise what they like on damaged files
        raise ModelFileError(
            f"{path} cannot be read as weights: it is damaged, or no .pth or .safetensors file ({_named(error)}). "
            "Get it again"
        ) from None
    if not isinstance(found, dict):
        raise ModelFileError(f"{path} must hold tensors by name; got {type(found).__name__}")
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise ModelFileError(
                f"{path} must hold tensors by name; {key!r} is of type {type(value).__name__}. "
                "From a checkpoint, save the state_dict alone"
            )
    check_tensors(path, found)
    return found, {}


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
