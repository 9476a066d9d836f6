"""Initial weights: as the rules say, by activation, the same as the reference's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from striate.errors import ArgumentError
from striate.nets import make_module, parse


class TestInitialisations:
    net = parse("conv(64, 3, pad=1) relu conv(64, 3, pad=1) relu fc(10)")

    def weights(self, init: str | None, seed: int = 0) -> dict[str, torch.Tensor]:
        module = make_module(self.net, (16, 8, 8), seed, init)
        return {name: value.detach() for name, value in module.named_parameters()}

    @pytest.mark.parametrize(
        ("init", "spread"),
        [
            ("zeros", 0),
            ("gaussian(0.01)", 0.01),
            ("xavier", 576**-0.5),
            ("he", (2 / 576) ** 0.5),
            (None, (2 / 576) ** 0.5),
        ],
    )
    def test_spread_of_the_weights(self, init: str | None, spread: float) -> None:
        assert self.weights(init)["2.weight"].std().item() == pytest.approx(spread, rel=0.02)

    def test_the_choice_by_activation(self) -> None:
        assert self.weights(None)["4.weight"].std().item() == pytest.approx(4096**-0.5, rel=0.02)

    def test_orthogonal(self) -> None:
        rows = self.weights("orthogonal")["4.weight"]
        assert torch.allclose(rows @ rows.T, torch.eye(10), atol=1e-5)

    @pytest.mark.parametrize("groups", [1, 4])
    def test_dirac_hands_channels_on(self, groups: int) -> None:
        module = make_module(parse(f"conv(32, 3, pad=1, groups={groups}, init='dirac')"), (16, 6, 6))
        images = torch.randn(2, 16, 6, 6)
        out = module(images).unflatten(1, (groups, -1))[:, :, : 16 // groups].flatten(1, 2)
        assert torch.allclose(out, images, atol=1e-6)

    @pytest.mark.parametrize("init", ["zeros", "xavier", "he", "orthogonal", "dirac", "gaussian(0.1)"])
    def test_the_reference_follows_the_same_rules(self, init: str) -> None:
        ours = self.net.reference((16, 8, 8), init=init).weights
        for name, value in self.weights(init).items():
            assert ours[name].shape == value.shape
            assert ours[name].std() == pytest.approx(value.std().item(), rel=0.05, abs=1e-9)

    def test_a_layer_s_own_goes_first(self) -> None:
        module = make_module(parse('fc(50, init="zeros") relu fc(50)'), (50,), init="xavier")
        assert module.layer("0").weight.abs().sum() == 0
        assert module.layer("2").weight.abs().sum() > 0

    @pytest.mark.parametrize(
        ("init", "message"),
        [
            ("hee", "did you mean 'he'"),
            ("he(2)", "must be he alone"),
            ("gaussian(-1)", "from 0; got -1"),
            ("he he", "one"),
        ],
    )
    def test_refusals(self, init: str, message: str) -> None:
        with pytest.raises(ArgumentError, match=message):
            self.weights(init)

    def test_zeros_do_not_train(self) -> None:
        reference = parse("fc(5) tanh fc(2)").reference((3,), init="zeros")
        images = np.random.default_rng(0).normal(size=(8, 3))
        for _ in range(20):
            reference.descend(images, np.arange(8) % 2, 0.5)
        assert (reference.weights["0.weight"] == 0).all()
