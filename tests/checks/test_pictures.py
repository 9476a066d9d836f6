"""Planted faults are found in sets of any kind, and a set's own ways are no faults."""

import numpy as np
import pytest
from tests.checks.pictures_of import (
    blurred,
    brightened,
    darkened,
    digit,
    enlarged,
    examined_of,
    natural,
    patches,
    plain,
)

from striate.checks.pictures import find_odd_pictures

FAULTS = {"blank": plain, "dark": darkened, "bright": brightened, "blurred": blurred}
COUNT = 300


def day(rng):
    return patches(rng)


def night(rng):
    return (patches(rng) * 0.25).astype(np.uint8)


def snow(rng):
    return 255 - (patches(rng) * 0.25).astype(np.uint8)


def soft(rng):
    return blurred(patches(rng), 3)


SETS = {"day": day, "night": night, "snow": snow, "soft": soft, "digits": digit}


def a_set(kind, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([SETS[kind](rng) for _ in range(COUNT)])


def found_in(examined):
    return {one.kind: [int(name) for name in one.images] for one in find_odd_pictures(examined)}


@pytest.mark.parametrize("kind", SETS)
def test_a_set_without_faults_has_no_findings(kind):
    assert found_in(examined_of(a_set(kind))) == {}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["day", "digits"])
def test_planted_faults_are_found(kind, fault):
    images = a_set(kind)
    for i in (3, 50, 200):
        images[i] = FAULTS[fault](images[i])
    assert found_in(examined_of(images)) == {fault: [3, 50, 200]}


@pytest.mark.parametrize(("kind", "fault"), [("night", "dark"), ("night", "blank"), ("snow", "bright")])
def test_planted_faults_are_found_in_sets_that_lean_that_way(kind, fault):
    images = a_set(kind)
    images[7] = FAULTS[fault](images[7])
    assert found_in(examined_of(images)) == {fault: [7]}


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (10, 200, 90)])
def test_any_plain_colour_is_blank(colour):
    images = a_set("day")
    images[11] = colour
    assert found_in(examined_of(images)) == {"blank": [11]}


def test_colours_of_one_brightness_are_not_blank():
    images = a_set("day")
    images[4, :, :16], images[4, :, 16:] = (150, 0, 0), (0, 77, 0)  # of the same luma
    assert 4 not in found_in(examined_of(images)).get("blank", [])


def test_a_class_of_blank_images_is_meant_to_be():
    images = a_set("day")
    labels = np.arange(COUNT) % 3
    images[labels == 2] = 128
    (finding,) = find_odd_pictures(examined_of(images, labels))
    assert (finding.kind, finding.severity) == ("blank", "note")
    assert not any(mark.leave_out for mark in finding.marks)
    assert "c" in finding.effect


def test_blanks_are_left_out_of_training_and_dark_ones_are_not():
    images = a_set("day")
    images[0], images[1] = plain(images[0]), darkened(images[1])
    told = {one.kind: one.marks[0].leave_out for one in find_odd_pictures(examined_of(images))}
    assert told == {"blank": True, "dark": False}


def shapes(widths, heights=None):
    images = np.stack([patches(np.random.default_rng(i)) for i in range(len(widths))])
    heights = np.full(len(widths), 100) if heights is None else np.array(heights)
    return found_in(examined_of(images, widths=np.array(widths), heights=heights))


def test_odd_shapes():
    assert shapes([130] * 50 + [400]) == {"odd-aspect": [50]}
    assert shapes([800] * 50 + [100]) == {"odd-aspect": [50]}
    # upright and lying pictures side by side are of one shape
    assert shapes([133, 75] * 25, [75, 133] * 25) == {}
    assert shapes([100, 150, 200, 60, 80] * 10) == {}


def test_tiny_images():
    assert shapes([500] * 40 + [50], [500] * 40 + [50]) == {"tiny": [40]}
    assert shapes([500] * 40 + [300], [500] * 40 + [300]) == {}


def test_blanks_that_judge_stay_and_how_many_do_not_is_said():
    images = a_set("day")
    images[:4] = 90
    splits = np.where(np.arange(COUNT) % 2, "train", "test").astype("U5")
    (finding,) = find_odd_pictures(examined_of(images, splits=splits))
    assert [mark.leave_out for mark in finding.marks] == [False, True, False, True]
    assert "those that judge stay" in finding.advice
    assert "leaves 2 out of training" in finding.advice


@pytest.mark.parametrize("times", [2, 3, 4])
@pytest.mark.parametrize("method", ["BICUBIC", "LANCZOS"])
def test_enlarged_images_among_others_are_found(times, method):
    """Of soft and of sharp pictures alike: their power falls by any power of the frequency between 0.8 and 1.4."""
    rng = np.random.default_rng(7)
    images = np.stack([natural(rng, steepness=rng.uniform(0.8, 1.4)) for _ in range(COUNT)])
    assert found_in(examined_of(images)).get("enlarged", []) == []
    rows = [4, 17, 90, 203]
    images[rows] = [enlarged(images[i], times, method) for i in rows]
    found = found_in(examined_of(images))
    assert sorted(found.get("enlarged", []) + found.get("blurred", [])) == rows


def test_where_the_detail_of_an_enlarged_image_ends_is_said():
    rng = np.random.default_rng(8)
    images = np.stack([natural(rng, steepness=rng.uniform(0.8, 1.4)) for _ in range(60)])
    images[9] = enlarged(images[9], 2, "LANCZOS")
    (finding,) = [one for one in find_odd_pictures(examined_of(images)) if one.kind == "enlarged"]
    assert finding.marks[0].detail in {f"no detail beyond some {end} of 64 pixels" for end in (28, 32, 36)}
    assert not finding.marks[0].leave_out


@pytest.mark.parametrize("side", [12, 31, 32])
def test_where_all_are_soft_or_small_or_plain_none_is_told_enlarged(side):
    rng = np.random.default_rng(9)
    images = np.stack([enlarged(natural(rng, side), 2) for _ in range(60)])
    images[:5] = 90
    assert "enlarged" not in found_in(examined_of(images))
