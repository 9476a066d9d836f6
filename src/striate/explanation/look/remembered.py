"""What models without layers keep: the examples of neighbours and support vectors, the pixels that trees ask for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from striate.classifier.classifier import Classifier
from striate.classifier.heads.constant import Constant
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.neighbours import Neighbours
from striate.classifier.heads.svm import Vectors
from striate.classifier.heads.trees import Trees
from striate.explanation.look.pictures import Gallery, LookPicture, brightness_picture, image_picture
from striate.explanation.look.weights import spread_out, template_shape

MOST_CLASSES, EXAMPLES = 30, 6


def head_galleries(model: Classifier, images: np.ndarray | None) -> tuple[list[Gallery], list[str]]:
    """Return what was fitted without layers as pictures, and in sentences what cannot be drawn.

    Arguments:
        images: uint8 (n, h, w, c) of the model's size, to see which pixels trees ask for; None where there are none.
    """
    module = model.module
    if not isinstance(module, FittedModule):
        return [], []
    head, shape = module.head, template_shape(model)
    if isinstance(head, Constant):
        return [], ["It says the same of every image: there is nothing in it to look at."]
    if shape is None:
        return [], [
            f"It is fitted to features of a net ({model.net}), not to pixels: what follows is that net's, and what the "
            "last step has learned of its features has no picture."
        ]
    if isinstance(head, Neighbours):
        return _kept(model, module, head, shape), []
    if isinstance(head, Vectors):
        return [_support(model, module, head, shape)], []
    return ([_asked(model, module, head, shape, images)], []) if isinstance(head, Trees) else ([], [])


def _pixels(model: Classifier, module: FittedModule, rows: Tensor, shape: tuple[int, int, int]) -> np.ndarray:
    """Return feature vectors (m, d) as images uint8 (m, h, w, c), unseen pixels black."""
    selected = rows.double() * module.selection.scale.double() + module.selection.mean.double()
    planes = spread_out(module, selected, shape)
    std, mean = (one.astype(np.float64) for one in (model.preprocessing.std, model.preprocessing.mean))
    # A mean image is of the size before squares were averaged; its channels' means will do for a picture.
    mean = mean.reshape(len(mean), -1).mean(1)
    pixels = planes * std[:, None, None] + mean[:, None, None]
    return np.rint(pixels.clip(0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)


def _kept(model: Classifier, module: FittedModule, head: Neighbours, shape: tuple[int, int, int]) -> list[Gallery]:
    labels, names = head.labels.cpu(), [model.classes[i] for i in module.present.tolist()]
    means, examples = [], []
    for label, name in enumerate(names[:MOST_CLASSES]):
        own = (labels == label).nonzero().flatten()
        if not len(own):
            continue
        mean = head.vectors[own].double().mean(0, keepdim=True)
        means.append(LookPicture(name, image_picture(_pixels(model, module, mean, shape)[0]), f"of {len(own):,}"))
        for i, pixels in zip(own.tolist(), _pixels(model, module, head.vectors[own[:EXAMPLES]], shape), strict=False):
            examples.append(LookPicture(name, image_picture(pixels), f"example {i}"))
    more = _more_classes(names)
    return [
        Gallery(
            "means", "The mean of what it keeps of each class",
            (f"It keeps {len(labels):,} images, and asks the {head.k} nearest by {head.metric.upper()}.", *more),
            tuple(means), len(names),
        ),
        Gallery(
            "examples", f"The first {EXAMPLES} that it keeps of each class",
            ("An image gets the class of the kept images whose pixels are nearest to its own.",),
            tuple(examples), len(labels),
        ),
    ]  # fmt: skip


def _support(model: Classifier, module: FittedModule, head: Vectors, shape: tuple[int, int, int]) -> Gallery:
    names, owner, size = [model.classes[i] for i in module.present.tolist()], head.owner.cpu(), head.dual.abs().sum(0)
    pictures = []
    for label, name in enumerate(names[:MOST_CLASSES]):
        own = (owner == label).nonzero().flatten()
        first = own[size.cpu()[own].argsort(descending=True, stable=True)][:EXAMPLES]
        for i, pixels in zip(first.tolist(), _pixels(model, module, head.vectors[first], shape), strict=True):
            pictures.append(LookPicture(name, image_picture(pixels), f"weight {float(size[i]):.3g}"))
    said = (
        f"It keeps {len(owner):,} images at the borders between classes; shown are those of each class that weigh most."
    )
    return Gallery(
        "support-vectors", "Support vectors", (said, *_more_classes(names)), tuple(pictures), len(owner)
    )  # fmt: skip


def _more_classes(names: Sequence[str]) -> tuple[str, ...]:
    return (f"The first {MOST_CLASSES} of {len(names):,} classes are shown.",) if len(names) > MOST_CLASSES else ()


def _asked(
    model: Classifier, module: FittedModule, head: Trees, shape: tuple[int, int, int], images: np.ndarray | None
) -> Gallery:
    if images is None or not len(images):
        inner = head.left != torch.arange(len(head.left), dtype=head.left.dtype)
        counts = torch.bincount(head.feature[inner].long(), minlength=len(module.selection.columns)).double()
        said = "How many questions of its trees are about each pixel; brighter is more."
    else:
        counts = asked_counts(model, module, head, images)
        said = (
            f"How often its trees asked for each pixel while they looked at {len(images):,} images; brighter is more."
        )
    picture = brightness_picture(spread_out(module, counts[None], shape)[0].sum(0))
    never = int((counts == 0).sum())
    told = f"It has {len(head.roots):,} trees; {never:,} of the {len(counts):,} pixel values were never asked for."
    detail = (
        f"at most {float(counts.max()):.3g} times {'an image' if images is not None and len(images) else ''}".strip()
    )
    return Gallery(
        "pixels", "The pixels that its trees ask for", (said, told), (LookPicture("asked", picture, detail),), 1
    )


def asked_counts(model: Classifier, module: FittedModule, head: Trees, images: np.ndarray) -> Tensor:
    """Return float64 (d,): how often, by image, the trees' questions are about each of the selected features."""
    from striate.data.tensors import to_batch

    counts = torch.zeros(len(module.selection.columns), dtype=torch.float64)
    for start in range(0, len(images), 64):
        batch = model.preprocessing.normalise(to_batch(images[start : start + 64]))
        with torch.inference_mode():
            features = module.selection(module.embed(batch))
            node = head.roots.long().expand(len(features), -1)
            for _ in range(head.depth):
                asked = head.feature[node].long()
                inner = head.left[node].long() != node
                counts += torch.bincount(asked[inner], minlength=len(counts)).double()
                goes_left = features.gather(1, asked) <= head.threshold[node]
                node = torch.where(goes_left, head.left[node].long(), head.right[node].long())
    return counts / len(images)
