"""How activations spread through a net before any training."""

from __future__ import annotations

import numpy as np
import torch

from striate.nets import make_module, measure_spread, parse


class TestSpread:
    images = np.random.default_rng(0).normal(size=(64, 200)).astype(np.float32)

    def last(self, init: str, activation: str = "tanh") -> float:
        return parse(f"[fc(200) {activation}]*10").spread(self.images, init=init).layers[-1].std

    def test_small_weights_vanish_large_ones_saturate_xavier_keeps(self) -> None:
        assert self.last("gaussian(0.01)") < 1e-5
        assert self.last("gaussian(1)") > 0.9
        assert 0.15 < self.last("xavier") < 0.7
        assert self.last("xavier", "relu") < 0.1 * self.last("he", "relu")

    def test_dead_units(self) -> None:
        net = parse("conv(4, 1) relu globalavg fc(2)")
        module = make_module(net, (1, 5, 5))
        with torch.no_grad():
            module.layer("0").bias.copy_(torch.tensor([-1e3, -1e3, -1e3, 1e3]))
        module.train()
        spread = measure_spread(module, np.ones((3, 1, 5, 5)))
        assert module.training
        assert [row.dead for row in spread.layers] == [None, 0.75, None, None]
        assert "75.0 %" in str(spread)
        assert len(spread.to_dict()["layers"]) == 4
