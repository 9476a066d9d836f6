"""`striate net`: the table for people and programs, the drawing, the list, and models of timm."""

import json
import sys
import types
import xml.etree.ElementTree

import pytest

from striate.nets import ZOO
from striate.nets.modules import timm_models

SENTENCE = "conv(32, 3) relu maxpool(2) fc(classes)"


def test_the_table_has_each_part_its_output_and_the_sum(striate):
    lines = striate("net", SENTENCE, "--input", "1x8x8", "--classes", 3).stdout.splitlines()
    (conv,), (fc,) = ([line for line in lines if word in line] for word in ("conv(32, 3)", "fc(3)"))
    assert "32×6×6" in conv
    assert "(8 − 3)/1 + 1 = 6" in conv
    assert "32×3×3 = 288 inputs a unit" in fc
    assert "1,187" in lines[-1]  # 32·9 + 32 + 3·288 + 3


def test_a_batch_needs_its_memory_and_no_more_parameters(as_json):
    one, four = (as_json("net", SENTENCE, "--batch-size", n) for n in (1, 4))
    assert four["parameters"] == one["parameters"]
    assert [layer["memory_bytes"] for layer in four["layers"]] == [4 * each["memory_bytes"] for each in one["layers"]]


def test_a_named_net_is_shown_at_its_own_size_and_with_its_own_classes(as_json):
    found = as_json("net", "lenet")
    assert (found["input"], found["parameters"]) == ([1, 28, 28], 61_706)
    assert as_json("net", "lenet", "--classes", 3)["layers"][-1]["layer"] == "fc(3)"


def test_pixels_that_no_window_sees_are_refused_where_asked(striate):
    loose, strict = (striate("net", SENTENCE, "--input", "3x33x33", *words) for words in ((), ("--strict",)))
    assert loose.exit_code == 0
    assert strict.exit_code == 1
    assert "1 pixel at the right and bottom is never seen" in strict.stderr
    assert "ceil=true" in strict.stderr


def test_a_drawing_is_svg(striate, tmp_path):
    assert striate("net", "lenet", "--svg", "net.svg").exit_code == 0
    assert xml.etree.ElementTree.parse(tmp_path / "net.svg").getroot().tag.endswith("svg")
    refused = striate("net", "lenet", "--svg", "net.png")
    assert refused.exit_code == 1
    assert "must end in .svg; got net.png. Try net.svg" in refused.stderr
    assert not (tmp_path / "net.png").exists()


def test_the_list_has_every_net_and_every_baseline(striate):
    shown = striate("net", "--list").stdout
    assert json.loads(striate("net", "--list", "--json").stdout)[0].keys() == {
        "name", "input", "classes", "parameters", "multiply_adds", "description"
    }  # fmt: skip
    listed = {line.split()[0] for line in shown.splitlines() if line.strip()}
    assert listed >= {*ZOO, "majority", "neighbours", "svm"}
    assert "61,706" in shown


@pytest.fixture
def no_timm(monkeypatch):
    """A timm with one model, which nobody builds."""
    config = types.SimpleNamespace(fixed_input_size=True, to_dict=dict)
    wanted = {"input_size": (3, 224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic",
              "crop_pct": 0.9, "crop_mode": "center"}  # fmt: skip
    timm = types.ModuleType("timm")
    timm.__version__, timm.list_models = "9.9", lambda include_tags=False: ["levit_128s"]
    timm.get_pretrained_cfg = lambda name: config
    timm.data = types.SimpleNamespace(resolve_data_config=lambda *_: wanted)
    monkeypatch.setitem(sys.modules, "timm", timm)
    body = timm_models.TimmBody(384, 7_005_522, 7_005_522)
    monkeypatch.setattr(timm_models, "describe_body", lambda name, shape: body)
    timm_models._names.cache_clear()
    yield
    timm_models._names.cache_clear()


def test_a_model_of_timm_is_told_by_what_timm_knows(no_timm, striate, as_json):
    shown = striate("net", "timm/levit_128s").stdout
    assert "timm/levit_128s (timm 9.9)" in shown
    assert "3×224×224, this size alone" in shown
    assert "center, 90.0 %, bicubic" in shown
    told = as_json("net", "timm/levit_128s")
    assert (told["features"], told["parameters"], told["layers"], told["crop_pct"]) == (384, 7_005_522, None, 0.9)
    for words in (["--strict"], ["--svg", "a.svg"], ["--batch-size", 2]):
        refused = striate("net", "timm/levit_128s", *words)
        assert refused.exit_code == 2
        assert "Leave out --svg, --strict and --batch-size" in " ".join(refused.stderr.replace("│", " ").split())
