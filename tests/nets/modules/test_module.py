"""The torch module of a net."""

from __future__ import annotations

import copy

import pytest
import torch

from striate.errors import ArgumentError, ShapeError
from striate.nets import auxiliary_loss, make_module, parse


def test_the_global_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    make_module(parse("conv(8, 3) bn relu fc(10)"), (3, 8, 8), init="orthogonal")
    assert torch.equal(before, torch.get_rng_state())


def test_a_last_softmax_is_left_to_the_loss_and_listed_in_the_table() -> None:
    for sentence in ("fc(3) softmax", "head: [fc(3) softmax]", "fc(3) out: softmax"):
        net = parse(sentence)
        assert net.table((4,)).rows[-1].layer == "softmax"
        module = make_module(net, (4,), init="gaussian(9)")
        assert not module(torch.ones(1, 4)).sum().isclose(torch.tensor(1.0))
    inner = make_module(parse("fc(3) softmax scale(1)"), (4,))
    assert inner(torch.ones(1, 4)).sum().item() == pytest.approx(1)


def test_activations_by_path() -> None:
    module = make_module(parse("stem: [conv(4, 3) relu] head: [globalavg fc(2)]"), (1, 6, 6)).eval()
    images = torch.randn(2, 1, 6, 6)
    values = module.activations(images)
    assert {path: tuple(value.shape) for path, value in values.items()} == {
        "stem.0": (2, 4, 4, 4),
        "stem.1": (2, 4, 4, 4),
        "head.0": (2, 4, 1, 1),
        "head.1": (2, 2),
    }
    assert torch.equal(values["head.1"], module(images))
    assert torch.equal(values["stem.0"].relu(), values["stem.1"])
    assert torch.equal(module.activations(images, ["stem"])["stem"], values["stem.1"])
    assert torch.equal(module.embed(images), values["head.0"].flatten(1))
    assert isinstance(module.layer("stem.0"), torch.nn.Conv2d)
    with pytest.raises(ArgumentError, match="no layer has the path 'stm'"):
        module.activations(images, ["stm"])
    with pytest.raises(ShapeError, match="this net has none"):
        make_module(parse("relu"), (3,)).embed(torch.ones(1, 3))


def test_batches_of_another_shape_are_refused() -> None:
    module = make_module(parse("conv(4, 3) globalavg fc(2)"), (3, 6, 6))
    assert module(torch.zeros(2, 3, 9, 7)).shape == (2, 2)
    with pytest.raises(ShapeError, match="takes batches of 3×6×6; got 2×1×6×6"):
        module(torch.zeros(2, 1, 6, 6))


def test_auxiliary_heads_work_in_training_only() -> None:
    module = make_module(parse("conv(4, 3) aux(fc(3) ; 0.5) relu fc(3)"), (1, 6, 6))
    images, labels = torch.randn(5, 1, 6, 6), torch.tensor([0, 1, 2, 0, 1])
    module.train()(images)
    loss = auxiliary_loss(module, labels)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert module.layer("1.0").weight.grad.abs().sum() > 0
    module.eval()(images)
    assert module.auxiliary == []
    assert auxiliary_loss(module, labels) == 0
    assert auxiliary_loss(torch.nn.Linear(2, 2), labels) == 0


def test_a_part_with_a_name_of_the_module_is_refused() -> None:
    with pytest.raises(ArgumentError, match="a part cannot be called 'train'"):
        make_module(parse("train: fc(3)"), (2,))


def test_a_net_for_no_machine_is_refused_before_memory_is_taken() -> None:
    with pytest.raises(ArgumentError, match=r"at most 10,000,000,000 fit"):
        make_module(parse("fc(9999999)"), (3, 224, 224))


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_seeds_that_are_none(seed: object) -> None:
    with pytest.raises(ArgumentError, match="seed must be a whole number"):
        make_module(parse("fc(3)"), (2,), seed=seed)  # type: ignore[arg-type]


def test_copies_are_independent() -> None:
    module = make_module(parse("residual(fc(3)) fc(2)"), (3,))
    copied = copy.deepcopy(module)
    with torch.no_grad():
        copied.layer("1").weight.zero_()
    assert copied(torch.ones(1, 3)).abs().sum() == 0
    assert module(torch.ones(1, 3)).abs().sum() > 0


class TestWhitening:
    def images(self) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        smooth = torch.nn.functional.avg_pool2d(torch.randn(64, 3, 20, 20, generator=generator), 3, 1)
        return smooth + smooth.flip(1)

    def test_patches_become_uncorrelated_with_both_signs(self) -> None:
        module = make_module(parse("whiten(2) relu fc(3)"), (3, 18, 18))
        module.initialise_from(self.images())
        out = module.activations(self.images(), ["0"])["0"].detach()
        assert torch.allclose(out[:, :12], -out[:, 12:])
        rows = out[:, :12].transpose(0, 1).flatten(1).double()
        second = rows @ rows.T / rows.shape[1]
        assert (second - second.diag().diag()).abs().max() < 1e-3
        assert second.diag().max() <= 1 + 1e-3

    def test_the_filters_are_fixed_and_kept(self) -> None:
        net = parse("conv(2, 1) whiten(2) relu fc(3)")
        module = make_module(net, (3, 18, 18))
        before = module.layer("1").weight.clone()
        module.initialise_from(self.images())
        assert not torch.equal(before, module.layer("1").weight)
        assert "1.weight" not in dict(module.named_parameters())
        assert "1.weight" in module.state_dict()
        table = net.table((3, 18, 18))
        assert table.parameters == sum(p.numel() for p in module.parameters())
        assert table.rows[1].note == "128 fixed weights, computed from the training images"
