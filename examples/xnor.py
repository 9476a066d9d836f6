"""XNOR takes several layers: two nets with weights set by hand, and one that learns it from random weights.

`python xnor.py FOLDER` draws there where each net says 1.
"""

import itertools
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from striate.nets import parse

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XNOR = np.array([1, 0, 0, 1])


def show(name: str, outputs: np.ndarray) -> None:
    """Print a truth table in one line."""
    print(f"{name:<52}", *(int(a) for a in outputs))


# No single neuron: a step cuts the plane once, and no cut has (0,0) and (1,1) on one side, the others on the other.
places = np.arange(-2, 2.25, 0.25)
found = 0
for w1, w2, bias in itertools.product(places, places, places):
    neuron = parse("fc(1) step").reference((2,), weights={"0.weight": [[w1, w2]], "0.bias": [bias]})
    found += np.array_equal(neuron.forward(INPUTS).ravel(), XNOR)
print(f"single neurons that are XNOR, of {len(places) ** 3:,}: {found}\n")

# Case 1: OR(AND(A, B), A'B'), one hidden layer.
case_1 = parse("fc(2) step fc(1) step").reference(
    (2,),
    weights={"0.weight": [[1, 1], [-1, -1]], "0.bias": [-1.5, 0.5], "2.weight": [[1, 1]], "2.bias": [-0.5]},
)
show("OR(AND(A, B), A'B')", case_1.forward(INPUTS).ravel())

# Case 2: NOT((A + B)·(A' + B')), three hidden layers, units a1 to a8.
case_2 = parse("[fc(4) step] [fc(2) step] [fc(1) step] [fc(1) step]").reference(
    (2,),
    weights={
        "0.0.weight": [[1, 0], [0, 1], [-1, 0], [0, -1]],  # a1 = A, a2 = B, a3 = A', a4 = B'
        "0.0.bias": [-0.5, -0.5, 0.5, 0.5],
        "1.0.weight": [[1, 1, 0, 0], [0, 0, 1, 1]],  # a5 = a1 OR a2, a6 = a3 OR a4
        "1.0.bias": [-0.5, -0.5],
        "2.0.weight": [[1, 1]],  # a7 = a5 AND a6
        "2.0.bias": [-1.5],
        "3.0.weight": [[-2]],  # a8 = NOT a7
        "3.0.bias": [1],
    },
)
show("NOT((A + B)·(A' + B'))", case_2.forward(INPUTS).ravel())

# Learned: architecture, random weights, forward, error, backward, update.
net = parse("fc(4) tanh fc(2) softmax")  # 1. the architecture
learner = net.reference((2,), seed=0)  # 2. random weights
show("with random weights", learner.forward(INPUTS).argmax(1))
for step in range(201):
    error = learner.loss(INPUTS, XNOR)  # 3. forward, 4. the error, 5. backward
    for name, gradient in learner.gradients.items():  # 6. the update
        learner.weights[name] = learner.weights[name] - 0.5 * gradient
    if step % 100 == 0:
        print(f"  step {step:3}: error {error:.4f}")
show("learned", learner.forward(INPUTS).argmax(1))

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    between = np.linspace(-0.3, 1.3, 161)
    plane = np.stack(np.meshgrid(between, between), -1).reshape(-1, 2)
    answers = {
        "OR(AND(A, B), A'B')": case_1.forward(plane),
        "NOT((A + B)·(A' + B'))": case_2.forward(plane),
        "learned": learner.probabilities(plane)[:, 1],
    }
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), sharey=True, layout="constrained")
    for axis, (name, ones) in zip(axes, answers.items(), strict=True):
        axis.imshow(
            ones.reshape(161, 161), cmap="Blues", origin="lower", extent=(-0.3, 1.3, -0.3, 1.3), vmin=0, vmax=1.4
        )
        for (a, b), truth in zip(INPUTS, XNOR, strict=True):
            axis.text(a, b, truth, ha="center", va="center")
        axis.set(title=name, xlabel="A", xticks=[0, 1], yticks=[0, 1])
    axes[0].set_ylabel("B")
    figure.savefig(folder / "where-each-net-says-1.png", dpi=80)
