"""Weights from files: by name, with shapes checked, and nothing but tensors."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import urllib.error
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import save_file

from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError
from striate.nets import ZOO, load_weights, make_module, pretrained, resolve
from striate.nets.modules.weights import imagenet_classes, read_weights
from striate.nets.zoo.downloads import fetch_weights
from striate.nets.zoo.registry import PublishedWeights
from striate.system.cache import cache_folder

NAME = "mobilenet_v2(width=0.25)"


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """What torchvision would publish for a small MobileNetV2."""
    module = make_module(resolve(NAME), (3, 224, 224), seed=5)
    return {ZOO["mobilenet_v2"].published_key(name): value for name, value in module.state_dict().items()}


def save(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None) -> Path:
    if path.suffix == ".pth":
        torch.save(tensors, path)
    else:
        save_file(tensors, path, metadata)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_s_names_load(published: dict[str, torch.Tensor], tmp_path: Path, suffix: str) -> None:
    found = pretrained(NAME, save(published, tmp_path / f"w{suffix}"))
    ours = make_module(resolve(NAME), (3, 224, 224), seed=5).state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in found.module.state_dict().items())
    assert found.classes == imagenet_classes()
    assert found.preprocessing.mean == (0.485, 0.456, 0.406)
    assert len(found.notes) == 1


def test_our_own_names_load(tmp_path: Path) -> None:
    module = make_module(resolve(NAME), (3, 224, 224), seed=6)
    found = pretrained(NAME, save(module.state_dict(), tmp_path / "own.safetensors"))
    assert torch.equal(found.module.layer("stem.0").weight, module.layer("stem.0").weight)
    plain = make_module(resolve("fc(3)"), (2,), seed=1)
    assert load_weights(make_module(resolve("fc(3)"), (2,)), plain.state_dict()) == ()


def test_other_classes_leave_the_head_and_say_so(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    found = pretrained(NAME, save(published, tmp_path / "w.pth"), classes=5)
    assert found.module(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
    assert found.notes[1:] == tuple(f"classifier.1.{kind} is left at its initialisation" for kind in ("weight", "bias"))
    assert found.classes == ()


def test_the_file_s_own_word_on_preprocessing_goes_first(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    metadata = {"mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5", "input": "192", "padding": "same (TensorFlow)"}
    found = pretrained(NAME, save(published, tmp_path / "w.safetensors", metadata))
    assert found.preprocessing.std == (0.5, 0.5, 0.5)
    assert found.preprocessing.size == 192
    assert found.module.input_shape == (3, 192, 192)
    assert 'pad="same"' in str(found.net)


def test_missing_spare_and_misshapen_are_named(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    fewer = {name: value for name, value in published.items() if name != "features.0.0.weight"}
    with pytest.raises(ModelFileError, match=r"missing: features\.0\.0\.weight"):
        pretrained(NAME, save(fewer, tmp_path / "a.pth"))
    with pytest.raises(ModelFileError, match="spare: extra"):
        pretrained(NAME, save({**published, "extra": torch.ones(1)}, tmp_path / "b.pth"))
    bent = {**published, "features.0.0.weight": torch.ones(8, 1, 3, 3)}
    with pytest.raises(
        ModelFileError, match=r"features\.0\.0\.weight must have the shape \(8, 3, 3, 3\); got \(8, 1, 3, 3\)"
    ):
        pretrained(NAME, save(bent, tmp_path / "c.pth"))
    lost = {**published, "features.0.0.weight": torch.full((8, 3, 3, 3), torch.nan)}
    with pytest.raises(ModelFileError, match=r"features\.0\.0\.weight must hold finite numbers"):
        pretrained(NAME, save(lost, tmp_path / "e.pth"))
    with pytest.raises(ModelFileError, match=r"and 9[0-9] more"):
        pretrained("resnet18", save(published, tmp_path / "d.pth"))


def test_counters_of_batches_may_be_missing(published: dict[str, torch.Tensor], tmp_path: Path) -> None:
    old = {name: value for name, value in published.items() if not name.endswith("num_batches_tracked")}
    pretrained(NAME, save(old, tmp_path / "w.pth"))


def test_densenet_s_old_names_and_googlenet_s_heads() -> None:
    dense = make_module(resolve("densenet121", classes=3), (3, 32, 32))
    old = {
        ZOO["densenet121"].published_key(name).replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for name, value in dense.state_dict().items()
    }
    assert load_weights(make_module(resolve("densenet121", classes=3), (3, 32, 32)), old, ZOO["densenet121"]) == ()
    heads = make_module(resolve("googlenet(aux=true)", classes=3), (3, 224, 224))
    names = {ZOO["googlenet"].published_key(name): value for name, value in heads.state_dict().items()}
    assert {"aux1.conv.conv.weight", "aux2.conv.bn.bias", "aux1.fc1.bias", "aux2.fc2.weight"} <= names.keys()
    assert load_weights(make_module(resolve("googlenet", classes=3), (3, 64, 64)), names, ZOO["googlenet"]) == ()
    assert load_weights(make_module(heads.net, (3, 224, 224)), names, ZOO["googlenet"]) == ()


class Evil:
    def __reduce__(self) -> tuple:
        return os.system, ("touch /tmp/striate-was-here",)


def test_files_that_are_not_weights(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"weight": Evil()}))
    torch.save({"weight": Evil()}, tmp_path / "evil2.pth")
    (tmp_path / "text.safetensors").write_text("hello")
    (tmp_path / "empty.pth").touch()
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    torch.save({"epoch": 3, "state_dict": {}}, tmp_path / "checkpoint.pth")
    for name in ("evil.pth", "evil2.pth", "text.safetensors", "empty.pth", "list.pth", "checkpoint.pth"):
        with pytest.raises(ModelFileError, match=name):
            read_weights(tmp_path / name)
    with pytest.raises(ModelFileError, match=r"it would call \w+\.system, and is not read"):
        read_weights(tmp_path / "evil2.pth")
    with pytest.raises(ModelFileError, match="'epoch' is of type int"):
        read_weights(tmp_path / "checkpoint.pth")
    assert not Path("/tmp/striate-was-here").exists()
    with pytest.raises(SourceNotFoundError, match=r"none\.pth does not exist"):
        read_weights(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("lenet", "imagenet", "lenet has no published weights 'imagenet'. Published: none"),
        ("resnet18", "imagenet-v2", "Published: imagenet-v1"),
        ("resnet50", "imagenet21k", "Published: imagenet-v1, imagenet-v2"),
        ("resnet19", "imagenet", "unknown net 'resnet19'; did you mean"),
    ],
)
def test_weights_that_are_not_published(name: str, weights: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        pretrained(name, weights)


class TestFetching:
    content = b"some weights"
    digest = hashlib.sha256(content).hexdigest()

    def serve(self, monkeypatch: pytest.MonkeyPatch, content: bytes | Exception) -> None:
        class Answer(io.BytesIO):
            headers: ClassVar = {}
            status = 200

        def answer(request: object, timeout: float) -> Answer:
            if isinstance(content, Exception):
                raise content
            return Answer(content)

        monkeypatch.setattr("urllib.request.urlopen", answer)

    def test_once(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = PublishedWeights("V1", f"net-{self.digest[:8]}.pth", 0.5)
        self.serve(monkeypatch, self.content)
        path = fetch_weights(file, tmp_path / "new")
        assert path.read_bytes() == self.content
        self.serve(monkeypatch, RuntimeError("asked twice"))
        assert fetch_weights(file, tmp_path / "new") == path

    def test_a_wrong_digest_never_gets_the_name(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.serve(monkeypatch, b"other weights")
        file = PublishedWeights("V1", f"net-{self.digest[:8]}.pth", 0.5)
        with pytest.raises(SourceNotFoundError, match="not the published digest"):
            fetch_weights(file, tmp_path)
        assert not (tmp_path / file.file).exists()
        self.serve(monkeypatch, self.content)
        assert fetch_weights(file, tmp_path).read_bytes() == self.content

    def test_without_a_connection(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.serve(monkeypatch, urllib.error.URLError("no route"))
        with pytest.raises(
            SourceNotFoundError,
            match=r"cannot be downloaded: .*: no route. Fetch it elsewhere and name it with --weights FILE",
        ):
            fetch_weights(PublishedWeights("V1", "net-00000000.pth", 0.5), tmp_path)

    def test_the_folder_follows_the_cache(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
        assert cache_folder("weights") == tmp_path / "weights"


def test_every_published_file_has_its_digest_and_size() -> None:
    for net in ZOO.values():
        for each in net.published:
            assert len(each.digest) == (64 if each.package else 8)
            assert int(each.digest, 16) >= 0
            assert each.url.startswith("https://")
            assert each.preprocessing.resize >= each.preprocessing.size == net.input_shape[1]
            assert 0.5 < each.accuracy < 0.9


def test_the_classes_of_imagenet() -> None:
    classes = imagenet_classes()
    assert len(classes) == 1000
    assert classes[0] == "tench, Tinca tinca"
    assert classes[207] == "golden retriever"


@pytest.mark.slow
def test_the_published_mobilenet_names_photographs() -> None:
    """Runs where STRIATE_WEIGHTS names a folder with the file."""
    from sklearn.datasets import load_sample_image

    file = Path(os.environ.get("STRIATE_WEIGHTS", "")) / "mobilenet_v2-imagenet.safetensors"
    if not file.is_file():
        pytest.skip("STRIATE_WEIGHTS names no folder with mobilenet_v2-imagenet.safetensors")
    found = pretrained("mobilenet_v2", file)
    photograph = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1)[None].float() / 255
    square = torch.nn.functional.interpolate(photograph[:, :, :, 106:533], size=224, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(v)[:, None, None] for v in (found.preprocessing.mean, found.preprocessing.std))
    with torch.inference_mode():
        best = found.module.eval()((square - mean) / std).argmax().item()
    assert found.classes[int(best)] in ("palace", "monastery", "bell cote, bell cot")
