"""A fitted model: a body that makes features, a choice of them brought to one scale, and a head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from striate.classifier.heads.constant import Constant
from striate.classifier.heads.head import LEAST_PROBABILITY, Head, must, must_be_below, must_have_shape
from striate.classifier.heads.linear import Linear
from striate.classifier.heads.neighbours import Neighbours
from striate.classifier.heads.svm import Vectors
from striate.classifier.heads.trees import Trees
from striate.errors import ArgumentError
from striate.nets import NetModule, make_module, parse
from striate.nets.modules.timm_models import TimmModule, TimmNet, describe_body, make_timm, read_timm
from striate.nets.structure import HasChain
from striate.nets.zoo import is_timm

# What makes features: a net whose layers Striate knows, or a model of timm's.
Body = NetModule | TimmModule
# What a model of timm's holds in all, tables that are not saved included, is at most so many times what is saved.
MOST_TIMES_STORED = 4
HEADS: dict[str, type[Head]] = {kind.word: kind for kind in (Constant, Neighbours, Linear, Trees, Vectors)}


@dataclass(frozen=True, eq=False)
class Fitted:
    """What stands where a net would: the name of what was fitted, and the net whose features it was fitted to.

    Arguments:
        name: what people read, such as "forest on features of mobilenet_v2".
        body: None for the pixels themselves. A net with an fc layer gives what its last one gets, another its output.
    """

    name: str
    body: HasChain | TimmNet | None = None

    def __str__(self) -> str:
        return self.name


class Selection(nn.Module):
    """Takes the `columns` (d,) of features and brings them to one scale: (x − mean) / scale, both (d,)."""

    columns: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, columns: Tensor, mean: Tensor, scale: Tensor):
        super().__init__()
        self.register_buffer("columns", columns)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, features: Tensor) -> Tensor:
        """Return float32 (n, d) from features (n, of which there may be more)."""
        return (features[:, self.columns].float() - self.mean) / self.scale

    @classmethod
    def everything(cls, count: int) -> Selection:
        """Return the selection that leaves `count` features as they are."""
        return cls(torch.arange(count), torch.zeros(count), torch.ones(count))

    def check(self, features: int) -> None:
        """Raise a ModelFileError unless it can choose from so many `features`."""
        must(self.columns.dtype == torch.int64 and self.columns.ndim == 1, "columns must be int64 (d,)")
        must_be_below("columns", self.columns, features)
        for name in ("mean", "scale"):
            value = getattr(self, name)
            must_have_shape(name, value, len(self.columns))
            must(value.dtype == torch.float32 and bool(value.isfinite().all()), f"{name} must be finite float32")
        must(bool((self.scale > 0).all()), "scale must be positive")


class FittedModule(nn.Module):
    """float (n, c, h, w) → log-probabilities (n, k): body, selection, head.

    Arguments:
        body: makes the features; None for the pixels.
        head: knows the classes that had training images.
        present: int64, ascending, which of the k classes those are; the others are as good as impossible.
        classes: k.
    """

    present: Tensor

    def __init__(self, body: nn.Module | None, selection: Selection, head: Head, present: Tensor, classes: int):
        super().__init__()
        self.body, self.selection, self.head, self.classes = body, selection, head, classes
        self.register_buffer("present", present)

    def forward(self, images: Tensor) -> Tensor:
        """Return log-probabilities (n, k); their softmax are the probabilities."""
        return self.classify(self.selected(images))

    @property
    def averages(self) -> bool:
        """Whether the mean of its features over views of an image says something: of a net's, not of pixels."""
        return isinstance(self.body, TimmModule) or (isinstance(self.body, NetModule) and _has_fc(self.body))

    def selected(self, images: Tensor) -> Tensor:
        """Return the features (n, d) of images that the head is given."""
        return self.selection(self.embed(images))

    def classify(self, selected: Tensor) -> Tensor:
        """Return log-probabilities (n, k) of selected features (n, d)."""
        known = self.head(selected)
        if len(self.present) == self.classes:
            return known
        least = known.new_full((len(known), self.classes), math.log(LEAST_PROBABILITY))
        return least.index_copy(1, self.present, known)

    def embed(self, images: Tensor) -> Tensor:
        """Return the features (n, d) of images, before any are chosen."""
        return features_of(self.body, images)


def features_of(body: nn.Module | None, images: Tensor) -> Tensor:
    """Return the features (n, d) that a body makes of float (n, c, h, w): the pixels themselves without one.

    Raises:
        ArgumentError: the body is no net of Striate's, so that nobody knows where its features are.
    """
    if body is None:
        return images.flatten(1)
    if isinstance(body, TimmModule):
        return body.embed(images)
    if not isinstance(body, NetModule):
        raise ArgumentError("features come from a net that Striate knows layer by layer; this module is none")
    return body.embed(images) if _has_fc(body) else body(images).flatten(1)


def feature_count(body: Body | None, input_shape: tuple[int, int, int]) -> int:
    """Return how many features a body makes of an image (c, h, w)."""
    if body is None:
        return math.prod(input_shape)
    if isinstance(body, TimmModule):
        return body.head.in_features
    graph = body.graph
    fcs = [node for node in graph.nodes if node.layer.word == "fc" and not node.head]
    return math.prod(fcs[-1].in_shapes[0] if fcs else graph.shape(graph.output))


def _has_fc(body: NetModule) -> bool:
    return any(node.layer.word == "fc" and not node.head for node in body.graph.nodes)


def describe_fitted(module: FittedModule) -> dict[str, Any]:
    """Return what a file says of a fitted module beside its tensors, as plain values."""
    body = str(module.body.net) if isinstance(module.body, Body) else None
    return {"body": body, "head": module.head.word, "arguments": module.head.arguments()}


def rebuild_fitted(
    description: Any, tensors: dict[str, Tensor], input_shape: tuple[int, int, int], classes: int
) -> FittedModule:
    """Return the module that `describe_fitted` described, with its tensors by their names in the module.

    Raises:
        ModelFileError, NotationError, ShapeError: anything missing, spare, out of range or that does not fit.
    """
    must(isinstance(description, dict), "it does not say what was fitted")
    word, sentence = description.get("head"), description.get("body")
    must(word in HEADS if isinstance(word, str) else False, f"unknown head {word!r:.40}. Upgrade Striate")
    must(sentence is None or isinstance(sentence, str), "its body must be a sentence or timm/NAME")
    parts = {part: _below(part, tensors) for part in ("body", "selection", "head")}
    spare = tensors.keys() ^ {"present", *(f"{part}.{name}" for part, own in parts.items() for name in own)}
    must(not spare, f"missing or spare tensors: {', '.join(sorted(spare)[:4])}")
    body = _rebuild_body(sentence, parts["body"], input_shape)
    must(parts["selection"].keys() == {"columns", "mean", "scale"}, "the selection needs columns, mean and scale")
    selection = Selection(**parts["selection"])
    selection.check(feature_count(body, input_shape))
    present = tensors["present"]
    must(present.dtype == torch.int64 and present.ndim == 1 and len(present) > 0, "present must be int64 (p,)")
    must_be_below("present", present, classes)
    must(bool((present.diff() > 0).all()), "present must ascend")
    head = HEADS[word].rebuild(description.get("arguments"), parts["head"], len(selection.columns), len(present))
    return FittedModule(body, selection, head, present, classes)


def _below(part: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def _rebuild_body(sentence: str | None, tensors: dict[str, Tensor], input_shape: tuple[int, int, int]) -> Body | None:
    if sentence is None:
        must(not tensors, f"missing or spare tensors: {', '.join(sorted(tensors)[:4])}")
        return None
    if is_timm(sentence):
        return rebuild_timm(sentence, tensors, input_shape, classes=1)
    net = parse(sentence)
    # Before anything is allocated: a short sentence can describe a net of any size.
    needed, stored = net.table(input_shape).parameters, sum(value.numel() for value in tensors.values())
    must(needed <= stored, f"the net has {needed:,} parameters, the file holds {stored:,} numbers")
    return put_weights(make_module(net, input_shape), tensors)


def rebuild_timm(name: str, tensors: dict[str, Tensor], input_shape: tuple[int, int, int], classes: int) -> TimmModule:
    """Return the model of timm's that a file names, with its tensors; nothing is fetched.

    Raises:
        ModelFileError, ShapeError: anything missing, spare or that does not fit.
        MissingExtraError: timm is not there.
        ArgumentError: this timm has no such model.
    """
    must(is_timm(name), f"{name[:60]!r} must be timm/NAME")
    net = read_timm(name, classes)
    # Before anything is allocated, as images of any size can be asked for. What is not saved is made of the rest.
    needed, stored = describe_body(net.name, input_shape).numbers, sum(value.numel() for value in tensors.values())
    must(needed <= MOST_TIMES_STORED * stored, f"{net} needs {needed:,} numbers, the file holds {stored:,}")
    return put_weights(make_timm(net, input_shape), tensors)


def put_weights(module: nn.Module, tensors: dict[str, Tensor]) -> Any:
    """Copy tensors into a module and return it; every name, shape and type must be as the module has it."""
    expected = module.state_dict()
    unmatched = sorted(expected.keys() ^ tensors.keys())
    must(not unmatched, f"missing or spare tensors: {', '.join(unmatched[:4])}")
    for name, value in tensors.items():
        must(
            value.shape == expected[name].shape and value.dtype == expected[name].dtype,
            f"{name} must be {expected[name].dtype} {tuple(expected[name].shape)}; "
            f"got {value.dtype} {tuple(value.shape)}",
        )
    module.load_state_dict(tensors)
    return module
