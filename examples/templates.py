"""A linear classifier on pixels sees by templates: its weights are one picture a class, a score a sum of products.

`python templates.py FOLDER` draws them there.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import striate
from striate.nets import parse

data = striate.prepare(striate.read("digits"), size=(8, 8))
images = data.images[..., 0].astype(float)[:, None] / 127.5 - 1  # (n, 1, 8, 8) from −1, black, to 1
training = np.arange(len(images)) % 3 > 0
net = parse("fc(10)").reference((1, 8, 8), init="zeros")
for step in range(301):
    loss = net.descend(images[training], data.labels[training], rate=0.05)
    if step % 100 == 0:
        right = net.forward(images[~training]).argmax(1) == data.labels[~training]
        print(f"step {step:3}: loss {loss:.3f}, {right.mean():.1%} of {len(right)} other images right")

templates = net.weights["0.weight"].reshape(10, 8, 8)
first = images[~training][0]
scores = net.forward(first[None])[0]
by_hand = (templates * first[0]).sum((1, 2)) + net.weights["0.bias"]
print(f"\na {data.labels[~training][0]}: its pixels times each template, summed, plus the bias")
print("class   ", *(f"{k:7}" for k in range(10)))
print("score   ", *(f"{score:7.2f}" for score in by_hand))
print("the same from the net:", np.allclose(scores, by_hand))

# One template has to serve every way of writing a digit: it is close to the mean of its class, less that of the others.
means = np.stack([images[training][data.labels[training] == k].mean(0)[0] for k in range(10)])
alike = [np.corrcoef(t.ravel(), (m - means.mean(0)).ravel())[0, 1] for t, m in zip(templates, means, strict=True)]
print("\ncorrelation of each template with its class' mean, less the mean of all")
print("        ", *(f"{r:7.2f}" for r in alike))

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fig, axes = plt.subplots(2, 10, figsize=(10, 2.3), layout="constrained")
    most = np.abs(templates).max()
    for k in range(10):
        axes[0, k].imshow(means[k], cmap="gray")
        axes[1, k].imshow(templates[k], cmap="RdBu_r", vmin=-most, vmax=most)
        for each in axes[:, k]:
            each.set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("mean")
    axes[1, 0].set_ylabel("template")
    fig.savefig(folder / "the-mean-of-each-class-and-its-template.png", dpi=80)
