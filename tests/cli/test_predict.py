"""`striate predict`: files, folders, patterns, tables and built-in sets; on screen, as JSON and as CSV."""

import csv
import json
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import pytest
from sklearn.datasets import load_digits
from tests.data.oddities import encoded

DIGITS = load_digits()


@pytest.fixture
def model(digits_run):
    return digits_run / "model.striate"


@pytest.fixture
def pictures(tmp_path):
    """Twenty digits as PNG files."""
    (tmp_path / "pictures").mkdir()
    for i in range(20):
        pixels = (DIGITS.images[i] * 255 / 16).astype("uint8")
        (tmp_path / f"pictures/{i}.png").write_bytes(encoded(pixels))
    return tmp_path / "pictures"


def test_json(as_json, model, pictures):
    found = as_json("predict", model, "pictures", "--top", 2)
    assert len(found) == 20
    assert sum(row["class"] == str(DIGITS.target[int(row["image"][9:-4])]) for row in found) >= 18
    for row in found:
        assert {"image", "class", "probability", "top"} <= row.keys()
        assert len(row["top"]) == 2
        assert row["top"][0] == [row["class"], row["probability"]]
        assert row["top"][0][1] >= row["top"][1][1]


@pytest.mark.parametrize(
    ("arguments", "images"),
    [
        (["pictures/3.png"], ["pictures/3.png"]),
        (["pictures/3.png", "pictures/1?.png"], ["pictures/3.png"] + [f"pictures/1{i}.png" for i in "0123456789"]),
        (["table.csv", "--images", "pictures"], ["7.png", "2.png"]),
        (["table.csv", "--images", "pictures", "--image-column", "second"], ["4.png", "5.png"]),
        (["filled.csv", "--images", "pictures"], ["7.png"]),
    ],
)
def test_what_it_takes(as_json, model, pictures, tmp_path, arguments, images):
    (tmp_path / "table.csv").write_text("image;label;second\n7.png;;4.png\n2.png;;5.png\n")  # labels to be filled in
    (tmp_path / "filled.csv").write_text("image,label\n7.png,7\n")
    assert [row["image"] for row in as_json("predict", model, *arguments)] == images


def test_a_built_in_set(as_json, model):
    found = as_json("predict", model, "digits")
    assert len(found) == 1797
    assert found[0]["image"] == "00000"


def test_on_screen(striate, model, pictures):
    result = striate("predict", model, "pictures/3.png", "--top", 3)
    assert result.exit_code == 0
    head, row = result.stdout.splitlines()
    assert head.split() == ["image", "class", "probability", "next"]
    assert row.split()[:2] == ["pictures/3.png", "3"]
    assert row.count("%") == 3
    assert striate("predict", model, "pictures/3.png", "--top", 1).stdout.count("%") == 1


def test_many_are_cut_on_screen(striate, model):
    result = striate("predict", model, "digits")
    assert "… and 1,747 more; --csv FILE or --json gives all of them" in result.stdout
    assert len(result.stdout.splitlines()) == 52


def test_csv_holds_all_and_stdout_nothing(striate, model, pictures, tmp_path):
    result = striate("predict", model, "pictures", "--csv", "out/predictions.csv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "20 predictions written to out/predictions.csv" in result.stderr
    with open(tmp_path / "out/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20
    assert set(rows[0]) == {"image", "class", "probability", "known", *(f"p({i})" for i in range(10)), "error"}


def test_a_file_has_a_row_for_what_cannot_be_read(striate, model, pictures, tmp_path):
    (pictures / "3.png").write_bytes(b"rotten")
    (pictures / "30.png").symlink_to("nowhere")
    result = striate("predict", model, "pictures", "--csv", "out.csv")
    assert result.exit_code == 1
    assert "21 rows, 2 of them of images that cannot be read, written to out.csv" in result.stderr
    striate("predict", model, "pictures", "--parquet", "out.parquet")
    with open(tmp_path / "out.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["image"] for row in rows] == [line["image"] for line in lines]
    assert {line["image"]: line["error"] for line in lines if not line["class"]} == {
        "pictures/3.png": "not an image: begins with b'rotten'", "pictures/30.png": "broken link",
    }  # fmt: skip
    assert [row["class"] or "" for row in rows] == [line["class"] for line in lines]


def test_json_beside_a_file_and_two_files_at_once(as_json, striate, model, pictures, tmp_path):
    found = as_json("predict", model, "pictures", "--csv", "out.csv")
    assert len(found) == 20
    assert (tmp_path / "out.csv").exists()
    result = striate("predict", model, "pictures", "--csv", "out.csv", "--parquet", "out.parquet")
    assert result.exit_code == 2
    assert "must not be given together" in " ".join(result.stderr.split())


def test_an_image_after_ray_is_no_address(striate, model, pictures):
    result = striate("predict", model, "--ray", "pictures", "pictures")
    assert result.exit_code == 1
    assert "got 'pictures'. Put --ray last" in result.stderr


def test_a_device_for_the_workers_of_a_cluster_is_refused(striate, model, pictures):
    result = striate("predict", model, "pictures", "--device", "cpu", "--ray", "auto")
    assert result.exit_code == 2
    assert "--device must not be given with --ray" in " ".join(result.stderr.split())


def test_like_a_sample_submission(striate, model, pictures, tmp_path):
    (tmp_path / "sample.csv").write_text("id;extra;label\n12;a;0\n3;b;0\n")
    result = striate("predict", model, "pictures", "--like", "sample.csv", "--csv", "out.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.csv").read_text() == "id;extra;label\n12;a;2\n3;b;3\n"


def test_like_a_sample_that_names_other_images(striate, model, pictures, tmp_path):
    (tmp_path / "sample.csv").write_text("id,label\n12,0\n777,0\n")
    result = striate("predict", model, "pictures", "--like", "sample.csv", "--csv", "out.csv")
    assert result.exit_code == 1
    assert "1 of the 2 images in sample.csv were not predicted: 777" in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_like_a_sample_of_other_classes_is_refused_before_the_first_image(striate, model, pictures, tmp_path):
    (tmp_path / "sample.csv").write_text("id,cat,dog\n12,0,0\n3,0,0\n")
    result = striate("predict", model, "pictures", "--like", "sample.csv", "--csv", "out.csv")
    assert result.exit_code == 1
    assert "its columns are cat, dog, the classes are 0, 1" in " ".join(result.stderr.split())
    assert not (tmp_path / "out.csv.part").exists()  # which has what was predicted


def test_an_image_that_cannot_be_read_is_named_and_the_others_predicted(striate, model, pictures):
    (pictures / "3.png").write_bytes(b"rotten")
    result = striate("predict", model, "pictures/2.png", "pictures/3.png", "--json")
    assert result.exit_code == 1
    assert "skipped pictures/3.png: not an image: begins with b'rotten'" in result.stderr
    assert [row["image"] for row in json.loads(result.stdout)] == ["pictures/2.png"]


def test_an_image_on_standard_input(as_json, model, pictures):
    picture = min(pictures.iterdir())
    command = [sys.executable, "-m", "striate", "predict", str(model), "-", "--json"]
    (streamed,) = json.loads(
        subprocess.run(command, input=picture.read_bytes(), capture_output=True, check=True).stdout
    )
    (named,) = as_json("predict", model, picture)
    assert streamed["image"] == "-"
    assert [name for name, _ in streamed["top"]] == [name for name, _ in named["top"]]
    assert [p for _, p in streamed["top"]] == pytest.approx([p for _, p in named["top"]], abs=1e-6)  # other threads


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "it is empty"), (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5 (.h5, .hdf5) is not read")]
)
def test_what_is_no_image_on_standard_input(striate, model, content, said):
    failed = striate("predict", model, "-", "--json", stdin=content)
    assert failed.exit_code == 1
    assert said in " ".join(failed.stderr.split())


@pytest.mark.parametrize("address", ["https://example.org/a.png", "http://example.org/a.png?size=2", "s3://b/*.png"])
def test_an_address_is_to_be_downloaded_first(striate, model, address):
    result = striate("predict", model, address)
    assert result.exit_code == 1
    assert "is an address: download it first" in " ".join(result.stderr.split())


def test_none_of_these(as_json, striate, model, tmp_path):
    (tmp_path / "noise.png").write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (8, 8), dtype="uint8")))
    (found,) = as_json("predict", model, "noise.png")
    assert found["known"] is False
    assert not {"sure", "set"} & found.keys()
    row = striate("predict", model, "noise.png").stdout.splitlines()[1]
    assert "none of these" in row
    assert f"else {found['class']}" in row


def test_sure_and_sets(as_json, striate, model, pictures):
    found = as_json("predict", model, "pictures", "--sure", 0.9, "--sets", 0.9)
    assert all(type(row["sure"]) is bool and row["set"][0] == row["class"] for row in found)
    assert sum(row["sure"] for row in found) > 10
    head = striate("predict", model, "pictures", "--sure", 0.9, "--sets", 0.9).stdout.splitlines()[0]
    assert head.split() == ["image", "class", "probability", "sure", "set", "next"]
    striate("predict", model, "pictures", "--sure", 0.9, "--sets", 0.9, "--csv", "out.csv")
    with open("out.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["known"] for row in rows} <= {"yes", "no"}
    assert [row["sure"] == "yes" for row in rows] == [row["sure"] for row in found]
    assert [row["set"].split() for row in rows] == [row["set"] for row in found]


def test_too_much_to_ask_is_refused_before_anything_is_read(striate, model):
    result = striate("predict", model, "missing.png", "--sure", 0.999)
    assert result.exit_code == 1
    assert "needs about" in result.stderr
    assert "validation images, there are" in result.stderr


def test_evaluate_holds_promises_against_images(as_json, striate, model):
    told = as_json("evaluate", model, "digits", "--sure", 0.9, "--sets", 0.9)["promises"]
    assert told["sure"][0]["test"]["precision"] > 0.9
    assert told["sets"][0]["test"]["coverage"] > 0.85
    assert "sure 0.9:" in striate("evaluate", model, "digits", "--sure", 0.9).stdout
    result = striate("evaluate", model, "digits", "--sure", 0.9, "--views", "mirror-shift")
    assert "Leave out views" in result.stderr
