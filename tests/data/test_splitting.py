"""Splits: a partition, equal images together, unmoved by new images, every class in every part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.imageset import ImageSet
from striate.data.ratios import parse_ratios
from striate.data.splitting import fold_rows, split, split_rows, unit_hash, unit_keys
from striate.errors import ArgumentError, DataError

RATIOS = [(0.8, 0.1, 0.1), (0.7, 0.3, 0.0), (0.6, 0.0, 0.4), (1.0, 0.0, 0.0), (1, 1, 1)]


def random_hashes(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


def unsaid(n: int) -> np.ndarray:
    return np.full(n, "", dtype="<U5")


def parts_of(splits, n: int) -> np.ndarray:
    part = np.full(n, -1)
    for i, rows in enumerate((splits.train, splits.valid, splits.test)):
        assert (part[rows] == -1).all()
        part[rows] = i
    return part


# a few distinct images, each of which may come back under several labels
samples = st.lists(st.tuples(st.integers(0, 40), st.integers(-1, 5)), min_size=1, max_size=120)


def drawn(pairs, seed) -> tuple[np.ndarray, np.ndarray]:
    image, label = np.array(pairs).T
    return random_hashes(41, seed)[image], label


@settings(max_examples=200)
@given(samples, st.sampled_from(RATIOS), st.integers(-(2**70), 2**70))
def test_a_partition_with_equal_images_together(pairs, ratios, seed):
    hashes, labels = drawn(pairs, 1)
    if (labels < 0).all():
        with pytest.raises(DataError, match="nothing to split: no image has a label"):
            split_rows(hashes, labels, unsaid(len(labels)), ratios, seed)
        return
    splits = split_rows(hashes, labels, unsaid(len(labels)), ratios, seed)
    part = parts_of(splits, len(labels))
    assert ((part >= 0) == (labels >= 0)).all()
    for value in np.unique(hashes[labels >= 0]):
        assert len(np.unique(part[(hashes == value) & (labels >= 0)])) == 1
    assert set(part[part >= 0]) <= {i for i in range(3) if ratios[i]}


@settings(max_examples=200)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.sampled_from(RATIOS), st.integers(0, 99))
def test_every_class_with_enough_images_is_in_every_part(labels, ratios, seed):
    labels = np.array(labels)
    hashes = np.repeat(random_hashes(len(labels), seed), 2)  # each image twice: copies do not count
    labels = np.repeat(labels, 2)
    splits = split_rows(hashes, labels, unsaid(len(labels)), ratios, seed)
    part = parts_of(splits, len(labels))
    wanted = [i for i in range(3) if ratios[i]]
    short = []
    for c in np.unique(labels):
        distinct = len(np.unique(hashes[labels == c]))
        assert set(wanted[:distinct]) <= set(part[labels == c]), "train first, then valid"
        short += [str(c)] * (distinct < len(wanted))
    note = next((note for note in splits.notes if note.startswith("too few")), "")
    assert all(f"{c} (" in note for c in short[:5])
    assert bool(note) == bool(short)


@settings(max_examples=200)
@given(samples)
def test_shared_images_never_empty_a_class_that_could_be_trained(pairs):
    hashes, labels = drawn(pairs, 2)
    labels = np.maximum(labels, 0)
    splits = split_rows(hashes, labels, unsaid(len(labels)))
    part = parts_of(splits, len(labels))
    clash = any("another label" in note for note in splits.notes)
    assert clash == any(len(np.unique(labels[hashes == value])) > 1 for value in np.unique(hashes))
    for c in np.unique(labels):
        missing = {0, 1, 2} - set(part[labels == c])
        assert not missing or any(note.startswith("too few") for note in splits.notes)


@settings(max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 400))
def test_adding_images_moves_none_of_the_others(seed, more):
    rng = np.random.default_rng(seed)
    n = 900
    hashes, labels = random_hashes(n + more, seed), rng.integers(0, 3, n + more)
    before = parts_of(split_rows(hashes[:n], labels[:n], unsaid(n), seed=seed), n)
    order = rng.permutation(n + more)
    after = np.empty(n + more, int)
    after[order] = parts_of(split_rows(hashes[order], labels[order], unsaid(n + more), seed=seed), n + more)
    assert (before == after[:n]).all()


def test_proportions_are_within_binomial_bounds():
    n = 60_000
    splits = split_rows(random_hashes(n), np.zeros(n, int), unsaid(n))
    for rows, share in ((splits.train, 0.8), (splits.valid, 0.1), (splits.test, 0.1)):
        assert abs(len(rows) - n * share) < 5 * np.sqrt(n * share * (1 - share))


def test_the_seed_changes_the_split_and_nothing_else_does():
    hashes, labels = random_hashes(1000), np.arange(1000) % 7
    first, again, other = (split_rows(hashes, labels, unsaid(1000), seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)


def test_hashes_that_follow_a_pattern_are_spread_too():
    for hashes in (np.arange(10_000), np.arange(10_000) << 50):
        u = unit_hash(hashes.astype(np.uint64), 0)
        counts = np.histogram(u, 20, (0, 1))[0]
        assert ((counts - 500) ** 2 / 500).sum() < 60  # chi-squared with 19 degrees of freedom


def test_the_split_stays_the_same_for_ever():
    # another value here would reshuffle every user's data
    assert unit_hash(np.array([0, 1, 2**63], np.uint64), 0).round(6).tolist() == [0.80029, 0.204523, 0.001811]


def test_own_splits_are_kept_and_valid_comes_out_of_train():
    n = 3000
    hashes, labels = random_hashes(n), np.arange(n) % 10
    own = np.where(np.arange(n) < 2500, "train", "test")
    splits = split_rows(hashes, labels, own)
    assert np.array_equal(splits.test, np.arange(2500, n))
    assert np.array_equal(np.union1d(splits.train, splits.valid), np.arange(2500))
    assert abs(len(splits.valid) - 2500 / 9) < 80
    assert splits.notes == ()
    assert len(split_rows(hashes, labels, own, (1, 0, 0)).valid) == 0


def test_own_train_and_valid_have_no_test():
    own = np.array(["train"] * 6 + ["valid"] * 4)
    splits = split_rows(random_hashes(10), np.arange(10) % 2, own)
    assert (len(splits.train), len(splits.valid), len(splits.test)) == (6, 4, 0)
    assert splits.notes == ("the source has no test split, so nothing is held back for the final test",)


def test_train_alone_is_split_like_a_source_that_says_nothing():
    hashes, labels = random_hashes(300), np.arange(300) % 3
    unlabelled_test = np.where(np.arange(300) < 250, "train", "test")
    labels[250:] = -1
    splits = split_rows(hashes, labels, unlabelled_test)
    wanted = split_rows(hashes[:250], labels[:250], unsaid(250))
    assert np.array_equal(splits.test, wanted.test)
    assert len(splits.test)


def test_own_splits_without_train_are_an_error():
    with pytest.raises(DataError, match="has no train split; got only test, valid"):
        split_rows(random_hashes(4), np.zeros(4, int), np.array(["test", "test", "valid", "valid"]))


def test_images_in_no_own_split_are_trained_on_and_said():
    splits = split_rows(random_hashes(4), np.zeros(4, int), np.array(["train", "", "valid", "test"]))
    assert splits.train.tolist() == [0, 1]
    assert splits.notes == ("1 image that the source puts into no split is used for training",)


def test_leaks_and_contradictions_are_said():
    hashes = np.array([1, 2, 3, 3, 5, 1, 5], np.uint64)
    own = np.array(["train", "train", "train", "valid", "valid", "test", "test"])
    labels = np.array([0, 1, 0, 1, 0, 0, 0])
    splits = split_rows(hashes, labels, own, classes=("cat", "dog"), names=list("abcdefg"))
    assert splits.notes == (
        "2 images are identical to one with another label, such as c (cat) and d (dog)",
        "1 of the valid images is identical to one that is trained on",
        "1 of the test images is identical to one that is trained on",
        "1 of the test images is identical to one that is chosen by",
    )


def test_many_small_classes_are_counted_not_listed():
    labels = np.arange(9)
    splits = split_rows(random_hashes(9), labels, unsaid(9), classes=[f"class-{i}" for i in range(9)])
    assert np.array_equal(splits.train, np.arange(9)), "a class with one image is trained on"
    assert "class-4 (1) and 4 more" in splits.notes[0]


def test_image_sets_are_split_with_all_they_carry():
    n = 60
    images = ImageSet(
        pixels=np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2, 1),
        rows=np.arange(n),
        labels=np.arange(n) % 3,
        classes=("a", "b", "c"),
        names=[f"{i}.png" for i in range(n)],
        hashes=random_hashes(n),
        splits=unsaid(n),
    )
    splits = split(images, parse_ratios("60:20:20"), seed=3)
    parts = (splits.train, splits.valid, splits.test)
    assert sum(map(len, parts)) == n
    for part in parts:
        assert part.pixels is images.pixels
        assert set(part.labels) == {0, 1, 2}
        assert [int(name[:-4]) for name in part.names] == part.rows.tolist()
        assert np.array_equal(part.hashes, images.hashes[part.rows])


@pytest.mark.parametrize(
    ("text", "ratios"),
    [
        ("70:30", (0.7, 0.3, 0)),
        ("70/30", (0.7, 0.3, 0)),
        ("80:10:10", (0.8, 0.1, 0.1)),
        ("0.5, 0.25, 0.25", (0.5, 0.25, 0.25)),
        (" 90 % : 10 % ", (0.9, 0.1, 0)),
        ("3:1", (0.75, 0.25, 0)),
        ("80:0:20", (0.8, 0, 0.2)),
    ],
)
def test_ratios_are_read(text, ratios):
    assert parse_ratios(text) == pytest.approx(ratios)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80", "train:valid or train:valid:test, such as 70:30 or 80:10:10; got '80'"),
        ("a:b", "got 'a:b'"),
        ("", "got ''"),
        ("1:2:3:4", "got '1:2:3:4'"),
        ("70:-30", "none negative"),
        ("0:100", "train above 0"),
        ("nan:1", "none negative"),
        ("inf:1", "none negative"),
    ],
)
def test_ratios_that_cannot_be_teach(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse_ratios(text)


# images of a few groups, some of them equal, under any label
grouped = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12), st.integers(0, 3)), min_size=2, max_size=150)


def sides_of(parts, groups) -> np.ndarray:
    """Return on how many sides each group stands."""
    return np.array([len(np.unique(parts[(groups == g) & (parts >= 0)])) for g in np.unique(groups)])


@settings(max_examples=100)
@given(grouped, st.sampled_from(RATIOS), st.integers(0, 99))
def test_no_group_stands_on_two_sides(rows, ratios, seed):
    image, groups, labels = np.array(rows).T
    hashes, n = random_hashes(61, seed)[image], len(rows)
    splits = split_rows(hashes, labels, unsaid(n), ratios, seed, groups=groups)
    part = parts_of(splits, n)
    assert (part >= 0).all()
    assert sides_of(part, groups).max() == sides_of(part, hashes).max() == 1


@settings(max_examples=100)
@given(grouped, st.integers(2, 5), st.integers(0, 99))
def test_folds_hold_together_what_scikit_learns_do(rows, count, seed):
    from sklearn.model_selection import GroupKFold

    image, groups, labels = np.array(rows).T
    hashes, n = random_hashes(61, seed)[image], len(rows)
    keys = unit_keys(hashes, groups)
    folds = fold_rows(hashes, labels, groups, count, seed)
    expected = list(GroupKFold(count).split(keys, groups=keys)) if len(np.unique(keys)) >= count else []
    for some in (folds, expected):
        turn = np.full(n, -1)
        for i, (train, valid) in enumerate(some):
            assert np.array_equal(np.sort(np.concatenate([train, valid])), np.arange(n))
            assert not np.isin(keys[train], keys[valid]).any()
            turn[valid] = i
        assert (turn >= 0).all() or not some
    assert len(folds) == min(count, len(np.unique(keys))), "no fold is empty"


def test_groups_of_one_change_nothing():
    hashes, labels = random_hashes(500), np.arange(500) % 3
    alone = split_rows(hashes, labels, unsaid(500), seed=4)
    told = split_rows(hashes, labels, unsaid(500), seed=4, groups=np.arange(500))
    assert np.array_equal(alone.test, told.test)
    assert np.array_equal(alone.valid, told.valid)
    for (_, one), (_, other) in zip(*(fold_rows(hashes, labels, g, 5, 0) for g in (None, np.arange(500))), strict=True):
        assert np.array_equal(one, other)
        assert len(one) == 100


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_keep_the_shares(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(10, 31, 120)
    groups, labels = np.repeat(np.arange(120), sizes), np.repeat(np.arange(120) % 3, sizes)
    n = len(groups)
    splits = split_rows(random_hashes(n, seed), labels, unsaid(n), seed=seed, groups=groups)
    for rows, share in ((splits.train, 0.8), (splits.valid, 0.1), (splits.test, 0.1)):
        of_class = np.bincount(labels[rows], minlength=3)
        assert (abs(of_class - share * np.bincount(labels)) <= 30).all(), "within a group of the ratios"
    assert max(abs(len(valid) - n / 5) for _, valid in fold_rows(random_hashes(n), labels, groups, 5, seed)) <= 45


def test_adding_a_group_moves_few_of_the_others():
    sizes = np.random.default_rng(0).integers(10, 31, 200)
    groups = np.repeat(np.arange(200), sizes)
    n, few = len(groups), int(sizes[:198].sum())
    hashes, labels = random_hashes(n), np.zeros(n, int)
    before = parts_of(split_rows(hashes[:few], labels[:few], unsaid(few), groups=groups[:few]), few)
    after = parts_of(split_rows(hashes, labels, unsaid(n), groups=groups), n)
    assert (before != after[:few]).mean() < 0.03
