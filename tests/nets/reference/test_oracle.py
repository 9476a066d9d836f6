"""The reference against torch and against finite differences, for every word of the notation and for small nets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from striate.nets import auxiliary_loss, make_module, parse, resolve
from striate.nets.graph import make_graph
from striate.nets.modules.module import state_arrays
from striate.nets.notation import STRUCTURES, WORDS
from striate.nets.reference.arithmetic import cross_entropy

LAYERS = [
    "conv(4, 3)",
    "conv(6, (3, 2), stride=(2, 1), pad=(1, 2))",
    "conv(6, 3, groups=3, bias=false)",
    "conv(4, 3, dilation=2, pad=2)",
    'conv(4, 3, stride=2, pad="same")',
    'conv(4, 4, stride=3, pad="same")',
    "depthwise(3, pad=1, multiplier=2)",
    "whiten(2)",
    'conv(2, 1) whiten(2, pad="same")',
    "maxpool(2)",
    "maxpool(3, 2, pad=1)",
    "maxpool(3, 2, pad=1, ceil=true)",
    'maxpool(3, 2, pad="same")',
    "avgpool(2)",
    "avgpool(3, 2, pad=1)",
    "avgpool(3, 2, pad=1, ceil=true)",
    'avgpool(3, 2, pad="same")',
    "globalavg",
    "globalmax",
    "subsample(2, 5)",
    "fc(4)",
    "flatten fc(4, bias=false)",
    "bn",
    "bn(gain=false)",
    "bn(bias=false, eps=0.1)",
    "ln",
    "fc(4) bn",
    "fc(4) ln",
    "lrn",
    "lrn(4, alpha=0.1)",
    "dropout(0)",
    "droppath(0)",
    "scale(0.3)",
    "layerscale(0.5)",
    "relu",
    "relu6",
    "leakyrelu(0.2)",
    "tanh",
    "sigmoid",
    "gelu",
    "silu",
    "step",
    "softmax tanh",
    "fc(4) softmax",
    "se(2)",
    "gate(conv(3, 1) sigmoid)",
    "gate(globalavg sigmoid)",
    "residual(conv(3, 3, pad=1) bn relu)",
    "residual(conv(3, 3, pad=1) ; conv(3, 1))",
    "concat(conv(2, 1) | conv(3, 3, pad=1) relu | )",
    "conv(2, 3) aux(fc(4) ; 0.5) relu fc(4)",
]
NETS = {
    "lenet": (1, 28, 28),
    "resnet20": (3, 16, 16),
    "squeezenet1_1(classes=5)": (3, 32, 32),
    "mobilenet_v2(width=0.25, classes=5, pad='same')": (3, 32, 32),
}


def random_module(sentence: str, shape: tuple[int, ...]) -> torch.nn.Module:
    """A float64 module with random numbers everywhere, in the biases and running statistics too."""
    module = make_module(resolve(sentence), shape, seed=1).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.float64)
            if name.endswith("running_var"):
                value.copy_(noise + 0.5)
            elif value.is_floating_point() and "weight" not in name:
                value.copy_(noise - 0.5)
    return module


def largest_difference(sentence: str, shape: tuple[int, ...], training: bool, count: int) -> float:
    """The largest difference between torch and the reference: loss, input gradient, parameter gradients."""
    module = random_module(sentence, shape).train(training)
    reference = resolve(sentence).reference(shape, weights=state_arrays(module))
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(count, *shape, generator=generator, dtype=torch.float64, requires_grad=True)
    output = module(images).flatten(1)
    labels = torch.randint(0, output.shape[1], (count,), generator=generator)
    loss = functional.cross_entropy(output, labels) + auxiliary_loss(module, labels)
    loss.backward()

    ours = reference.forward(images.detach().numpy(), training)
    if ours.ndim == 2:
        own_loss = reference.loss(images.detach().numpy(), labels.numpy(), training)
        at_input = reference.input_gradient
    else:
        own_loss, gradient = cross_entropy(ours.reshape(count, -1), labels.numpy())
        at_input = reference.backward(gradient.reshape(ours.shape))
    assert images.grad is not None
    given = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    assert set(reference.gradients) == set(given)
    differences = [abs(own_loss - loss.item()), np.abs(at_input - images.grad.numpy()).max()]
    differences += [np.abs(reference.gradients[name] - g.numpy()).max() for name, g in given.items()]
    return float(max(differences))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("sentence", LAYERS)
def test_layers_agree_with_torch(sentence: str, training: bool) -> None:
    assert largest_difference(sentence, (3, 9, 8), training, 3) < 1e-9


@pytest.mark.parametrize("sentence", NETS)
def test_small_nets_agree_with_torch(sentence: str) -> None:
    assert largest_difference(sentence, NETS[sentence], False, 2) < 1e-9
    if "dropout" not in str(resolve(sentence)):  # what is dropped differs
        assert largest_difference(sentence, NETS[sentence], True, 2) < 1e-9


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.nets.reference.arithmetic.softmax", lambda x: np.full(x.shape, 1 / x.shape[1]))
    assert largest_difference("fc(4)", (3, 9, 8), False, 3) > 1e-3


def test_every_word_is_compared() -> None:
    text = " ".join(LAYERS)
    assert not [word for word in (*WORDS, *STRUCTURES) if word not in text]


@pytest.mark.parametrize("sentence", [s for s in LAYERS if s != "step"])
def test_gradients_agree_with_finite_differences(sentence: str) -> None:
    net = parse(f"{sentence} fc(3)")
    reference = net.reference((3, 6, 5), seed=3)
    generator = np.random.default_rng(0)
    images, labels = generator.normal(size=(2, 3, 6, 5)), np.array([0, 2])
    training = "bn" in sentence
    reference.loss(images, labels, training)
    at_input, gradients = reference.input_gradient, dict(reference.gradients)
    step = 1e-6

    def slope(array: np.ndarray, place: tuple[int, ...]) -> float:
        before = array[place]
        losses = []
        for moved in (before + step, before - step):
            array[place] = moved
            losses.append(reference.loss(images, labels, training))
        array[place] = before
        return (losses[0] - losses[1]) / (2 * step)

    for array, gradient in [(images, at_input), *((reference.weights[name], g) for name, g in gradients.items())]:
        for _ in range(3):
            place = tuple(int(generator.integers(side)) for side in array.shape)
            assert slope(array, place) == pytest.approx(gradient[place], rel=1e-4, abs=1e-7)


def test_descent_agrees_with_torch() -> None:
    sentence, shape = "conv(4, 3) bn relu maxpool(2) fc(3)", (2, 8, 8)
    module = random_module(sentence, shape).train()
    reference = parse(sentence).reference(shape, weights=state_arrays(module))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    images, labels = torch.randn(6, *shape, dtype=torch.float64), torch.arange(6) % 3
    for _ in range(3):
        loss = functional.cross_entropy(module(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert reference.descend(images.numpy(), labels.numpy(), 0.1) == pytest.approx(loss.item(), abs=1e-9)
    for name, value in state_arrays(module).items():
        if name in reference.weights:
            assert np.abs(reference.weights[name] - value).max() < 1e-9


def test_dropout_keeps_the_mean_and_the_gradient_follows_the_mask() -> None:
    reference = parse("dropout(0.4)").reference((1000,), seed=0)
    out = reference.forward(np.ones((20, 1000)), training=True)
    assert out.mean() == pytest.approx(1, abs=0.02)
    assert set(np.unique(out)) == {0, 1 / 0.6}
    assert (reference.backward(np.ones_like(out)) == out).all()


def test_plan_is_what_both_sides_walk() -> None:
    graph = make_graph(parse("conv(2, 3) residual(relu)").chain, (1, 5, 5))
    assert [(node.path, node.inputs) for node in graph.nodes] == [("0", (-1,)), ("1.body.0", (0,)), ("1.add", (1, 0))]
