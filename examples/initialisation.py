"""Initialisation: how the spread of activations changes through ten layers, and why zeros do not train."""

import numpy as np

from striate.nets import parse

images = np.random.default_rng(0).normal(size=(500, 300)).astype(np.float32)
print("standard deviation of the activations after layers 1, 4, 7 and 10")
for activation in ("tanh", "relu"):
    net = parse(f"[fc(300) {activation}]*10")
    for init in ("zeros", "gaussian(0.01)", "gaussian(1)", "xavier", "he", "orthogonal"):
        rows = net.spread(images, init=init).layers[1::2]
        print(f"{activation:<5} {init:<15}", *(f"{rows[i].std:10.2g}" for i in (0, 3, 6, 9)))

print("\nall units of a layer that starts at zero stay equal")
labels = (images[:, 0] > 0).astype(int)
for init in ("zeros", "xavier"):
    net = parse("fc(8) tanh fc(2)").reference((300,), init=init)
    for _ in range(50):
        loss = net.descend(images, labels, 0.5)
    units = len(np.unique(net.weights["0.weight"].round(12), axis=0))
    print(f"{init:<7} different units: {units}, loss {loss:.3f}")
