"""What is known of images beside their class."""

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.preparing.prepare import prepare
from striate.evaluation.attributes import attributes_of


@pytest.fixture
def table(tmp_path):
    rng, rows = np.random.default_rng(0), ["file,label,camera,exposure"]
    for i in range(8):
        name = f"{'left' if i < 4 else 'right'}/{i}.{'jpeg' if i % 2 else 'png'}"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = rng.integers(0, 100 + 20 * i, (20 + i, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        rows.append(f"{name},{'ab'[i % 2]},cam{i % 3},{i / 10}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    return striate.read(tmp_path / "t.csv", label_column="label")


def test_files_names_pixels_and_columns(table):
    images = prepare(table, (16, 16))
    found = attributes_of(images, table)
    assert found["size"].tolist() == [20.0 + i for i in range(8)]
    assert found["aspect"] == pytest.approx([40 / (20 + i) for i in range(8)])
    assert set(found["folder"]) == {"left", "right"}
    assert set(found["format"]) == {"png", "jpg"}
    assert found["column camera"].tolist() == [f"cam{i % 3}" for i in range(8)]
    assert found["column exposure"].tolist() == [i / 10 for i in range(8)]
    assert found["brightness"] == pytest.approx(images.images.reshape(8, -1).mean(1), rel=1e-5)
    assert found["contrast"] == pytest.approx(images.images.reshape(8, -1).std(1), rel=1e-5)
    assert "channels" not in found, "all have three"
    assert attributes_of(images).keys() == {"brightness", "contrast", "folder", "format"}


def test_a_subset_in_another_order(table):
    images = prepare(table, (16, 16)).subset(np.array([6, 1]))
    assert attributes_of(images, table)["column exposure"].tolist() == [0.6, 0.1]


def test_arrays_have_pixels_only():
    digits = striate.read("digits")
    images = prepare(digits, None)
    assert attributes_of(images, digits).keys() == {"brightness", "contrast"}


def test_a_file_that_is_gone_takes_nothing_else_away(table, tmp_path):
    images = prepare(table, (16, 16))
    (tmp_path / "left" / "0.png").unlink()
    assert "size" not in attributes_of(images, table)
    assert "column camera" in attributes_of(images, table)
