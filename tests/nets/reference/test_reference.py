"""The reference as a thing to look into: neurons, traces, descent, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from striate.errors import ArgumentError, ShapeError
from striate.nets import parse

TABLE = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("weights", "bias", "truth"),
    [
        ([1, 1], -1.5, [0, 0, 0, 1]),
        ([1, 1], -1.01, [0, 0, 0, 1]),
        ([1, 1], -1.99, [0, 0, 0, 1]),
        ([1, 1], -0.5, [0, 1, 1, 1]),
        ([-1, -1], 0.5, [1, 0, 0, 0]),
        ([-2, 0], 1, [1, 1, 0, 0]),
    ],
)
def test_a_neuron_is_a_truth_table(weights: list[float], bias: float, truth: list[int]) -> None:
    unit = parse("fc(1) step").reference((2,), weights={"0.weight": [weights], "0.bias": [bias]})
    assert unit.forward(TABLE).ravel().tolist() == truth


def test_a_value_used_twice_sums_its_gradients() -> None:
    reference = parse("residual(scale(3))").reference((2,))
    reference.forward([[1, 2]])
    assert reference.backward([[1, 10]]).tolist() == [[4, 40]]


def test_a_saturated_sigmoid_hands_on_no_gradient() -> None:
    reference = parse("sigmoid").reference((3,))
    reference.forward([[0, 10, -800]])
    gradient = reference.backward([[1, 1, 1]])[0]
    assert gradient[0] == 0.25
    assert gradient[1] < 1e-4
    assert gradient[2] == 0


@pytest.mark.parametrize(
    "sentence",
    [
        "conv(4, 3, stride=2, pad=1)",
        "conv(4, 3, groups=2)",
        "conv(4, 3, dilation=2, pad=2)",
        'conv(4, 4, stride=3, pad="same")',
        "depthwise(3, multiplier=2)",
        "whiten(2)",
        "fc(4)",
        "fc(4, bias=false)",
    ],
)
def test_a_trace_has_the_terms_of_a_value(sentence: str) -> None:
    reference = parse(sentence).reference((2, 7, 8), seed=1)
    if "0.bias" in reference.weights:
        reference.weights["0.bias"] = np.arange(len(reference.weights["0.bias"])) / 7
    values = reference.forward(np.random.default_rng(0).normal(size=(2, 2, 7, 8)))
    shape = values.shape[1:]
    for position in [tuple(0 for _ in shape), tuple(side - 1 for side in shape)]:
        trace = reference.trace("0", position, image=1)
        assert trace.products is not None
        assert trace.sum + trace.bias == pytest.approx(trace.value)
        assert trace.value == values[(1, *position)]
        assert "bias" in str(trace)


def test_traces_of_layers_without_a_kernel() -> None:
    images = np.arange(32.0).reshape(1, 2, 4, 4)
    reference = parse("maxpool(2) relu globalavg").reference((2, 4, 4))
    reference.forward(images)
    assert reference.trace("0", (1, 0, 1)).patch.tolist() == [[18, 19], [22, 23]]
    assert reference.trace("0", (1, 0, 1)).corner == (0, 2)
    assert reference.trace("1", (1, 0, 1)).patch.tolist() == [23]
    assert reference.trace("2", (0, 0, 0)).patch.tolist() == [[5, 7], [13, 15]]


def test_traces_of_sums_gates_and_joined_branches_have_every_term() -> None:
    images = np.arange(8.0).reshape(1, 2, 2, 2)
    reference = parse("residual(scale(3)) gate(globalavg) concat(scale(2) | )").reference((2, 2, 2))
    reference.forward(images)
    assert reference.trace("0.add", (1, 0, 1)).patch.tolist() == [15, 5]
    assert reference.trace("1.multiply", (0, 1, 1)).patch.tolist() == [12, 6]
    assert reference.trace("2.join", (0, 1, 1)).patch.tolist() == [144]
    assert reference.trace("2.join", (2, 1, 1)).patch.tolist() == [72]


def test_every_intermediate_value_and_gradient_can_be_asked_for() -> None:
    reference = parse("body: [conv(2, 3) relu] head: fc(3)").reference((1, 5, 5))
    reference.loss(np.ones((2, 1, 5, 5)), [0, 1])
    assert {path: value.shape for path, value in reference.values.items()} == {
        "body.0": (2, 2, 3, 3),
        "body.1": (2, 2, 3, 3),
        "head": (2, 3),
    }
    assert reference.value_gradients.keys() == reference.values.keys()
    assert reference.gradients.keys() == reference.weights.keys()
    assert reference.probabilities(np.ones((2, 1, 5, 5))).sum(1) == pytest.approx(1)


def test_refusals() -> None:
    net = parse("fc(3)")
    reference = net.reference((2,))
    with pytest.raises(ShapeError, match=r"batches of 2; got an array of shape \(1, 3\)"):
        reference.forward([[1, 2, 3]])
    with pytest.raises(ShapeError, match=r"takes batches of 2; got an array of shape \(0, 2\)"):
        reference.forward(np.zeros((0, 2)))
    with pytest.raises(ArgumentError, match="call forward first"):
        reference.trace("0", (0,))
    with pytest.raises(ArgumentError, match="call forward first"):
        reference.backward([[1, 0, 0]])
    reference.forward([[1, 2]])
    with pytest.raises(ShapeError, match=r"the output's shape, \(1, 3\); got \(1, 2\)"):
        reference.backward([[1, 0]])
    for labels in ([3], [-1], [0, 1], [0.5], "a"):
        with pytest.raises(ArgumentError, match="labels must be 1 whole numbers from 0 to 2, one an image"):
            reference.loss([[1, 2]], labels)
    with pytest.raises(ShapeError, match=r"has 3 values for each of 1 images; got \(3,\) of image 0"):
        reference.trace("0", (3,))
    with pytest.raises(ArgumentError, match="no layer has the path '1'"):
        reference.trace("1", (0,))
    with pytest.raises(ArgumentError, match=r"missing: \['0.bias'\], spare: \['1.bias'\]"):
        net.reference((2,), weights={"0.weight": np.zeros((3, 2)), "1.bias": 0})
    with pytest.raises(ShapeError, match=r"0.bias must have the shape \(3,\); got \(2,\)"):
        net.reference((2,), weights={"0.weight": np.zeros((3, 2)), "0.bias": [0, 0]})


def test_the_same_seed_gives_the_same_weights() -> None:
    net = parse("conv(4, 3) relu fc(3)")
    one, same, other = (net.reference((1, 6, 6), seed=seed).weights["0.weight"] for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).all()
