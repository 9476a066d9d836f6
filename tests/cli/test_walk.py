"""`striate walk`: one page, or a message that says what can be walked."""

import json

import numpy as np
import pytest
from PIL import Image

import striate as package
from striate.selection.fit import run_one


def test_a_page_and_its_json(striate, as_json, digits_run, tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4).save(tmp_path / "a.png")
    shown = striate("walk", digits_run / "model.striate", "a.png", "-o", "page.html")
    assert shown.exit_code == 0, shown.output
    assert "4 layers are computed by the page" in shown.stdout
    said = as_json("walk", digits_run / "model.striate", "digits", "--number", 12, "-o", "pages/b.html")
    assert (said["computed"], said["kept"], said["absent"]) == (4, 0, 0)
    assert said["difference"] < 1e-5
    text = (tmp_path / "pages" / "b.html").read_text("utf-8")
    assert said["bytes"] == len(text.encode()) < 8_000_000
    data = json.loads(text.split('id="walk-data">')[1].split("</script>")[0])
    assert [step["kind"] for step in data["steps"]] == ["conv", "relu", "maxpool", "fc"]


def test_what_cannot_be_walked_says_what_can(striate, digits_run, tmp_path):
    run_one("digits", "neighbours", out=tmp_path / "run")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    (tmp_path / "many").mkdir()
    for name in "ab":
        Image.new("L", (8, 8)).save(tmp_path / "many" / f"{name}.png")
    net = digits_run / "model.striate"
    for arguments, message in [
        ((tmp_path / "run" / "model.striate", "a.png"), "this model is neighbours, which has no such layers"),
        ((net, "digits"), "IMAGE must be one image; got digits, which holds 1,797. Say --number 0"),
        ((net, "many"), "which holds 2"),
        ((net, "digits", "--number", "1797"), "number must be from 0 to 1796; got 1797"),
        ((net, "broken.png"), "broken.png: "),
        ((net, "none.png"), "none.png"),
    ]:
        result = striate("walk", *arguments)
        assert result.exit_code == 1
        assert message in result.stderr.replace("\n", " "), result.stderr
        assert not (tmp_path / "walk.html").exists()


@pytest.mark.parametrize(
    "pixels", [np.zeros((1, 1), np.uint8), np.zeros((40, 60, 4), np.uint8), np.zeros((9, 9, 3), np.uint8)]
)
def test_any_picture_is_brought_to_the_net_s_size(digits_model, tmp_path, pixels):
    found = package.write_walkthrough(digits_model, pixels, tmp_path / "walk.html")
    assert found.prediction.probability == pytest.approx(digits_model.predict_proba(pixels[None]).max(), abs=1e-6)
