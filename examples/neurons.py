"""One neuron: a = f(w·x + b) with a step for f, its weights set by hand, is AND, OR, NOT or neither."""

from striate.nets import parse

NEURON = parse("fc(1) step")
GATES = {
    "A AND B     f(-1.5 + A + B)": ([1, 1], -1.5),
    "A OR B      f(-0.5 + A + B)": ([1, 1], -0.5),
    "NOT A       f(1 - 2A)": ([-2, 0], 1),
    "A'B'        f(0.5 - A - B)": ([-1, -1], 0.5),
}
INPUTS = [[0, 0], [0, 1], [1, 0], [1, 1]]

print(f"{'A B':<28}", *(f"{a}{b}" for a, b in INPUTS))
for name, (weights, bias) in GATES.items():
    neuron = NEURON.reference((2,), weights={"0.weight": [weights], "0.bias": [bias]})
    print(f"{name:<28}", *(f"{int(a):2}" for a in neuron.forward(INPUTS).ravel()))

print("\nEvery bias between -2 and -1 makes AND; others do not:")
for bias in (-1.99, -1.5, -1.01, -0.9, -2.1):
    neuron = NEURON.reference((2,), weights={"0.weight": [[1, 1]], "0.bias": [bias]})
    print(f"{bias:6}", *(int(a) for a in neuron.forward(INPUTS).ravel()))

neuron.forward(INPUTS)
print("\nWhere the last output comes from:", neuron.trace("0", (0,), image=3), sep="\n")
