"""The images that an image is like, by what the model sees of them; and the neighbours that voted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from striate.classifier.heads.distances import nearest
from striate.classifier.heads.fitted import FittedModule
from striate.classifier.heads.neighbours import Neighbours
from striate.classifier.samples import shrunk
from striate.data.tensors import to_batch
from striate.explanation.index import ImageIndex
from striate.explanation.made_of import pixel_shape
from striate.explanation.subject import Subject
from striate.units import percent

SHOWN = 8
# An image further from its nearest than so many training images are from theirs is like none of them.
_ODD_SHARE = 0.95
# Up to this distance from the nearest it is that image, or a copy of it.
_SAME = 1e-3


@dataclass(frozen=True, eq=False)
class Similar:
    """An image that another one is like.

    Arguments:
        name: in its source; empty where it is not known.
        label: its class.
        distance: from the image that is explained.
        picture: uint8 (t, t', c); None where there is none.
    """

    name: str
    label: str
    distance: float
    picture: np.ndarray | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"image": self.name, "class": self.label, "distance": self.distance}


@dataclass(frozen=True, eq=False)
class SimilarImages:
    """The images nearest to one image, of those that it was compared with.

    Arguments:
        images: the nearest first.
        by: what they are compared by, in words.
        among: how many there were.
        origin: what they are, in words that follow a number.
        further: the share of them that are nearer to their nearest than this image is to its own.
    """

    images: tuple[Similar, ...]
    by: str
    among: int
    origin: str
    further: float

    def sentence(self, answer: str) -> str:
        """Return what they say of the answer, a class, in words."""
        count = sum(one.label == answer for one in self.images)
        said = f"{count} of the {len(self.images)} nearest of {self.among:,} {self.origin} are {answer}"
        if self.images[0].distance <= _SAME:
            said += "; the first is this image itself, or a copy of it"
        elif self.further >= _ODD_SHARE:
            said += ("; all are far: it is further from them than "
                     f"{percent(self.further, 0)} of them are from each other")  # fmt: skip
        return said + "."


def find_similar(subject: Subject, index: ImageIndex | None) -> SimilarImages | None:
    """Return the nearest of some images; None where there are none."""
    if index is None:
        return None
    block = next(iter(subject.model.outputs(subject.pixels[None], features=True)))
    seen = block.features.get("last")
    if index.features.shape[1] and seen is not None and seen.shape[1] == index.features.shape[1]:
        kept, own = index.features.astype(np.float32), seen.astype(np.float32)
        middle = kept.mean(0)
        kept, own = _directions(kept - middle), _directions(own - middle)
        by = "what the last layer gets, as directions from its mean"
    else:
        kept = index.thumbnails.reshape(len(index), -1).astype(np.float32) / 255
        own = shrunk(subject.pixels, index.thumbnails.shape[1:3]).reshape(1, -1).astype(np.float32) / 255
        kept, own = kept / kept.shape[1] ** 0.5, own / own.shape[1] ** 0.5
        by = "their pixels, as this model has no layer between these and its answer"
    away = np.sqrt(np.maximum(_squares(own, kept)[0], 0))
    among = _squares(kept, kept)
    np.fill_diagonal(among, np.inf)
    usual = np.sqrt(np.maximum(among.min(1), 0)) if len(kept) > 1 else np.zeros(0)
    order = np.argsort(away, kind="stable")[:SHOWN]
    further = float((usual < away[order[0]]).mean()) if len(usual) else 0.0
    images = [Similar(index.names[i], index.labels[i], float(away[i]), index.thumbnails[i]) for i in order.tolist()]
    return SimilarImages(tuple(images), by, len(kept), index.origin, further)


def find_voters(subject: Subject) -> tuple[Similar, ...]:
    """Return the neighbours that voted for the answer, the nearest first; none where the model has no such head."""
    model = subject.model
    module = model.module
    if not isinstance(module, FittedModule) or not isinstance(module.head, Neighbours):
        return ()
    head = module.head
    with torch.inference_mode():
        batch = to_batch(subject.pixels[None], head.vectors.device)
        query = module.selection(module.embed(model.preprocessing.normalise(batch)))
        found = nearest(query, head.vectors, min(head.k, SHOWN), head.metric)[0]
        others = head.vectors[found].float()
        order = 1 if head.metric == "l1" else 2
        distances = (others - query).norm(order, dim=1).cpu().numpy()
    shape = pixel_shape(module, model.preprocessing.input_shape)
    pictures: list[np.ndarray | None] = [None] * len(found)
    if shape and others.shape[1] == shape[0] * shape[1] * shape[2]:
        values = (others * module.selection.scale + module.selection.mean).reshape(-1, *shape).permute(0, 2, 3, 1)
        pictures = list(np.rint(values.cpu().numpy()).clip(0, 255).astype(np.uint8))
    present = module.present[head.labels[found]].tolist()
    return tuple(
        Similar("", model.classes[label], float(away), picture)
        for label, away, picture in zip(present, distances, pictures, strict=True)
    )


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the squared distances (n, m) of rows (n, d) and (m, d)."""
    return (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
