"""`striate augment`: the contact sheet, its list of words, its errors."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from striate.augmentation import AUGMENTATIONS, sheet
from striate.cli import app
from striate.data.catalog import Catalog
from striate.data.imageset import ImageSet
from striate.data.ledger import Ledger
from striate.data.preparing.prepare import prepare
from striate.data.reading import read


def run(*words):
    return CliRunner().invoke(app, ["augment", *map(str, words)])


def message(result):
    """What a user reads, whoever turns errors into words."""
    return f"{result.output} {result.stderr} {result.exception}"


def image_set(pixels, labels, classes, names=None):
    n = len(pixels)
    return ImageSet(
        pixels, np.arange(n), np.asarray(labels), classes, names or [f"{i}.png" for i in range(n)],
        np.zeros(n, np.uint64), np.full(n, ""),
    )  # fmt: skip


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("Äpfel", "リンゴ", "pears"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    return tmp_path / "photos"


def test_a_sheet_of_images(photos, tmp_path):
    out = tmp_path / "deep" / "sheet.png"
    result = run(photos, "--augment", "flip translate(4) cutout(8)", "-o", out, "--count", 3, "--draws", 4)
    assert result.exit_code == 0, message(result)
    assert result.stdout.strip() == str(out)
    with Image.open(out) as picture:
        assert picture.width > 5 * 96
        assert picture.height > 3 * 80
        assert np.asarray(picture).std() > 20


def test_the_same_seed_gives_the_same_sheet(photos, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(photos, "--augment", "crop mixup", "-o", tmp_path / f"{name}.png", "--seed", seed, "--count", 4)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_without_words_a_row_for_each(tmp_path):
    result = run("digits", "-o", tmp_path / "all.webp", "--draws", 2, "--json")
    assert result.exit_code == 0, message(result)
    answer = json.loads(result.stdout)
    assert len(answer["images"]) == 8
    with Image.open(answer["path"]) as picture:
        assert picture.height > len(AUGMENTATIONS) * 96


def test_the_list_names_every_word():
    result = run("--list")
    assert all(word in result.stdout for word in AUGMENTATIONS)
    words = json.loads(run("--list", "--json").stdout)
    assert [entry["word"] for entry in words] == list(AUGMENTATIONS)


def test_help_teaches():
    assert "Flips are wrong for digits" in run("--help").stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["digits", "--augment", "flipp"], "did you mean 'flip'"),
        (["digits", "--augment", "rotate(1000)"], "degrees of rotate must be from 0 to 180; got 1000"),
        (["digits", "-o", "sheet.txt"], "must end in .png, .jpg, .jpeg, .webp; got sheet.txt"),
        (["digits", "--fit", "bend"], "fit must be one of"),
        (["nowhere/at-all"], "does not exist"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 1
    assert expected in message(result)
    assert list(tmp_path.iterdir()) == []


def test_no_source_is_a_mistake_of_usage():
    assert run().exit_code == 2
    assert run("digits", "--size", "0").exit_code == 2


def test_rows_are_what_training_sees():
    images = prepare(sheet.choose_images(read("digits"), 10))
    rows = sheet.augmented_rows(images, ["alternating_flip"], views=4, seed=5)
    for i, row in enumerate(rows):
        original, *views = row.pictures
        assert np.array_equal(original, images.images[i])
        assert np.array_equal(views[0], views[2])
        assert np.array_equal(views[0], views[1][:, ::-1])
        assert row.title.startswith(images.classes[images.labels[i]])


def test_captions_say_what_a_mixed_image_is_made_of():
    pixels = np.stack([np.full((4, 4, 1), 200 * i, np.uint8) for i in range(2)])
    rows = sheet.augmented_rows(image_set(pixels, [0, 1], ("cat", "dog")), ["mixup(1)"], views=20)
    for row in rows:
        for picture, caption in zip(row.pictures[1:], row.captions[1:], strict=True):
            shares = {line.split(" % ")[1]: int(line.split(" %")[0]) for line in caption.split("\n")}
            assert sum(shares.values()) in (99, 100, 101)
            assert abs(shares.get("dog", 0) * 2 - int(picture[0, 0, 0])) <= 2


def test_without_labels_each_image_is_a_class_of_its_own():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    rows = sheet.augmented_rows(image_set(pixels, [-1] * 3, ()), ["cutmix"], views=3)
    assert [row.title for row in rows] == ["0.png", "1.png", "2.png"]
    assert any(".png" in caption for row in rows for caption in row.captions)


def test_a_word_without_effect_says_so():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    rows = sheet.catalogue_rows(image_set(pixels, [0, 1], ("a", "b")), views=2)
    idle = [row.title.split("\n")[0] for row in rows if "no effect" in row.title]
    assert {"saturation", "hue"} <= set(idle)
    assert "rotate" not in idle


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 700, 3), (300, 5, 3), (8, 8, 1), (600, 900, 3)])
def test_any_size_of_picture(shape):
    row = sheet.SheetRow("a\nb", np.zeros((3, *shape), np.uint8), ["", "x", "y\nz"])
    drawn = sheet.draw_sheet([row, row], "heading")
    assert drawn.width < 1200
    assert (np.asarray(drawn)[:, 170:] == 0).any()


@pytest.mark.parametrize("name", ["", "ÄÖ", "日本語", "a\nb\tc\x00", "\udcff.png", "🍎", "שלום", "x" * 500])
def test_any_name(name):
    assert sheet.draw_sheet([sheet.SheetRow(name, np.zeros((2, 8, 8, 3), np.uint8), [name, name])], name).width > 100


def test_test_images_are_not_looked_at():
    splits = np.array(["test"] * 5 + ["train"] * 3 + ["valid"] * 2)
    catalog = Catalog("x", "arrays", [str(i) for i in range(10)], list(range(10)), np.zeros(10, int), ("a",), splits,
                      Ledger())  # fmt: skip
    assert set(sheet.choose_images(catalog, 100).splits) == {"train", "valid"}
    only = catalog.own("test")
    assert len(sheet.choose_images(only, 3)) == 3


def test_the_global_generator_is_left_alone(tmp_path):
    before = torch.random.get_rng_state()
    run("digits", "-o", tmp_path / "x.png", "--draws", 1)
    assert torch.equal(torch.random.get_rng_state(), before)
