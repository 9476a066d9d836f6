"""Activations: what they do to a value and to a gradient, and how many ReLU units of a trained net are dead.

`python activations.py FOLDER` draws the curves there.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from striate.nets import parse

values = np.array([-10.0, -2, -0.5, 0, 0.5, 2, 10])
print(f"{'x':<16}", *(f"{x:9.4g}" for x in values))
for word in ("step", "sigmoid", "tanh", "relu", "leakyrelu(0.1)", "softmax scale(1)"):  # a last softmax is the loss's
    unit = parse(word).reference((len(values),))
    print(f"{word:<16}", *(f"{y:9.4g}" for y in unit.forward(values[None])[0]))
    if "softmax" not in word:
        print(f"{'  its gradient':<16}", *(f"{g:9.2g}" for g in unit.backward(np.ones((1, len(values))))[0]))

# Far from 0 a sigmoid hands back almost nothing; ten of them in a row even less.
deep = parse("[sigmoid]*10").reference((1,))
deep.forward([[2.0]])
print(f"\nthrough ten sigmoids the gradient is {deep.backward([[1.0]]).item():.2g}")

# Dead units are zero for every image; 10 to 20 % are often quoted. Here a few are dead from the start and too large
# a learning rate kills many: at 1.0 the net still learns, at 1.5 it does not.
digits = load_digits()
images, labels = digits.data[:600] / 8 - 1, digits.target[:600]
for rate in (0.0, 0.4, 1.0, 1.5):
    net = parse("[fc(100) relu]*2 fc(10)").reference((64,), seed=0)
    for _ in range(60):
        net.descend(images, labels, rate)
    accuracy = (net.forward(images).argmax(1) == labels).mean()
    dead = [100 * (net.values[path] == 0).all(0).mean() for path in ("0.0.1", "0.1.1")]
    shares = ", ".join(f"{share:.0f} %" for share in dead)
    print(f"learning rate {rate}: dead units {shares}; {100 * accuracy:.1f} % of the digits learned")

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    x = np.linspace(-6, 6, 241)
    figure, axes = plt.subplots(1, 4, figsize=(10, 2.5), layout="constrained")
    for axis, word in zip(axes, ("sigmoid", "tanh", "relu", "leakyrelu(0.1)"), strict=True):
        unit = parse(word).reference((len(x),))
        axis.plot(x, unit.forward(x[None])[0], label="value")
        axis.plot(x, unit.backward(np.ones((1, len(x))))[0], "--", label="gradient")
        axis.set(title=word, ylim=(-1.2, 1.8), xlabel="x")
    axes[0].legend(loc="upper left")
    figure.savefig(folder / "activations-and-their-gradients.png", dpi=80)
