"""The drawback of comparing pixels: an image shifted by a pixel is further from itself than from other digits.

`python shift.py FOLDER` draws one of them there.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import striate

data = striate.prepare(striate.read("digits"))
images, labels = data.images[..., 0].astype(int), data.labels
first, first_labels = images[:200], labels[:200]
distances = np.abs(images[:, None] - first).sum((2, 3))  # L1, of all images from the first 200
other = labels[:, None] != first_labels
print(f"two images of one digit     {np.median(distances[~other]):6,.0f} apart (median)")
print(f"of two digits               {np.median(distances[other]):6,.0f}")
for pixels in (1, 2):
    shifted = np.zeros_like(first)
    shifted[:, :, pixels:] = first[:, :, :-pixels]
    moved = np.abs(shifted - first).sum((1, 2))
    nearer = (np.where(other, distances, moved.max()).min(0) < moved).mean()
    print(f"an image and itself shifted {np.median(moved):6,.0f} by {pixels}; another digit is nearer for {nearer:.0%}")

training = np.arange(len(images)) % 3 > 0
catalog = striate.read((data.images[training], labels[training]))
model = striate.train(catalog, net='neighbours(k=3, metric="l1")', ratios=(1, 0, 0))
test, truth = data.images[~training], labels[~training]
for pixels in (0, 1, 2):
    shifted = np.zeros_like(test)
    shifted[:, :, pixels:] = test[:, :, : test.shape[2] - pixels]
    right = (model.predict_proba(shifted).argmax(1) == truth).mean()
    print(f"3 nearest neighbours, test images shifted by {pixels}: {right:.1%} right")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    one, moved = first[3], np.zeros_like(first[3])
    moved[:, 1:] = one[:, :-1]
    nearest = images[np.where(other[:, 3], distances[:, 3], distances.max() + 1).argmin()]
    figure, axes = plt.subplots(1, 3, figsize=(6, 2.4), layout="constrained")
    for axis, image, title in zip(
        axes, (one, moved, nearest), ("an image", "shifted by 1", "another digit"), strict=True
    ):
        axis.imshow(image, cmap="gray")
        axis.set(xticks=[], yticks=[], title=title, xlabel=f"{np.abs(image - one).sum():,} away")
    figure.savefig(folder / "an-image-itself-shifted-and-another-digit-that-is-nearer.png", dpi=80)
