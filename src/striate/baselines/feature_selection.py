"""Which features are worth keeping, and bringing them to one scale."""

from __future__ import annotations

import numpy as np
import torch

from striate.classifier.heads.fitted import Selection
from striate.observer import Observer

SAME = 0.999  # two features whose correlation is beyond this, in either direction, say the same
_ROWS, _FEWEST_ROWS = 5_000, 20  # images that tell correlations; among fewer, features agree by chance
_MOST_COLUMNS = 8_192  # whose correlations, one with each, fit into memory


def choose_features(features: np.ndarray, observer: Observer, seed: int = 0) -> Selection:
    """Return the selection that drops constant and redundant features and scales the others to mean 0 and deviation 1.

    A feature is redundant if it is a duplicate, mirrored or not, of an earlier one that is kept: |correlation| > 0.999.

    Arguments:
        features: uint8 or float32 (n, d), of the training images.
        observer: hears how many are dropped.
        seed: chooses the images that tell the correlations, if there are many.
    """
    # In blocks, so that uint8 pixels need not all be floats at once.
    blocks = [slice(i, i + 4096) for i in range(0, len(features), 4096)]
    mean, squares = np.zeros(features.shape[1]), np.zeros(features.shape[1])
    for block in blocks:
        mean += features[block].sum(0, dtype=np.float64) / len(features)
    for block in blocks:
        squares += ((features[block] - mean) ** 2).sum(0)
    deviation = np.sqrt(squares / len(features))
    varies = np.flatnonzero(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-3))
    kept = varies[_not_redundant(features, varies, seed)] if len(varies) else np.arange(1)
    left_out = {"constant": features.shape[1] - len(varies), "the same as another": len(varies) - len(kept)}
    if told := ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count):
        observer.note(f"features: {len(kept):,} of {features.shape[1]:,} kept; left out: {told}")
    scale = np.where(deviation[kept] > 0, deviation[kept], 1.0)
    return Selection(torch.from_numpy(kept), torch.from_numpy(mean[kept]).float(), torch.from_numpy(scale).float())


def _not_redundant(features: np.ndarray, columns: np.ndarray, seed: int) -> np.ndarray:
    """Return which of `columns`, as places in it, correlate with no earlier one that is kept."""
    if len(features) < _FEWEST_ROWS or len(columns) > _MOST_COLUMNS:
        return np.arange(len(columns))
    rows = np.arange(len(features))
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng([seed, _ROWS]).choice(len(rows), _ROWS, replace=False))
    sample = torch.from_numpy(features[rows][:, columns]).float()
    sample -= sample.mean(0)
    sample /= sample.norm(dim=0).clamp_min(1e-12)
    same = np.triu((sample.T @ sample).abs().numpy() > SAME, 1)
    keep = np.ones(len(columns), bool)
    for later in np.flatnonzero(same.any(0)):
        keep[later] = not (same[:, later] & keep).any()
    return np.flatnonzero(keep)
