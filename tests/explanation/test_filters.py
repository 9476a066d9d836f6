"""Filters by hand: the same sums as NumPy's, through strips of any height; what is typed is read strictly."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from striate.errors import ArgumentError, DecodingError, SourceNotFoundError
from striate.explanation import filters
from striate.explanation.filters import filter_image, read_kernel, save_filtered


def picture(h=23, w=17, c=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, c), dtype=np.uint8)


def by_hand(pixels, matrix):
    (kh, kw), (h, w, _) = matrix.shape, pixels.shape
    up, left = (kh - 1) // 2, (kw - 1) // 2
    padded = np.pad(pixels.astype(float), ((up, kh - 1 - up), (left, kw - 1 - left), (0, 0)), "edge")
    return sum(matrix[i, j] * padded[i : i + h, j : j + w] for i in range(kh) for j in range(kw))


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (1, 5), (4, 2), (31, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sums_are_those_of_numpy_in_strips_of_any_height(size, channels, monkeypatch):
    monkeypatch.setattr(filters, "_AT_ONCE_PX", 60)  # three rows at once
    pixels, matrix = picture(c=channels), np.random.default_rng(1).normal(0, 1, size) / size[0]
    expected = by_hand(pixels, matrix)
    for show, as_shown in (("clip", expected), ("shift", expected + 128), ("abs", np.abs(expected))):
        found = filter_image(pixels, matrix, show)
        assert np.abs(found.pixels - as_shown.clip(0, 255)).max() <= 0.51
        assert found.low == pytest.approx(expected.min(), abs=1e-3)
        assert found.below == pytest.approx((np.rint(as_shown) < 0).mean(), abs=0.003)


@pytest.mark.parametrize("name", ["blur", "sharpen", "outline", "emboss"])
def test_named_filters_are_pillows_inside(name):
    kernel, pixels = read_kernel(name), picture()
    scale = 9 if name == "blur" else 1
    weights = np.rint(kernel.matrices[0] * scale)
    # Pillow turns its rows upside down.
    theirs = Image.fromarray(pixels).filter(ImageFilter.Kernel((3, 3), weights[::-1].ravel().tolist(), scale))
    ours = filter_image(pixels, kernel).pixels
    assert np.abs(ours[1:-1, 1:-1].astype(int) - np.asarray(theirs)[1:-1, 1:-1]).max() <= 1


def test_sobel_is_the_strength_of_both_directions():
    pixels = picture()
    x, y = (by_hand(pixels, one) for one in read_kernel("sobel").matrices)
    assert np.abs(filter_image(pixels, "sobel").pixels - np.hypot(x, y).clip(0, 255)).max() <= 0.51


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "[[1, 2], [3]]", "[[1], 2]", "[1, 2]", "[]", "[[]]", "[[1e400]]", "[[nan]]", "[[1/0]]",
     "[[1 2]]", "[[1,,2]]", "[[1]", "[" * 5000, "[[True]]", "[[0x10]]", "[[1e7]]", str([[1] * 32]), "[[[1]]]", "",
     "blr", "[[1]] * 9", "[[" + "1," * 30000 + "1]]"],
)  # fmt: skip
def test_what_is_no_matrix_is_refused(text):
    with pytest.raises(ArgumentError, match=r"kernel|filter"):
        read_kernel(text)


def test_fractions_and_round_brackets_are_read():
    assert read_kernel("((1/4, 1/4),\n (1/4, 1/4))").matrices[0].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert str(read_kernel(" Blur ")) == "blur 3×3"


def test_values_that_no_pixel_has_are_told():
    notes = filter_image(picture(), "outline").notes
    assert "sum to 0, not to 1: flat areas become black" in notes[0]
    assert "are cut off at 0" in notes[1]
    assert "--show shift" in notes[1]
    assert "mid-gray" in filter_image(picture(), "outline", "shift").notes[0]
    assert filter_image(picture(), "blur").notes == ()
    with pytest.raises(ArgumentError, match="unknown way to show"):
        filter_image(picture(), "blur", "log")


@pytest.mark.parametrize(
    ("mode", "array", "told"),
    [("L", picture(c=1)[..., 0], None), ("RGBA", picture(c=4), "laid over white"),
     ("I;16", picture(c=1)[..., 0].astype(np.uint16) * 257, "16-bit"),
     ("I;16", picture(c=1)[..., 0].astype(np.uint16) + 900, "900 …"), ("L", picture(1, 1, 1)[..., 0], None)],
)  # fmt: skip
def test_pictures_of_every_depth_are_filtered(tmp_path, mode, array, told):
    Image.fromarray(array).save(tmp_path / "in.png")
    found, path = save_filtered(tmp_path / "in.png", "identity", tmp_path / "out.png")
    with Image.open(path) as made:
        assert made.size == array.shape[1::-1]
    assert told is None or told in " ".join(found.notes)


def test_the_picture_itself_is_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()).save("a.png")
    os.link("a.png", "hard.png")
    os.symlink("a.png", "soft.png")
    before = Path("a.png").read_bytes()
    for out in ("a.png", "./a.png", "hard.png", "soft.png"):
        with pytest.raises(ArgumentError, match="is the image itself"):
            save_filtered("a.png", "blur", out)
    assert Path("a.png").read_bytes() == before
    assert str(save_filtered("a.png", "blur")[1]) == "a-blur.png"
    with pytest.raises(ArgumentError, match="is there already"):
        save_filtered("a.png", "blur")
    with pytest.raises(ArgumentError, match=r"must end in \.png"):
        save_filtered("a.png", "blur", "a.gif")
    with pytest.raises(SourceNotFoundError, match=r"no image b\.png"):
        save_filtered("b.png", "blur")
    (tmp_path / "broken.png").write_bytes(before[:60])
    with pytest.raises(DecodingError, match=r"broken\.png: "):
        save_filtered("broken.png", "blur")


def test_command(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from striate.cli import app

    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()).save("a.png")
    told = CliRunner().invoke(
        app, ["filter", "a.png", "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", "-o", "b.png", "--json"]
    )
    said = json.loads(told.stdout)
    assert said["path"] == "b.png"
    assert said["sum"] == 1
    with Image.open("b.png") as made:
        assert made.size == (17, 23)
    assert CliRunner().invoke(app, ["filter", "a.png", "blur", "-o", "a.png"]).exit_code == 1
