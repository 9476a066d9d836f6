"""`striate evaluate`: only images that training has not seen, the published line, JSON."""

import csv
import json
import re
import shutil

import pytest
from tests.data.oddities import encoded, photo

QUICK = ("--net", "fc(classes)", "--epochs", 2, "--set", "precision=float32")


def test_json_on_the_training_source_leaves_seen_images_out(striate, digits_run):
    result = striate("evaluate", digits_run / "model.striate", "digits", "--json")
    found = json.loads(result.stdout)
    assert {"accuracy", "correct", "total", "interval", "classes"} <= found.keys()
    assert found["total"] == 210
    assert found["accuracy"] == found["correct"] / found["total"]
    low, high = found["interval"]
    assert low < found["accuracy"] <= high
    assert [row["class"] for row in found["classes"]] == [str(i) for i in range(10)]
    assert sum(row["total"] for row in found["classes"]) == 210
    assert "1,587 of 1,797 images were seen in training and are left out" in result.stderr


def test_words(striate, digits_run):
    lines = striate("evaluate", digits_run / "model.striate", "digits").stdout.splitlines()
    assert re.fullmatch(r"Accuracy on test set: \d\d\.\d\d% \(\d+ / 210\)  95 % interval .* to .* %", lines[0])
    assert lines[1].split() == [
        "class",
        "correct",
        "accuracy",
        "95",
        "%",
        "interval",
        "precision",
        "95",
        "%",
        "interval",
    ]
    assert [line.split()[0] for line in lines[2:12]] == [str(i) for i in range(10)]
    assert re.fullmatch(r"balanced accuracy \S+ % \(\S+ to \S+\), macro F1 .*, top-3 accuracy .*", lines[12])
    assert re.fullmatch(r"log loss \S+ \(\S+ to \S+\), Brier score \S+ \(\S+ to \S+\)", lines[13])
    assert lines[14].startswith("calibration error ")
    assert any(re.fullmatch(r"  \S+: \d \(\S+ %\), not \d \(\S+ %\).*", line) for line in lines[16:])
    assert any("chance would have it" in line for line in lines[16:])


def test_json_has_what_a_program_may_rely_on(as_json, digits_run):
    found = as_json("evaluate", digits_run / "model.striate", "digits")
    for figure, interval in (
        ("balanced_accuracy", "balanced_interval"), ("macro_f1", "macro_f1_interval"),
        ("log_loss", "log_loss_interval"),
        ("brier", "brier_interval"), ("ece", "ece_interval"),
    ):  # fmt: skip
        assert found[interval][0] <= found[figure] <= found[interval][1], figure
    assert found["top_k"]["k"] == 3
    assert sum(one["images"] for one in found["reliability"]["bins"]) == found["total"]
    assert len(found["mistakes"]) == found["total"] - found["correct"]
    assert {"image", "true", "predicted", "probability", "true_probability", "kind", "cause"} <= found["mistakes"][
        0
    ].keys()
    assert found["slices"]["looked_at"] > 0
    assert all(row["precision_interval"][0] <= row["precision"] for row in found["classes"])
    assert "against" not in found


def test_all_mistakes_as_csv(striate, as_json, digits_run, tmp_path):
    result = striate("evaluate", digits_run / "model.striate", "digits", "--mistakes", "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text("utf-8").splitlines()))
    found = as_json("evaluate", digits_run / "model.striate", "digits")
    assert [row["image"] for row in rows] == [one["image"] for one in found["mistakes"]]
    assert f"{len(rows)} mistakes written to m.csv" in result.stderr
    again = striate("evaluate", digits_run / "model.striate", "digits", "--mistakes", "n.csv")
    assert again.stdout == result.stdout
    assert (tmp_path / "m.csv").read_text("utf-8") == (tmp_path / "n.csv").read_text("utf-8")


def test_against_another_model_and_more_images(striate, as_json, digits_run):
    assert striate("train", "digits", "--net", "majority", "--out", "poor").exit_code == 0
    both = ("evaluate", digits_run / "model.striate", "digits", "--against", "poor/model.striate")
    found = as_json(*both)["against"]
    assert found["model"] == "poor/model.striate"
    assert found["images"] == 210
    assert found["beyond_noise"] is True
    assert found["accuracy"] - found["other_accuracy"] == pytest.approx(found["difference"])
    assert "against poor/model.striate on the same 210 images: " in striate(*both).stdout
    missing = striate("evaluate", digits_run / "model.striate", "digits", "--against", "none.striate")
    assert missing.exit_code == 1
    assert "none.striate" in missing.stderr


def test_more_images(striate, as_json, split):
    assert striate("train", "digits", "--net", "neighbours", "--out", "run").exit_code == 0
    found = as_json("evaluate", "run/model.striate", "digits", "--more-images")["more_images"]
    assert [one["times"] for one in found["forecast"]] == [2, 4]
    assert found["curve"][-1][0] == 1587
    assert found["sentence"].startswith("twice the images: about ")
    assert striate("train", "split", "--net", "neighbours", "--out", "few").exit_code == 0
    few = striate("evaluate", "few/model.striate", "split", "--more-images")
    assert "nobody can say what more images would bring: 16 training images are too few" in few.stdout
    alone = striate("evaluate", "few/model.striate", "split", "--part", "test", "--more-images")
    assert alone.exit_code == 1
    assert "Give the source that it was trained on" in alone.stderr


def test_a_column_on_which_it_is_worse_is_named(striate, as_json, photos, tmp_path):
    """Photographs of the night camera are mislabelled half of the time: a slice that the command must name."""
    assert striate("train", photos, *QUICK, "--epochs", 20, "--out", "run").exit_code == 0
    rows = ["path,label,camera"]
    for i in range(120):
        name, night = ("day", "night")[i % 2], i % 4 > 1
        pixels = photo(12, 12, seed=5000 + i) // (1 + 3 * (name == "night"))
        (tmp_path / f"{i}.png").write_bytes(encoded(pixels))
        wrong = night and i % 8 > 3
        rows.append(f"{i}.png,{('night' if name == 'day' else 'day') if wrong else name},{'N' if night else 'D'}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    found = as_json("evaluate", "run/model.striate", "t.csv", "--label-column", "label")
    assert ("column camera", "N") in {(one["attribute"], one["value"]) for one in found["slices"]["worse"]}
    words = striate("evaluate", "run/model.striate", "t.csv", "--label-column", "label").stdout
    assert re.search(r"  column camera N: \d+\.\d % of 60 images right", words)


@pytest.fixture
def split(photos, tmp_path):
    """A source with train and test folders; returns it with the model trained on it."""
    for place in ("train", "test"):
        for name in ("day", "night"):
            (tmp_path / "split" / place / name).mkdir(parents=True)
    for path in sorted(photos.glob("*/*.png")):
        place = "test" if int(path.stem) >= 8 else "train"
        shutil.copy(path, tmp_path / "split" / place / path.parent.name / path.name)


def test_a_source_s_own_test_split(striate, as_json, split):
    assert as_json("train", "split", *QUICK, "--out", "run")["test_accuracy"] is not None
    result = striate("evaluate", "run/model.striate", "split", "--json")
    assert json.loads(result.stdout)["total"] == 8
    assert "the source's own test split was judged, 8 of 24 images" in result.stderr
    assert as_json("evaluate", "run/model.striate", "split", "--part", "test")["total"] == 8
    seen = striate("evaluate", "run/model.striate", "split", "--part", "train")
    assert seen.exit_code == 1
    assert "all images were seen in training, so their accuracy would say nothing" in seen.stderr
    absent = striate("evaluate", "run/model.striate", "split", "--part", "valid")
    assert "split has no valid split; it has train, test" in absent.stderr


def test_views_of_the_model_or_as_told(striate, as_json):
    trained = as_json("train", "xo", *QUICK, "--set", "views=mirror", "--augment", "flip", "--out", "run")
    assert {"test_accuracy", "test_accuracy_without_views"} <= trained.keys()
    result = striate("evaluate", "run/model.striate", "xo")
    assert "  predictions averaged over 2 views of each image; without: " in result.stdout.splitlines()[1]
    found = as_json("evaluate", "run/model.striate", "xo", "--views", "none")
    assert found["accuracy"] == trained["test_accuracy_without_views"]
    assert (found["views"], found["accuracy_without_views"]) == (1, None)
    wrong = striate("evaluate", "run/model.striate", "xo", "--views", "all")
    assert wrong.exit_code == 1
    assert "unknown views 'all'. Choices: none, mirror, mirror-shift" in wrong.stderr


def test_uneven_classes_have_balanced_accuracy_and_f1_beside_their_accuracy(striate, as_json, uneven):
    result = striate("train", uneven, *QUICK, "--out", "run")
    assert result.exit_code == 0, result.output
    words = striate("evaluate", "run/model.striate", uneven).stdout.splitlines()
    (by_class,) = [line for line in words if "balanced accuracy" in line]  # once, and with its interval
    assert re.match(r"balanced accuracy \d+\.\d\d % \(\S+ to \S+\), macro F1 \d+\.\d\d % \(", by_class)
    found = as_json("evaluate", "run/model.striate", uneven)
    assert {"balanced_accuracy", "macro_f1", "confusion"} <= found.keys()
    accuracies = [row["accuracy"] for row in found["classes"]]
    assert found["balanced_accuracy"] == pytest.approx(sum(accuracies) / 2)


@pytest.fixture
def signs(photos, tmp_path):
    """A model of the classes 00000 and 00012, and a folder of the images that it has not seen."""
    for path in sorted(photos.glob("*/*.png")):
        number = "00000" if path.parent.name == "day" else "00012"
        place = f"new/{number}_{path.name}" if int(path.stem) >= 8 else f"signs/train/{number}/{path.name}"
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / place)
    return tmp_path


def test_labels_are_matched_as_numbers_and_a_column_of_class_ids_is_guessed(striate, signs):
    assert striate("train", "signs", *QUICK, "--out", "run").exit_code == 0
    rows = [f"24,{path.name},{int(path.name[:5])}" for path in sorted((signs / "new").iterdir())]
    (signs / "t.csv").write_text("\n".join(["Width,Path,ClassId", *rows]))
    result = striate("evaluate", "run/model.striate", "t.csv", "--images", "new")
    assert result.exit_code == 0, result.output
    assert "labels are matched to the model's classes as numbers: 0 is 00000, 12 is 00012" in result.stderr
    assert "/ 8)" in result.stdout
    (signs / "u.csv").write_text("\n".join(["Width,Path,Sign", *rows]))
    unknown = striate("evaluate", "run/model.striate", "u.csv", "--images", "new")
    assert unknown.exit_code == 1
    assert "Its columns are Width, Path, Sign; say which one holds the labels with --label-column" in unknown.stderr
    assert unknown.stderr.count("Width, Path, Sign") == 1, unknown.stderr
    told = striate("evaluate", "run/model.striate", "u.csv", "--images", "new", "--label-column", "Sign")
    assert told.stdout == result.stdout


class TestRobustness:
    def test_json_and_page(self, as_json, digits_run, tmp_path):
        model = digits_run / "model.striate"
        found = as_json("evaluate", model, "digits", "--robustness", "--card", tmp_path / "card.html")
        card = found["robustness"]
        assert card["images"] == found["total"] == 210
        assert card["clean"]["accuracy"] == found["accuracy"]
        assert card["weakest"]["sentence"].startswith("weakest: ")
        assert "colour cast" in card["left_out"][0]
        assert "<svg" in (tmp_path / "card.html").read_text("utf-8")

    def test_words(self, striate, digits_run):
        lines = striate("evaluate", digits_run / "model.striate", "digits", "--robustness").stdout.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("robustness"))
        assert lines[start + 1].split() == ["corruption", *"12345", "mean", "at", "its", "strongest"]
        assert lines[start + 2].startswith("shift ")
        assert lines[-1].startswith("weakest: ")

    def test_it_is_not_made_where_nobody_asks(self, as_json, digits_run):
        assert "robustness" not in as_json("evaluate", digits_run / "model.striate", "digits")
