import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import striate
from striate.augmentation import make_augmentation
from striate.errors import ArgumentError, SourceNotFoundError
from striate.nets import resolve
from striate.training.recipe import Recipe, load_recipe, recipe_names

SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "epochs": st.integers(1, 10**6),
        "learning_rate": st.floats(0, 1e6),
        "optimiser": st.sampled_from(["sgd", "adam", "adamw"]),
        "dropout": st.floats(0, 1),
        "augment": st.lists(st.sampled_from(["flip", "translate(2)", 'translate(by=0.1, fill="zero")']), max_size=3),
        "milestones": st.lists(st.integers(0, 99), max_size=3),
        "betas": st.lists(st.floats(0, 1), min_size=2, max_size=2),
    },
)


@given(SETTINGS)
def test_toml_round_trip(settings):
    recipe = Recipe().replace(**settings)
    assert load_recipe(tomllib.loads(recipe.to_toml())) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_published_recipes_load(name):
    recipe = load_recipe(name)
    make_augmentation(recipe.augment)
    if recipe.net is not None:
        resolve(recipe.net, classes=10, channels=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": -1}, "epochs must be at least 0; got -1"),
        ({"epochs": 2.5}, "epochs must be a whole number; got 2.5"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number; got nan"),
        ({"dropout": 1.5}, "dropout must be from 0 to 1; got 1.5"),
        ({"optimiser": "adm"}, "did you mean 'adam'"),
        ({"optimizer": "adam"}, "did you mean 'optimiser'"),
        ({"betas": [0.9]}, "betas must be two numbers"),
        ({"augment": "flip"}, "augment must be a list"),
        ({"augment": [3]}, "augment must be text; got 3"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ArgumentError, match=message):
        load_recipe(settings)


def test_bad_files_are_named(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("epochs = = 3")
    with pytest.raises(ArgumentError, match=r"recipe .*broken\.toml"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArgumentError, match=r"recipe .*broken\.toml"):
        load_recipe(broken)
    with pytest.raises(SourceNotFoundError, match="did you mean 'default'"):
        load_recipe("defalt")


def test_difference_names_what_changed():
    assert Recipe(epochs=3).difference(Recipe(seed=1)) == {"epochs": (3, 10), "seed": (0, 1)}


def test_init_decides_the_first_weights():
    # All units of a layer stay equal when they start at zero: nothing but the last bias learns.
    settings = {"epochs": 2, "precision": "float32"}
    zeros = striate.train("digits", "fc(16) relu fc(classes)", init="zeros", **settings)
    he = striate.train("digits", "fc(16) relu fc(classes)", init="he", **settings)
    assert zeros.provenance.valid_accuracy < 0.2 < he.provenance.valid_accuracy
    with pytest.raises(ArgumentError, match="did you mean 'xavier'"):
        striate.train("digits", "fc(classes)", init="xavir", **settings)
