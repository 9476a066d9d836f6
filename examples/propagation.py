"""Forward, A(i+1) = f(A(i)·W(i)) with a column of ones for biases; backward, the chain rule on e = (a - b)·c."""

import numpy as np

from striate.nets import parse

# Forward: the layers by hand, with the biases as the last row of W, beside the net that a sentence says.
net = parse("fc(5) sigmoid fc(3) sigmoid fc(2) sigmoid").reference((4,), seed=1)
a = np.random.default_rng(0).normal(size=(1, 4))
by_hand = a
for layer in ("0", "2", "4"):
    weights = np.vstack([net.weights[f"{layer}.weight"].T, net.weights[f"{layer}.bias"]])
    with_bias = np.hstack([by_hand, [[1.0]]])
    by_hand = 1 / (1 + np.exp(-with_bias @ weights))
    print(f"A {with_bias.shape} · W {weights.shape} → {by_hand.shape}")
print("by hand ", by_hand.round(6), "\nthe net ", net.forward(a).round(6))

# Backward: d = a - b, then e = d·c; c stands as the weight of a second unit.
a, b, c = 5.0, 2.0, 4.0
chain = parse("fc(1, bias=false) fc(1, bias=false)").reference((2,), weights={"0.weight": [[1, -1]], "1.weight": [[c]]})
e = chain.forward([[a, b]])
at_input = chain.backward([[1.0]])
print(f"\ne = (a - b)·c = {e.item():g}")
at_c = chain.gradients["1.weight"].item()
print(f"de/da = c = {at_input[0, 0]:g}, de/db = -c = {at_input[0, 1]:g}, de/dc = a - b = {at_c:g}")

# A value used twice sums its two gradients: x + 3x.
twice = parse("residual(scale(3))").reference((1,))
twice.forward([[7.0]])
print(f"d(x + 3x)/dx = 1 + 3 = {twice.backward([[1.0]]).item():g}")
