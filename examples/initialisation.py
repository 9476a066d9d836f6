"""Initialisation: how the spread of activations changes through ten layers, and why zeros do not train.

`python initialisation.py FOLDER` draws it there.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from striate.nets import parse

images = np.random.default_rng(0).normal(size=(500, 300)).astype(np.float32)
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
print("standard deviation of the activations after layers 1, 4, 7 and 10")
for axis, activation in zip(axes, ("tanh", "relu"), strict=True):
    net = parse(f"[fc(300) {activation}]*10")
    for init in ("zeros", "gaussian(0.01)", "gaussian(1)", "xavier", "he", "orthogonal"):
        rows = net.spread(images, init=init).layers[1::2]
        print(f"{activation:<5} {init:<15}", *(f"{rows[i].std:10.2g}" for i in (0, 3, 6, 9)))
        if init != "zeros":
            axis.semilogy(range(1, 11), [row.std for row in rows], marker=".", label=init)
    axis.set(title=activation, xlabel="layer", ylim=(1e-4, 1e3))

print("\nall units of a layer that starts at zero stay equal")
labels = (images[:, 0] > 0).astype(int)
for init in ("zeros", "xavier"):
    net = parse("fc(8) tanh fc(2)").reference((300,), init=init)
    for _ in range(50):
        loss = net.descend(images, labels, 0.5)
    units = len(np.unique(net.weights["0.weight"].round(12), axis=0))
    print(f"{init:<7} different units: {units}, loss {loss:.3f}")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    axes[0].set_ylabel("standard deviation")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(folder / "spread-of-the-activations-layer-by-layer.png", dpi=80)
