"""What the first part of a run does otherwise: small images, and the whitening's bias."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import striate
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.selection.fit import run_one
from striate.training.engine.resizing import shrink, size_at
from striate.training.engine.state import State
from striate.training.recipe import Recipe

sides = st.integers(1, 40)


@given(sides, sides, st.data())
def test_a_pixel_is_the_mean_of_its_area(height, width, data):
    size = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(height * width))
    images = images.contiguous(memory_format=torch.channels_last)
    small = shrink(images, size)
    assert small.shape == (2, 3, *size)
    assert small.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(small.mean((2, 3)), images.mean((2, 3)))
    # Enlarged by whole factors and averaged over whole blocks: the same areas, without fractions.
    large = images.repeat_interleave(size[0], 2).repeat_interleave(size[1], 3)
    torch.testing.assert_close(small, F.avg_pool2d(large.double(), (height, width)).float())


@given(sides, st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_images_are_small_first_and_whole_last(side, until, share, done):
    recipe = Recipe(small_until=until, small_side=share)
    height, width = size_at(recipe, (side, 2 * side), done)
    if done >= until:
        assert (height, width) == (side, 2 * side)
    else:
        assert 1 <= height <= side
        assert abs(height - share * side) <= 1
        assert abs(width - 2 * share * side) <= 1


class Seen(torch.nn.Module):
    """Notes the size of what it is trained on."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(1, 10)
        self.steps = []

    def forward(self, images):
        if self.training:
            self.steps.append(tuple(images.shape[2:]))
        return self.head(images.mean((2, 3)))

    def __deepcopy__(self, memo):
        copy = Seen()
        copy.load_state_dict(self.state_dict())
        copy.steps = self.steps
        return copy


def test_the_first_share_of_the_steps_is_on_small_images():
    module = Seen()
    recipe = {"epochs": 2, "batch_size": 144, "small_until": 0.7, "small_side": 0.5, "precision": "float32"}
    result = run_one("digits", module, recipe)
    steps = 2 * -(-result.classifier.provenance.splits["train"] // 144)
    small = sum((i + 0.5) / steps < 0.7 for i in range(steps))
    assert module.steps == [(4, 4)] * small + [(8, 8)] * (steps - small)
    assert 0 < small < steps


def test_patience_waits_for_whole_images():
    recipe = Recipe(epochs=10, small_until=0.45, patience=3)
    states = {epoch: State(epoch=epoch, best={"epoch": 1}) for epoch in (4, 7, 8)}
    assert {epoch: state.finished(recipe) for epoch, state in states.items()} == {4: False, 7: False, 8: True}
    assert states[4].finished(recipe.replace(small_until=0.0))


def test_what_validation_is_worth_meanwhile_is_said():
    said = []

    class Listener(Observer):
        note = staticmethod(said.append)

    net = "conv(4, 3) relu globalavg fc(classes)"
    run_one("digits", net, {"epochs": 1, "small_until": 0.5, "small_side": 0.5}, observer=Listener())
    assert [text for text in said if text.startswith("the first 50 % of the run trains on images of 4×4 pixels")]


def test_whitening_learns_in_the_first_share_of_the_steps_alone():
    net, recipe = "whiten(2) gelu conv(8, 3) relu globalavg fc(classes)", {"epochs": 2, "precision": "float32"}
    biases = {
        until: run_one("digits", net, recipe, whiten_until=until).classifier.module.layer("0").bias.detach()
        for until in (0.0, 0.1, 1.0)
    }
    assert not biases[0.0].any()
    assert biases[0.1].any()
    assert not torch.equal(biases[0.1], biases[1.0])


@pytest.mark.parametrize("net", ["conv(4, 3) relu fc(classes)", "conv(4, 5) relu globalavg fc(classes)"])
def test_a_net_that_cannot_take_them_is_refused_with_the_way_out(net):
    with pytest.raises(ArgumentError, match=r"small_until = 0.5 trains on images of 4×4 pixels at first.*globalmax"):
        striate.train("digits", net, epochs=1, small_until=0.5, small_side=0.5)


def test_a_side_of_nothing_is_one_pixel_and_a_share_above_one_is_refused():
    assert size_at(Recipe(small_until=1.0, small_side=0.0), (32, 32), 0.5) == (1, 1)
    with pytest.raises(ArgumentError, match=r"small_side must be from 0 to 1"):
        Recipe(small_side=1.5)
