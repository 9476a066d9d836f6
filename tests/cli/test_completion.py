"""What TAB offers: names that the command itself then takes, and no name where a file begins so."""

import pytest

from striate.cli import completion
from striate.data.reading import FORMATS
from striate.nets import ZOO, resolve
from striate.training.recipe import load_recipe


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_names_go_on_as_they_begin():
    assert completion.sources("") == list(completion.BUILT_IN)
    assert completion.sources("cifar") == ["cifar10", "cifar100"]
    assert completion.nets("lene") == ["lenet"]
    assert completion.nets("no-such") == []
    assert completion.nets_to_train("s") == [name for name in completion.nets_to_train("") if name[0] == "s"]
    assert {"swift", "svm"} <= set(completion.nets_to_train("s"))


def test_a_file_that_begins_so_is_meant(tmp_path):
    (tmp_path / "digits-of-mine.csv").touch()
    assert completion.sources("dig") == []
    assert completion.sources("digits*") == []  # a star is no pattern, and no set is called so
    assert completion.sources("") == list(completion.BUILT_IN)


def test_every_offered_name_is_taken():
    assert all(ZOO[name].published for name in completion.models(""))
    assert set(completion.models("")) < set(completion.nets(""))
    for name in set(completion.nets_to_tune("")) & set(ZOO):
        resolve(name, classes=10)
    assert {"any", "conv"} <= set(completion.nets_to_tune(""))
    assert set(completion.formats("")) == set(FORMATS)
    recipes = completion.recipes("")
    assert {"default", "swift-79"} <= set(recipes)
    for name in recipes:
        load_recipe(name)
