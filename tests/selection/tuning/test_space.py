"""The search space: everything that it proposes can be trained, and what is fixed stays."""

import random

import pytest

from striate.errors import ArgumentError
from striate.nets import resolve
from striate.selection.tuning.space import KINDS, Space


class Drawn:
    """Proposes at random, and remembers what it was asked for."""

    def __init__(self, seed):
        self.random, self.asked = random.Random(seed), {}

    def suggest_categorical(self, name, choices):
        return self.asked.setdefault(name, self.random.choice(choices))

    def suggest_int(self, name, low, high, *, log=False):
        return self.asked.setdefault(name, self.random.randint(low, high))

    def suggest_float(self, name, low, high, *, log=False):
        return self.asked.setdefault(name, self.random.uniform(low, high))


class Told(Drawn):
    """Proposes what it was told, which must lie in the space."""

    def __init__(self, values):
        super().__init__(0)
        self.values = values

    def suggest_categorical(self, name, choices):
        assert self.values[name] in choices
        return self.values[name]

    def suggest_int(self, name, low, high, *, log=False):
        assert low <= self.values[name] <= high
        return self.values[name]

    suggest_float = suggest_int


@pytest.mark.parametrize("side", [4, 8, 28, 96, 224])
@pytest.mark.parametrize("count", [20, 1_000, 200_000])
def test_all_that_is_proposed_fits_the_images(side, count):
    space = Space(side, 10, count, flip=True)
    proposals = [space.propose(Drawn(seed)) for seed in range(20)]
    proposals += [space.propose(Told(start)) for start in space.starts()]
    for sentence, recipe in proposals:
        net = resolve(sentence, classes=10, channels=3, side=side)
        assert net.output_shape((3, side, side)) == (10,)
        assert 2 <= recipe.batch_size <= max(2, count / 8)
        assert recipe.epochs <= 30


def test_small_images_have_fewer_kinds():
    assert Space(4, 2, 100).kinds == ("mlp",)
    assert Space(32, 2, 100).kinds == KINDS
    with pytest.raises(ArgumentError, match="conv nets need images of at least 6 pixels"):
        Space(4, 2, 100, net="conv")


def test_the_first_start_is_the_default_net_of_two_layers():
    for side, classes in ((28, 10), (8, 3), (96, 200)):
        space = Space(side, classes, 40_000)
        net, recipe = space.propose(Told(space.starts()[0]))
        assert str(resolve(net, classes=classes)) == str(resolve("mlp", classes=classes, side=side))
    assert (recipe.optimiser, recipe.learning_rate, recipe.batch_size, recipe.epochs) == ("adam", 0.003, 128, 10)
    assert (recipe.weight_decay, recipe.augment) == (0.0, ())


def test_a_given_net_keeps_its_sentence():
    for name in ("lenet", "fc(8) relu fc(classes)"):
        drawn = Drawn(0)
        assert Space(28, 10, 1_000, net=name).propose(drawn)[0] == name
        assert not {"kind", "activation"} & set(drawn.asked)


def test_what_is_fixed_is_not_searched():
    fixed = {"optimiser": "sgd", "learning_rate": 0.02, "weight_decay": 0.0, "batch_size": 16, "dropout": 0.1,
             "label_smoothing": 0.0, "augment": ("cutout",), "epochs": 3, "seed": 9}  # fmt: skip
    for seed in range(10):
        drawn = Drawn(seed)
        _, recipe = Space(28, 10, 1_000, net="conv", fixed=fixed).propose(drawn)
        assert {name: getattr(recipe, name) for name in fixed} == fixed
        assert not {"optimiser", "rate", "decay", "batch size", "dropout", "shift", "epochs"} & set(drawn.asked)


def test_flips_only_where_they_are_allowed():
    words = {w for seed in range(30) for w in Space(28, 10, 1_000).propose(Drawn(seed))[1].augment}
    assert not any(word == "flip" for word in words)
    allowed = {w for seed in range(30) for w in Space(28, 10, 1_000, flip=True).propose(Drawn(seed))[1].augment}
    assert "flip" in allowed
