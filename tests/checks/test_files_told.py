"""Files that give the class away, files of several kinds, and pictures that were enlarged."""

import numpy as np
from PIL import Image
from tests.checks.pictures_of import examined_of, patches, written

import striate
from striate.checks.examined import Examined
from striate.checks.files_told import find_enlarged, find_mixed_files, find_shortcuts, tell_files
from striate.checks.look import look_at_images


def of_files(labels, **columns):
    images = np.stack([patches(np.random.default_rng(i), 8, 8) for i in range(len(labels))])
    return examined_of(images, np.array(labels), **columns)


def test_a_class_of_another_format_is_a_shortcut():
    labels = np.arange(120) % 2
    (finding,) = find_shortcuts(of_files(labels, formats=np.where(labels, "PNG", "JPEG")))
    assert (finding.kind, finding.severity) == ("shortcut", "serious")
    assert finding.figures == {"accuracy": 1.0, "chance": 0.5}


def test_sizes_that_go_halfway_with_the_class_are_a_warning():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    widths = np.where(rng.random(400) < 0.75, 100 + 100 * labels, 200 - 100 * labels)
    (finding,) = find_shortcuts(of_files(labels, widths=widths))
    assert finding.severity == "warning"
    assert 0.65 < finding.figures["accuracy"] < 0.85


def test_sizes_that_say_nothing_are_no_shortcut():
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 4
    assert find_shortcuts(of_files(labels, widths=rng.integers(50, 500, 400), heights=rng.integers(50, 500, 400))) == []
    assert find_shortcuts(of_files(labels)) == []


def test_a_few_gray_images_are_named_and_a_mixture_is_counted():
    few = np.full(100, 3)
    few[[5, 9]] = 1
    (finding,) = find_mixed_files(of_files(np.zeros(100, np.int64), channels=few))
    assert finding.images == ("00005", "00009")
    assert finding.severity == "note"
    (finding,) = find_mixed_files(of_files(np.zeros(100, np.int64), channels=np.arange(100) % 2 * 2 + 1))
    assert finding.images == ()
    assert "(50)" in finding.title


def test_files_are_counted():
    told = tell_files(of_files([0, 0, 1], widths=np.array([10, 20, 10]), heights=np.full(3, 10)).appearance)
    assert told["sizes"] == [[10, 10, 2], [10, 20, 1]]
    assert told["aspect"] == [1.0, 1.0, 2.0]


def test_photographs_are_judged_at_their_own_size(tmp_path):
    """Prepared at 128 pixels nothing is to be seen of it: images of 300 pixels that were 75."""
    for i in range(20):
        small = patches(np.random.default_rng(i), 75, 75 + i)
        picture = Image.fromarray(small).resize((4 * (75 + i), 300), Image.Resampling.NEAREST)
        written(np.asarray(picture), tmp_path / "ab"[i % 2] / f"{i}.png")
    catalog = striate.read(tmp_path)
    images = striate.prepare(catalog)
    (finding,) = find_enlarged(Examined(catalog, images, look_at_images(catalog, images)))
    assert finding.figures["side"] > images.image_shape[0]
    assert finding.figures["detail"] <= 100
