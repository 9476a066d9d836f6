"""The majority: the shares of the classes, whatever the image; what any method has to beat."""

from __future__ import annotations

import numpy as np
import torch

from striate.baselines.examples import Examples
from striate.classifier.heads.constant import Constant


def majority(examples: Examples) -> Constant:
    """The share of each class among the training images, whatever the image."""
    counts = np.bincount(examples.labels, minlength=examples.classes)
    return Constant(shares=torch.from_numpy(counts / counts.sum()).float())
