"""What copies do is told once each: leaks, contradictions, and what weighs double; and who is left out of training."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.checks.pictures_of import examined_of, patches

from striate.checks.duplicates import describe_copies

SPLITS = np.array(["train"] * 8 + ["valid"] * 4 + ["test"] * 8)


@dataclass(frozen=True)
class Known:
    """Copies as they are known to be, with what `Copies` of striate.checks.copies has."""

    groups: tuple
    exact_groups: tuple
    near_groups: tuple

    def kind_of(self, group):
        return "mirrored"


def known(*near, exact=()):
    near, exact = (tuple(np.array(group) for group in groups) for groups in (near, exact))
    return Known((*exact, *near), exact, near)


@pytest.fixture
def describe():
    images = np.stack([patches(np.random.default_rng(i)) for i in range(20)])
    labels = np.arange(20) % 2

    def described(copies, blank=()):
        shown = images.copy()
        shown[list(blank)] = 50
        return {
            (one.kind, one.figures.get("split")): one
            for one in describe_copies(examined_of(shown, labels, SPLITS), copies)
        }

    return described


def left_out(finding):
    return sorted(int(mark.image) for mark in finding.marks if mark.leave_out)


def test_nothing_is_said_of_no_copies(describe):
    assert describe(known()) == {}


def test_a_leak(describe):
    told = describe(known([0, 2, 12], [13, 15]))
    assert set(told) == {("leak", "test"), ("near-copies", None)}
    leak = told["leak", "test"]
    assert leak.severity == "serious"
    assert leak.groups == (("00012", "00000", "00002"),)
    assert left_out(leak) == [0, 2]  # the twins in training, not the test image
    assert leak.weight == pytest.approx(100 / 8)
    assert "12.5 points" in leak.effect


def test_a_leak_into_validation_is_no_leak_into_test(describe):
    told = describe(known([1, 9, 11]))
    assert ("leak", "test") not in told
    assert told["leak", "valid"].weight == pytest.approx(50.0)
    assert left_out(told["leak", "valid"]) == [1]


def test_what_is_chosen_by_has_taught_before_it_is_tested(describe):
    told = describe(known([9, 13]))
    assert told["leak", "test"].severity == "serious"
    assert told["leak", "test"].groups == (("00013", "00009"),)
    assert left_out(told["leak", "test"]) == [9]
    assert ("leak", "valid") not in told


@pytest.mark.parametrize(
    ("group", "out"),
    [
        ([0, 2, 4, 6, 3], [3]),  # one against four
        ([0, 2, 4, 1, 3], []),  # three against two: who is wrong?
        ([0, 2, 1, 3], []),
        ([0, 1], [0, 1]),
    ],
)
def test_of_near_copies_only_a_minority_is_taken_to_be_wrong(describe, group, out):
    assert left_out(describe(known(group))["conflicting-labels", None]) == out


def test_equal_images_of_two_labels_go_whatever_their_group_thinks():
    images = np.stack([patches(np.random.default_rng(i)) for i in range(20)])
    found = examined_of(images, np.arange(20) % 2, np.array(["train"] * 20))
    hashes = np.where(np.arange(20) == 3, 0, np.arange(20)).astype(np.uint64)
    found = replace(found, images=replace(found.images, hashes=hashes))
    (conflict,) = [one for one in describe_copies(found, known([0, 2, 1, 3])) if one.kind == "conflicting-labels"]
    assert left_out(conflict) == [0, 3]  # of the other two nobody can say


def test_contradicting_labels_are_left_out_where_they_train(describe):
    told = describe(known([0, 1], [3, 14], exact=[[4, 6]]))
    conflict = told["conflicting-labels", None]
    assert conflict.groups == (("00000", "00001"), ("00003", "00014"))
    assert left_out(conflict) == [0, 1, 3]
    assert conflict.severity == "serious"


def test_of_equal_images_one_stays_and_near_ones_all_stay(describe):
    told = describe(known([1, 3], exact=[[0, 2, 4]]))
    assert left_out(told["exact-copies", None]) == [2, 4]
    assert left_out(told["near-copies", None]) == []
    assert {mark.detail for mark in told["near-copies", None].marks} == {"mirrored"}


def test_blank_images_are_no_copies_of_each_other(describe):
    assert describe(known(exact=[[0, 1, 12]]), blank=(0, 1, 12)) == {}
    told = describe(known(exact=[[0, 2, 4]]), blank=(0,))
    assert told["exact-copies", None].groups == (("00002", "00004"),)
