import numpy as np
import pytest
import torch

from striate.nets import resolve
from striate.nets.modules.own import build
from striate.training.engine.learner import Learner
from striate.training.engine.muon import Muon, orthogonalise
from striate.training.engine.optimisers import Optimisers, rate_share
from striate.training.engine.updates import Adam, Sgd
from striate.training.recipe import Recipe, load_recipe


def test_step_schedule_multiplies_at_milestones():
    recipe = Recipe(epochs=60, schedule="step", milestones=(30, 45), decay=0.1)
    assert [rate_share(recipe, e) for e in (0, 29.9, 30, 45)] == pytest.approx([1, 1, 0.1, 0.01])


def test_cosine_agrees_with_torch():
    recipe = Recipe(epochs=10)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 10)
    for epoch in range(10):
        assert rate_share(recipe, epoch) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()


def test_warm_up_rises_to_the_top():
    recipe = Recipe(epochs=4, warmup_epochs=2, schedule="constant")
    assert [rate_share(recipe, e) for e in (0, 1, 2, 3)] == [0, 0.5, 1, 1]


def test_onecycle_rises_and_falls():
    recipe = Recipe(epochs=10, schedule="onecycle")
    assert [rate_share(recipe, e) for e in (0, 3, 10)] == pytest.approx([0, 1, 0])


def test_orthogonalise_brings_singular_values_near_one():
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 20), (20, 8), (16, 16)):
        matrix = torch.randn(shape, generator=generator)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        values = torch.linalg.svdvals(orthogonalise(matrix, 10))
        assert values.min() > 0.6
        assert values.max() < 1.3
        near = left @ right
        found = orthogonalise(matrix, 10)
        assert (found * near).sum() / (found.norm() * near.norm()) > 0.97


def test_muon_keeps_filters_at_their_norm():
    filters = torch.nn.Parameter(torch.randn(4, 3, 3, 3))
    filters.grad = torch.randn(4, 3, 3, 3)
    Muon().move([filters], [{}], 0.0)
    assert filters.norm().item() == pytest.approx(2.0)


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 36, 3),
    )


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(12, 1, 8, 8, generator=generator), torch.arange(12) % 3


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "muon"])
class TestEveryOptimiser:
    def learner(self, name, **settings):
        settings = {"learning_rate": 0.05, "side_learning_rate": 0.05, "momentum": 0.5} | settings
        return Learner(net(), Recipe(optimiser=name, **settings), torch.device("cpu"), "float32")

    def test_it_learns_a_batch_by_heart(self, name):
        learner, (images, labels) = self.learner(name), data()
        first = learner.update(images, labels, 1.0)[0]
        for _ in range(40):
            last = learner.update(images, labels, 1.0)[0]
        assert last < first / 5

    def test_saved_and_loaded_it_goes_on_in_the_same_bits(self, name):
        learner, (images, labels) = self.learner(name, average=0.9), data()
        for _ in range(3):
            learner.update(images, labels, 1.0)
        kept = {key: value.clone() for key, value in learner.tensors().items()}
        other = self.learner(name, average=0.9)
        other.load(kept)
        for one in (learner, other):
            one.update(images, labels, 0.5)
        mine, theirs = learner.tensors(), other.tensors()
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)

    def test_accumulated_gradients_are_those_of_the_whole_batch(self, name):
        images, labels = data()
        modules = [torch.nn.Sequential(torch.nn.Conv2d(1, 3, 8), torch.nn.Flatten()) for _ in range(2)]
        modules[1].load_state_dict(modules[0].state_dict())
        for module, parts in zip(modules, (1, 3), strict=True):
            recipe = Recipe(optimiser=name, accumulate=parts)
            Learner(module, recipe, torch.device("cpu"), "float32").update(images, labels, 1.0)
        for one, other in zip(modules[0].parameters(), modules[1].parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_muon_takes_the_filters_and_sgd_the_rest():
    parts = Optimisers(Recipe(optimiser="muon"), net().parameters())._parts
    assert [type(part.rule) for part in parts] == [Muon, Sgd]
    assert [len(part.parameters) for part in parts] == [1, 5]


@pytest.mark.parametrize(
    ("rule", "torchs"),
    [
        (Sgd(0.0, 0.0), lambda p: torch.optim.SGD(p, 0.1)),
        (Sgd(0.9, 0.01), lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=0.01, nesterov=True)),
        (Adam((0.8, 0.9), 1e-6, 0.01, False), lambda p: torch.optim.Adam(p, 0.1, (0.8, 0.9), 1e-6, 0.01)),
        (Adam((0.8, 0.9), 1e-6, 0.01, True), lambda p: torch.optim.AdamW(p, 0.1, (0.8, 0.9), 1e-6, 0.01)),
    ],
)
def test_rules_move_in_the_same_bits_as_torchs_optimisers(rule, torchs):
    generator = torch.Generator().manual_seed(0)
    mine, theirs = ([torch.nn.Parameter(torch.linspace(-1, 1, n)) for n in (5, 8)] for _ in range(2))
    optimiser, moments = torchs(theirs), [{}, {}]
    for _ in range(3):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = other.grad = torch.randn(len(one), generator=generator)
        rule.move(mine, moments, 0.1)
        optimiser.step()
    assert all(torch.equal(one, other) for one, other in zip(mine, theirs, strict=True))
    kept = [{name: value for name, value in optimiser.state[p].items() if value is not None} for p in theirs]
    assert [found.keys() for found in moments] == [found.keys() for found in kept]
    assert all(torch.equal(found[name], was[name]) for found, was in zip(moments, kept, strict=True) for name in was)


def test_a_gradient_moves_a_vector_as_far_as_it_may_and_a_matrix_as_far_as_it_says():
    vector, small, matrix = (torch.nn.Parameter(torch.zeros(size)) for size in (4, 4, (4, 4)))
    vector.grad, small.grad, matrix.grad = torch.tensor([300.0, 0, 0, 400]), torch.full((4,), 0.5), torch.ones(4, 4)
    Sgd(0.0, 0.0, most=0.1).move([vector, small, matrix], [{}, {}, {}], 0.1)
    torch.testing.assert_close(vector.detach(), -0.1 * torch.tensor([1.2, 0, 0, 1.6]))  # as before, of spread 1
    torch.testing.assert_close(small.detach(), torch.full((4,), -0.05))
    torch.testing.assert_close(matrix.detach(), torch.full((4, 4), -0.1))
    vector.grad = torch.zeros(4)
    Sgd(0.0, 0.0, most=0.1).move([vector], [{}], 0.0)
    assert bool(vector.isfinite().all())


def test_pictures_on_a_plain_ground_do_not_throw_the_whitenings_biases_away():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 4, 500))
    pictures = torch.full((500, 1, 28, 28), -0.4)
    for picture, label in zip(pictures, labels.tolist(), strict=True):  # a stroke, across or down, above or below
        at = 6 + int(rng.integers(0, 4)) + 10 * (label // 2)
        (picture if label % 2 else picture.transpose(1, 2))[0, at : at + 2, 6:22] = 3.0
    module = build(resolve("swift_xs", classes=4, channels=1, side=28), (1, 28, 28))
    module.initialise_from(pictures)
    recipe = load_recipe("swift").replace(label_smoothing=0.0)
    learner = Learner(module, recipe, torch.device("cpu"), "float32")
    losses = [learner.update(pictures, labels, 1.0)[0] for _ in range(12)]
    assert learner.module.state_dict()["0.bias"].square().mean().sqrt() < 5
    assert losses[-1] < 0.7  # of 1.39, for which nothing need be known


def test_moments_of_another_net_are_refused():
    images, labels = data()
    learner = Learner(net(), Recipe(optimiser="adam"), torch.device("cpu"), "float32")
    learner.update(images, labels, 1.0)
    tensors = learner.optimisers.tensors()
    with pytest.raises(ValueError, match=r"moments \(4, 1, 3, 3\) of a parameter \(2, 1, 3, 3\)"):
        Optimisers(Recipe(optimiser="adam"), torch.nn.Conv2d(1, 2, 3).parameters()).load(tensors)


def test_clipping_bounds_the_gradient():
    images, labels = data()
    module = net()
    before = [p.detach().clone() for p in module.parameters()]
    recipe = Recipe(optimiser="sgd", momentum=0, learning_rate=1, clip_norm=0.01)
    Learner(module, recipe, torch.device("cpu"), "float32").update(images * 100, labels, 1.0)
    moved = sum(((p - q) ** 2).sum() for p, q in zip(module.parameters(), before, strict=True)) ** 0.5
    assert moved.item() == pytest.approx(0.01, rel=1e-3)


def test_the_average_follows_slowly():
    images, labels = data()
    learner = Learner(net(), Recipe(average=0.9, learning_rate=0.01), torch.device("cpu"), "float32")
    learner.update(images, labels, 1.0)
    start = next(learner.kept.parameters()).detach().clone()
    learner.update(images, labels, 1.0)
    now = next(learner.module.parameters()).detach()
    torch.testing.assert_close(next(learner.kept.parameters()).detach(), 0.9 * start + 0.1 * now)


def test_a_muon_step_is_nesterovs_and_keeps_the_norm_of_the_weights():
    generator = torch.Generator().manual_seed(0)
    weights = torch.nn.Parameter(torch.randn(4, 6, generator=generator))
    muon, moments, buffer = Muon(momentum=0.6), {}, torch.zeros(4, 6)
    for _ in range(2):
        gradient, before = torch.randn(4, 6, generator=generator), weights.detach().clone()
        weights.grad, buffer = gradient, 0.6 * buffer + gradient
        muon.move([weights], [moments], 0.1)
        wanted = before * 4**0.5 / before.norm() - 0.1 * orthogonalise(gradient + 0.6 * buffer)
        torch.testing.assert_close(weights.detach(), wanted)
