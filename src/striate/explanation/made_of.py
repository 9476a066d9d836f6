"""Where a model stands on pixels with no layer between: the template of a linear one, the pixels that trees ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.linear import Linear
from striate.classifier.heads.trees import Trees
from striate.data.tensors import to_batch
from striate.explanation.subject import Subject, as_batch, class_contrast, differentiating
from striate.nets import NetModule

# Layers that are linear in the pixels, or nothing at all in evaluation.
_LINEAR_WORDS = {"fc", "avgpool", "flatten", "dropout", "identity"}


def pixel_shape(module: FittedModule, input_shape: tuple[int, int, int]) -> tuple[int, int, int] | None:
    """Return (c, h, w) of the pixels, perhaps averaged over squares, that a head stands on; None where it does not.

    Arguments:
        input_shape: (c, h, w) of the model.
    """
    shape: tuple[int, ...] = input_shape
    if isinstance(module.body, NetModule):
        if any(True for _ in module.body.parameters()):
            return None
        shape = module.body.graph.shape(module.body.graph.output)
    elif module.body is not None:
        return None
    columns = module.selection.columns
    whole = len(columns) == int(np.prod(shape)) and bool((columns == torch.arange(len(columns)).to(columns)).all())
    return (shape[0], shape[1], shape[2]) if whole and len(shape) == 3 else None


def is_linear(subject: Subject) -> bool:
    """Return whether a model's logits are linear in the pixels, so that a template for each class is all of it."""
    module = subject.model.module
    if isinstance(module, NetModule):
        words = [node.layer.word for node in module.graph.nodes if not node.head]
        return words.count("fc") == 1 and set(words) <= _LINEAR_WORDS
    standing = isinstance(module, FittedModule) and isinstance(module.head, Linear)
    body = module.body if isinstance(module, FittedModule) else None
    bare = body is None or (isinstance(body, NetModule) and not any(True for _ in body.parameters()))
    return standing and bare


def template(subject: Subject) -> np.ndarray:
    """Return what a linear model multiplies each pixel by for the class, less the mean of the others: (h, w, c)."""
    with differentiating(subject) as device:
        batch = as_batch(subject.pixels[None], device).requires_grad_()
        (slope,) = torch.autograd.grad(class_contrast(subject, batch).sum(), [batch])
    return slope[0].permute(1, 2, 0).float().cpu().numpy()


def tree_map(subject: Subject) -> np.ndarray | None:
    """Return what the questions on the way to the leaves say for the class, at the pixels that they ask for.

    Each question gives its pixel by how much it changes what the tree says of the class; where only leaves say
    anything, as in boosted trees, what the leaf says is shared by the questions on the way to it.

    Returns:
        float32 (h, w), negative where it speaks against the class; None of a model that is no trees on pixels.
    """
    module, model = subject.model.module, subject.model
    if not isinstance(module, FittedModule) or not isinstance(module.head, Trees):
        return None
    body = module.body
    if body is not None and (not isinstance(body, NetModule) or any(True for _ in body.parameters())):
        return None
    shape = model.preprocessing.input_shape if body is None else body.graph.shape(body.graph.output)
    present = module.present.tolist()
    if subject.target not in present or len(shape) != 3:
        return None
    with torch.inference_mode():
        features = module.embed(model.preprocessing.normalise(to_batch(subject.pixels[None], module.present.device)))
        chosen = module.selection(features)[0].cpu().numpy()
    parts = np.zeros(int(np.prod(shape)))
    columns = module.selection.columns.cpu().numpy()
    for column, part in _questions(module.head, chosen, present.index(subject.target)):
        parts[columns[column]] += part
    small = parts.reshape(shape).sum(0).astype(np.float32)
    height, width = subject.size
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST))


def _questions(trees: Trees, features: np.ndarray, own: int) -> list[tuple[int, float]]:
    """Return (feature, part) of each question on the way to the leaves, for the class at place `own`."""
    arrays: Any = {name: getattr(trees, name).cpu().numpy() for name in ("roots", "feature", "threshold", "left",
                                                                        "right", "value")}  # fmt: skip
    left, right, value = arrays["left"], arrays["right"], arrays["value"]
    width, found = len(trees.bias), []
    single = trees.combine == "scores" and value.shape[1] == 1
    for number, node in enumerate(arrays["roots"]):
        if single and width > 1 and number % width != own:
            continue
        sign, column = (1 if own == 1 else -1, 0) if width == 1 else (1, 0 if single else own)
        way = []
        while left[node] != node:
            column_asked = int(arrays["feature"][node])
            after = left[node] if features[column_asked] <= arrays["threshold"][node] else right[node]
            way.append((column_asked, sign * float(value[after, column] - value[node, column])))
            node = after
        if trees.combine == "scores" and way:
            share = sign * float(value[node, column]) / len(way)
            way = [(asked, share) for asked, _ in way]
        found += way
    return found
