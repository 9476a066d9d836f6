"""Images as the points that a classifier tells apart: what its last layer, or its head, is given."""

from __future__ import annotations

import numpy as np
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.features import device_of
from striate.classifier.heads.fitted import Body, FittedModule
from striate.data.imageset import ImageSet
from striate.data.tensors import images_at_once, to_batch
from striate.observer import Progress, silent


def embed(model: Classifier, images: ImageSet, progress: Progress = silent, *, unit: bool = True) -> np.ndarray | None:
    """Return the features of images by which a classifier decides: float32 (n, d).

    None where nobody knows them: the model is a module of the user's own.

    Arguments:
        unit: whether to bring each image's to length 1.
    """
    module, device = model.module.eval(), device_of(model)
    if not isinstance(module, Body | FittedModule):
        return None
    parts, size = [], images_at_once(*model.preprocessing.size, device)
    with torch.inference_mode():
        for start in range(0, len(images), size):
            stop = min(start + size, len(images))
            pixels = model.preprocessing.normalise(to_batch(model.block(images, start, stop), device))
            features = module.embed(pixels)
            if isinstance(module, FittedModule):
                features = module.selection(features)
            features = torch.nn.functional.normalize(features.float(), dim=1) if unit else features.float()
            parts.append(features.cpu().numpy())
            progress("looking for the like", stop, len(images))
    return np.concatenate(parts) if parts else None
