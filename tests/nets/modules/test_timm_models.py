"""Models of timm: without timm, with a stand-in for its names, and real ones built without weights."""

import os
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import striate
from striate.classifier.model_file import write_model
from striate.errors import (
    ArgumentError,
    MissingExtraError,
    ModelFileError,
    NotationError,
    ShapeError,
    SourceNotFoundError,
)
from striate.nets.modules import timm_models
from striate.nets.modules.own import build
from striate.nets.modules.timm_models import TimmNet, describe_body, make_timm, pretrained_timm, read_timm

SHAPE = (3, 64, 64)


def write_timm_model(path, net="timm/levit_192", **changes):
    """Write what a file of a timm model looks like, with too few tensors to be one."""
    shape = {"size": [64, 64], "channels": 3, "fit": "crop"}
    description = {"kind": "timm", "net": net, "classes": ["a", "b"], "preprocessing": shape, "provenance": {}}
    tensors = {f"preprocessing.{name}": np.ones(3, np.float32) for name in ("mean", "std")}
    tensors |= {"trained_on": np.zeros(0, np.uint64), "weights.head.bias": np.zeros(2, np.float32)}
    write_model(path, description | {"timm": "1.0.0"} | changes, tensors)
    return path


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    timm_models._names.cache_clear()


@pytest.fixture
def broken(monkeypatch, tmp_path):
    """A timm that fails as it does beside a torchvision made for another torch."""
    (tmp_path / "timm").mkdir()
    (tmp_path / "timm" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    timm_models._names.cache_clear()


@pytest.fixture
def stand_in(monkeypatch):
    """A timm that knows names, and can build nothing."""
    timm = types.ModuleType("timm")
    names = ["levit_128", "levit_192", "levit_256", "resnet18"]
    timm.__version__, timm.list_models = "9.9", lambda include_tags=False: names
    monkeypatch.setitem(sys.modules, "timm", timm)
    timm_models._names.cache_clear()
    yield
    timm_models._names.cache_clear()


@pytest.mark.parametrize(
    "use",
    [
        lambda path: striate.train("nowhere", "timm/levit_192"),
        lambda path: striate.train("nowhere", "timm/levit_192", weights="imagenet"),
        lambda path: striate.load_model("timm/levit_192"),
        lambda path: striate.train("nowhere", features="timm/levit_192"),
        lambda path: striate.Classifier.load(write_timm_model(path)),
        lambda path: striate.ImageClassifier("timm/levit_192").fit(np.zeros((8, 8, 8), np.uint8), [0, 1] * 4),
    ],
)
def test_without_timm_it_is_said_what_to_install(missing, tmp_path, use):
    with pytest.raises(MissingExtraError, match=r'timm is not installed: pip install "striate\[timm\]"'):
        use(tmp_path / "m.striate")


def test_the_file_that_needs_timm_is_named(missing, tmp_path):
    with pytest.raises(MissingExtraError, match=r"m\.striate: timm is not installed"):
        striate.load_model(write_timm_model(tmp_path / "m.striate"))


def test_a_timm_that_does_not_import_is_told_from_none(broken):
    with pytest.raises(
        MissingExtraError, match=r"installed but cannot be imported \(operator torchvision::nms.*torch "
    ):
        read_timm("timm/levit_192", 2)


def test_a_torchvision_without_its_operators_is_enough(tmp_path):
    """In a process of its own: what is declared to torch stays so."""
    (tmp_path / "timm").mkdir()
    asks = "".join(f"torch.library.register_fake('torchvision::{name}', min)\n" for name in ("nms", "qnms"))
    (tmp_path / "timm" / "__init__.py").write_text(f"import torch\n{asks}__version__ = '9.9'\n")
    code = "from striate.nets.modules.timm_models import timm_version; print(timm_version())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("9.9\n", 0), done.stderr


def test_unknown_names_tell_the_nearest(stand_in):
    with pytest.raises(ArgumentError, match=r"timm 9\.9 has no model 'levit_19'; the nearest are levit_192, "):
        striate.train("nowhere", "timm/levit_19")
    with pytest.raises(ArgumentError, match=r"no model 'zzz'; timm\.list_models"):
        read_timm("timm/zzz", 2)


@pytest.mark.parametrize(
    "net",
    ["timm/hf-hub:some/model", "timm/../levit_192", "timm/Levit_192", "levit_192", "timm/timm/levit_192", "timm/"],
)
def test_a_file_cannot_name_what_timm_does_not_list(stand_in, tmp_path, net):
    with pytest.raises(ModelFileError, match=r"m\.striate: .*(no model|must be timm/NAME).*saved with timm 1\.0\.0"):
        striate.Classifier.load(write_timm_model(tmp_path / "m.striate", net))


def test_what_there_is_not_is_said():
    with pytest.raises(NotationError, match="no sentence, layer table, picture or NumPy reference"):
        striate.resolve("timm/levit_192", classes=2)


@pytest.mark.parametrize("name", ["levit_128s", "mobilenetv3_small_050", "resnet18", "vit_tiny_patch16_224"])
def test_a_module_of_timm_is_seeded_and_saved_whole(timm, name):
    net, shape = TimmNet(name, 3), (3, 224, 224)
    before = torch.get_rng_state()
    one, same, other = (make_timm(net, shape, seed).eval() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    state = one.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in same.state_dict().items())
    assert not torch.equal(one.head.weight, other.head.weight)
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert one(images).shape == (2, *net.output_shape(shape)) == (2, 3)
        assert one.embed(images).shape == (2, describe_body(name, shape).features)


def test_what_the_body_keeps_of_its_weights_is_made_anew(timm):
    module = make_timm(TimmNet("levit_128s", 2), (3, 224, 224)).eval()
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = module(images)
        for name, value in module.state_dict().items():
            if name.endswith("attention_biases"):
                value.add_(torch.arange(value.numel()).reshape(value.shape).float())
        assert not torch.allclose(module.eval()(images), before)


def test_images_that_do_not_fit_are_refused_before_anything_is_allocated(timm, tmp_path):
    with pytest.raises(ShapeError, match=r"timm/vit_tiny_patch16_224 cannot be built for images of 3×8×8"):
        TimmNet("vit_tiny_patch16_224", 2).output_shape((3, 8, 8))
    with pytest.raises(ModelFileError, match=r"timm/levit_192 needs [\d,]+ numbers, the file holds 2"):
        striate.Classifier.load(write_timm_model(tmp_path / "m.striate"))
    huge = {"size": [16000, 16000], "channels": 3, "fit": "crop"}
    with pytest.raises(ModelFileError, match=r"needs [\d,]{12,} numbers"):
        striate.Classifier.load(write_timm_model(tmp_path / "m.striate", "timm/levit_192", preprocessing=huge))
    with pytest.raises(ShapeError, match="must make features"):
        TimmNet("mobilenetv5_300m_enc", 2).output_shape((3, 256, 256))


def test_an_initialisation_is_refused(timm):
    with pytest.raises(ArgumentError, match="not for a module of timm's"):
        build(TimmNet("resnet18", 2), SHAPE, init="zeros")


@pytest.mark.parametrize("name", ["resnet18", "levit_128s", "mobilenetv3_small_050"])
def test_weights_from_a_file_predict_as_timm_does(timm, tmp_path, name):
    shape = (3, 224, 224)
    torch.manual_seed(0)
    whole = timm.create_model(name).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for file in ("w.safetensors", "w.pth"):
            module, outputs = pretrained_timm(TimmNet(name, 1), tmp_path / file, shape)
            assert outputs == 1000
            torch.testing.assert_close(module(images), whole(images), rtol=1e-3, atol=1e-3)


def test_a_head_that_is_not_linear_is_left_out(timm, tmp_path):
    torch.manual_seed(0)
    whole = timm.create_model("resnet18", num_classes=7)
    whole.fc = torch.nn.Sequential(torch.nn.Tanh(), whole.fc)
    assert timm_models._linear_head(whole.eval(), make_timm(TimmNet("resnet18", 1), SHAPE).eval().body, SHAPE) is None


def test_files_that_do_not_fit(timm, tmp_path):
    state = timm.create_model("resnet18", num_classes=5).state_dict()
    save_file(state | {"more": torch.zeros(1)}, tmp_path / "spare.safetensors")
    with pytest.raises(ModelFileError, match=r"does not have the parameters of timm/resnet18.*such as more"):
        pretrained_timm(TimmNet("resnet18", 1), tmp_path / "spare.safetensors", SHAPE)
    save_file(state | {"fc.bias": torch.full((5,), torch.nan)}, tmp_path / "nan.safetensors")
    with pytest.raises(ModelFileError, match="must hold finite numbers"):
        pretrained_timm(TimmNet("resnet18", 1), tmp_path / "nan.safetensors", SHAPE)
    torch.save({"model": types.SimpleNamespace()}, tmp_path / "code.pth")
    with pytest.raises(ModelFileError, match="nothing but tensors; it would call"):
        pretrained_timm(TimmNet("resnet18", 1), tmp_path / "code.pth", SHAPE)
    with pytest.raises(SourceNotFoundError, match=r"no\.pth does not exist"):
        pretrained_timm(TimmNet("resnet18", 1), tmp_path / "no.pth", SHAPE)


def test_a_download_that_fails_says_what_to_do(timm, monkeypatch):
    monkeypatch.setattr(timm_models, "answers", lambda url: False)
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    with pytest.raises(SourceNotFoundError, match=r"cannot fetch the weights of timm/resnet18.*--weights FILE"):
        striate.load_model("timm/resnet18")
    assert timm.create_model  # what was set offline for the moment is as before
    import huggingface_hub.constants

    assert not huggingface_hub.constants.HF_HUB_OFFLINE


def test_loading_fetches_nothing(timm, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("connected"))
    make_timm(TimmNet("resnet18.a1_in1k", 2), SHAPE)
