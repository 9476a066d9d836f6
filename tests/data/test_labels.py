"""Labels that are no single class, or one class in several spellings."""

import unicodedata

import pytest

from striate.data.labels import (
    class_order,
    encode,
    judge_labels,
    levelled,
    naming_notes,
    same_but_for_spelling,
    spellings,
)


def judged(*names, each=10):
    return judge_labels(dict.fromkeys(names, each))


@pytest.mark.parametrize(
    ("names", "example"),
    [
        (["clear primary", "cloudy", "clear primary water", "haze primary"], "'clear primary'"),
        (["Mass|Nodule", "Mass", "Nodule|Edema", "Edema"], "'Mass|Nodule'"),
        (["cat;dog", "hen"], "'cat;dog'"),
        (["cat", "dog", "cat, dog"], "'cat, dog'"),
        (["cat", "dog", "cat_dog"], "'cat_dog'"),
        (["wet cold", "cold dark", "wet dark"], "'wet cold'"),
        (["['cat']", "['cat', 'dog']", "['dog']"], "\"['cat', 'dog']\""),
        (["{hen}", "{cow,hen}"], "'{cow,hen}'"),
    ],
)
def test_several_labels_in_one_are_told(names, example):
    (warning,) = judged(*names)
    assert "look like several labels in one" in warning
    assert example in warning
    assert "each combination is taken as one class" in warning


@pytest.mark.parametrize(
    "names",
    [
        ["golden retriever", "labrador retriever", "poodle"], ["Boeing 707-000", "Boeing 727-200", "Boeing 737-300"],
        ["mask", "no mask"], ["red fox", "fox", "wolf"], ["class 1", "class 2", "class 10"], ["T-shirt/top", "Trouser"],
        ["tench, Tinca tinca", "goldfish, Carassius auratus"], ["A", "A-", "B+", "B"], [str(i) for i in range(100)],
        ["0.5", "1", "1.5", "2"], ["-1", "0", "1"], ["cat (tabby, young)", "dog (old)"], ["[unknown]", "cat", "dog"],
    ],
)  # fmt: skip
def test_honest_classes_are_left_in_peace(names):
    assert judged(*names) == ()


@pytest.mark.parametrize(
    ("names", "each"),
    [
        (["0.027", "0.165", "2.5"], 1), ([f"{i / 10}" for i in range(30)], 5), (["3.5 mm", "4.1 mm", "2.2 mm"], 1),
        (["0,5", "0,7", "1,9"], 1), ([str(7 * i) for i in range(40)], 1), (["-1.5e-03", "2.5e-02", "3.1e-02"], 1),
    ],
)  # fmt: skip
def test_measurements_are_told(names, each):
    (warning,) = judged(*names, each=each)
    assert f"the labels look like measurements, {len(names)} numbers for {len(names) * each} images" in warning
    assert "each number is taken as a class of its own" in warning


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("Cat", "cat"), "case"), (("T-shirt", "T shirt"), "blanks, hyphens or underscores"),
        (("Mel", "mel "), "case and blanks, hyphens or underscores"),
        ((unicodedata.normalize("NFD", "é"), "é"), "Unicode form"), (("ice cream", "ice\u00a0cream"), "blanks"),
        (("cat", "cat\u200b"), "characters that cannot be seen or look alike"),
        (("cat", "c\u0430t"), "characters that cannot be seen or look alike"),
    ],
)  # fmt: skip
def test_names_that_differ_only_in_spelling(names, what):
    assert same_but_for_spelling([*names, "dog"]) == [(tuple(sorted(names)), what)]
    (warning,) = judged(*names, "dog")
    assert f"differ only in {what}: each is taken as a class of its own" in warning


def test_what_the_eye_cannot_tell_apart_is_written_out():
    assert r"'e\u0301' and é" in judged(unicodedata.normalize("NFD", "é"), "é")[0]
    assert r"cat and 'c\u0430t'" in judged("cat", "c\u0430t")[0]
    assert not judged("кот", "сом", "cat")  # of other letters throughout


def test_no_more_than_three_pairs_are_listed():
    names = [letter * 2 for letter in "abcdefgh"]
    (warning,) = judged(*names, *map(str.upper, names))
    assert warning.count("differ only") == 3
    assert "and 5 more" in warning


def test_a_word_for_no_label_that_is_taken_as_a_class_is_told():
    assert judged("none", "dog")[0].startswith("'none' is taken as a class")


def test_numbers_are_ordered_and_named_as_numbers():
    assert class_order(["10", "-1", "0.5", "9"]) == ("-1", "0.5", "9", "10")
    assert encode(["1.0", None, "10", "9", "1"])[1] == ("1", "9", "10")
    assert encode(["1.0", None, "10", "9", "1"])[0].tolist() == [0, -1, 2, 1, 0]
    assert spellings(["007.0", "1e3", "-0.0", "+2", "2.000e+00", "x"]) == {
        "007.0": "007", "-0.0": "0", "+2": "2", "2.000e+00": "2",
    }  # fmt: skip
    assert levelled("00042") == levelled("42") == levelled("42.0")


def test_numbers_that_are_called_otherwise_are_told():
    assert naming_notes(["1", "1.0", "b"]) == ("labels 1 and 1.0 are one number and are taken as one class, 1",)
    (note,) = naming_notes(["0.0", "1.0"])
    assert note.endswith("classes without a decimal point: 0.0 as 0, 1.0 as 1")
    assert naming_notes(["1", "2", None]) == ()
