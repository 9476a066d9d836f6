"""Groups: near copies are found, likenesses are not, names are believed where looks agree, the user's word goes."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

import striate
from striate.data.dataset import DataOptions, find_groups, make_dataset
from striate.data.grouping import neighbours
from striate.data.grouping.alignment import align, grays, lacking_detail
from striate.data.grouping.chains import tied_together
from striate.data.grouping.choice import parse_groups
from striate.data.grouping.content import FEWEST, find_ties
from striate.data.grouping.groups import HURRIED, UNSEEN, group_images
from striate.data.grouping.known import near_known, pack
from striate.data.grouping.looks import look_at
from striate.data.grouping.names import stem_and_counter
from striate.data.grouping.neighbours import close_pairs, survey
from striate.data.grouping.sketches import VIEWS, averaged, sketch_images
from striate.data.grouping.turns import EVERY_TURN, turned_images, turned_sketches
from striate.data.imageset import ImageSet
from striate.errors import ArgumentError
from striate.observer import Observer

SIDE = 32


def scene(rng: np.random.Generator) -> Image.Image:
    """Return a picture of its own: soft patches of colour under a few sharp shapes."""
    soft = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    pixels = np.array(soft)
    for _ in range(6):
        y, x = rng.integers(0, 52, 2)
        h, w = rng.integers(4, 20, 2)
        pixels[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels)


def frames(picture: Image.Image, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return frames of one object that comes closer, drifts and is lit otherwise, with a little noise."""
    start, drift, light = rng.uniform(0.8, 0.9), rng.normal(0, 2, 2), rng.uniform(0.85, 1.2)
    made = []
    for t in np.linspace(0, 1, count):
        half = 32 / (start + 0.15 * t)
        x, y = 32 + drift * t + rng.normal(0, 0.5, 2)
        box = (x - half, y - half, x + half, y + half)
        seen = picture.transform((SIDE, SIDE), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
        lit = np.asarray(ImageEnhance.Brightness(seen).enhance(light + 0.1 * t), np.float32)
        made.append(np.clip(lit + rng.normal(0, 3, lit.shape), 0, 255).astype(np.uint8))
    return made


def image_set(pixels: np.ndarray, labels: np.ndarray, names: list[str] | None = None) -> ImageSet:
    catalog = striate.read((pixels, labels))
    images = striate.prepare(catalog)
    return images if names is None else ImageSet(**{**vars(images), "names": names})


@pytest.fixture(scope="module")
def bursts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (images, labels, objects) of 60 objects in bursts of 5 to 12 frames, shuffled."""
    rng = np.random.default_rng(0)
    made = [frames(scene(rng), int(rng.integers(5, 13)), rng) for _ in range(60)]
    objects = np.repeat(np.arange(60), [len(one) for one in made])
    order = rng.permutation(len(objects))
    return np.concatenate(made)[order], (objects % 3)[order], objects[order]


def together(ids: np.ndarray) -> np.ndarray:
    return (ids[:, None] == ids)[np.triu_indices(len(ids), 1)]


def test_frames_of_one_object_are_a_group_and_objects_are_apart(bursts):
    images, labels, objects = bursts
    groups = group_images(image_set(images, labels))
    found, true = together(groups.ids), together(objects)
    assert (found & true).sum() / true.sum() > 0.95
    assert (found & true).sum() / found.sum() > 0.99
    assert groups.by == "content"
    assert "near copies: kept together; --groups none turns that off" in groups.sentence
    assert groups.to_json()["count"] == groups.count


@pytest.mark.parametrize("source", ["digits", "shapes"])
def test_things_that_only_resemble_each_other_stay_apart(source):
    images = striate.prepare(striate.read(source))
    groups = group_images(images)
    assert groups.sizes.sum() < 0.03 * len(images)
    assert groups.sizes.max(initial=1) < 20


def test_a_mirrored_framed_or_faded_copy_is_found():
    rng = np.random.default_rng(1)
    pictures = np.stack([frames(scene(rng), 1, rng)[0] for _ in range(200)])
    framed = pictures[2].copy()
    framed[:3] = framed[-3:] = framed[:, :3] = framed[:, -3:] = 255
    copies = np.stack([pictures[0][:, ::-1], (pictures[1] * 0.7 + 30).astype(np.uint8), framed])
    groups = group_images(image_set(np.concatenate([pictures, copies]), np.arange(203) % 2))
    assert [groups.ids[200 + i] == groups.ids[i] for i in range(3)] == [True] * 3
    assert groups.sizes.tolist() == [2, 2, 2]


def test_a_class_is_never_swallowed():
    rng = np.random.default_rng(2)
    alone = np.stack([frames(scene(rng), 1, rng)[0] for _ in range(400)])
    burst = np.stack(frames(scene(rng), 12, rng))
    labels = np.repeat([0, 1], [400, 12])
    groups = group_images(image_set(np.concatenate([alone, burst]), labels))
    assert groups.sizes.max(initial=0) <= 6
    assert any("not kept together" in note for note in groups.notes)


def test_names_that_run_are_believed_where_neighbours_look_alike(bursts):
    images, labels, objects = bursts
    counter = np.zeros(len(objects), int)
    for one in np.unique(objects):
        counter[objects == one] = np.arange((objects == one).sum())
    named = [f"{label}/{one:05d}_{k:05d}.png" for label, one, k in zip(labels, objects, counter, strict=True)]
    rng, groups = np.random.default_rng(0), group_images(image_set(images, labels, named))
    assert np.array_equal(together(groups.ids), together(objects))
    assert "names" in groups.by
    shuffled = [named[i] for i in rng.permutation(len(named))]
    assert "names" not in group_images(image_set(images, labels, shuffled)).by, "names that say nothing are passed over"


def test_few_or_empty_images_have_no_groups_by_content():
    for n in (0, 1, 5, FEWEST - 1):
        pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
        images = ImageSet(pixels, np.arange(n), np.zeros(n, int), ("a",), [str(i) for i in range(n)],
                          np.arange(n, dtype=np.uint64), np.full(n, "", "U5"))  # fmt: skip
        assert group_images(images).count == 0
    flat = np.full((40, 8, 8, 1), 7, np.uint8)
    assert len(np.unique(group_images(image_set(flat, np.arange(40) % 2)).ids)) <= 40


def test_equal_images_are_of_one_group():
    rng = np.random.default_rng(3)
    pixels = np.stack([frames(scene(rng), 1, rng)[0] for _ in range(50)])
    groups = group_images(image_set(np.concatenate([pixels, pixels[:4]]), np.arange(54) % 2))
    assert groups.ids[50:].tolist() == groups.ids[:4].tolist()
    assert groups.count == 4


def test_of_very_many_images_those_in_near_cells_are_compared_and_copies_found(monkeypatch):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(4000, 20)).astype(np.float32) * np.linspace(2, 0.3, 20, dtype=np.float32)
    points[2000:3000] = points[:1000] + rng.normal(0, 0.02, (1000, 20))  # copies
    radius = survey(points).radius(0.0)
    every = set(zip(*(side.tolist() for side in close_pairs(points, points, radius)[:2]), strict=True))
    monkeypatch.setattr(neighbours, "MOST_COMPARED", 1000)
    monkeypatch.setattr(neighbours, "CELL", 100)
    parts = neighbours.cells(points, points, radius)
    looked_at = sum(len(rows) * len(columns) for rows, columns in parts)
    first, second, distance = close_pairs(points, points, radius)
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    assert looked_at < 0.35 * len(points) ** 2
    assert found <= every
    assert len(found) == len(first) >= 0.97 * len(every)
    assert {(i, i + 2000) for i in range(1000)} <= found
    assert np.allclose(distance, np.linalg.norm(points[first] - points[second], axis=1), atol=1e-4)
    monkeypatch.setattr(neighbours, "MOST_CELLS", 40)  # all that the radius reaches: none is passed over
    everywhere = close_pairs(points, points, radius)
    assert set(zip(everywhere[0].tolist(), everywhere[1].tolist(), strict=True)) == every


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(16, 60), st.integers(2, 9))
def test_close_pairs_are_all_there_are(seed, n, d):
    rng = np.random.default_rng(seed)
    points, radius = rng.normal(size=(n, d)).astype(np.float32), rng.uniform(0.1, 2, n).astype(np.float32)
    first, second, distance = close_pairs(points, points, radius)
    exact = np.linalg.norm(points[:, None] - points, axis=2)
    near = (exact < np.minimum(radius, radius[:, None]) - 1e-3) & np.triu(np.ones((n, n), bool), 1)
    loose = (exact < np.minimum(radius, radius[:, None]) + 1e-3) & np.triu(np.ones((n, n), bool), 1)
    found = np.zeros((n, n), bool)
    found[first, second] = True
    assert (near <= found).all()
    assert (found <= loose).all()
    assert distance == pytest.approx(exact[first, second], abs=1e-3)


@pytest.mark.parametrize("d", [2, 5, 10])
def test_the_expected_number_of_neighbours_is_the_one_that_comes(d):
    points = np.random.default_rng(0).uniform(size=(3000, d)).astype(np.float32)
    around = survey(points)
    nearest = np.sort(np.linalg.norm(points[:300, None] - points, axis=2), 1)
    for rank in (4, 16):
        expected = 10 ** around.expected(np.arange(300), nearest[:, rank])
        assert np.median(expected) == pytest.approx(rank, rel=0.5)
    assert np.median(around.dimension) == pytest.approx(d, rel=0.35)


@pytest.mark.parametrize("turn", EVERY_TURN)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_turned_sketch_is_the_sketch_of_the_turned_image(turn, channels):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, channels), dtype=np.uint8)
    planes = [turned_images(pixels[..., c], turn) for c in range(channels)]
    assert turned_sketches(sketch_images(pixels), turn) == pytest.approx(sketch_images(np.stack(planes, 3)), abs=1e-3)


def test_the_eight_turns_are_all_that_there_are():
    image = np.arange(9).reshape(1, 3, 3)
    ways = [np.rot90(image[0], k) for k in range(4)] + [np.rot90(image[0].T, k) for k in range(4)]
    assert {turned_images(image, turn).tobytes() for turn in EVERY_TURN} == {way.tobytes() for way in ways}


def test_shrinking_is_averaging():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 64, 3), dtype=np.uint8)
    assert averaged(pixels, (16, 16)) == pytest.approx(pixels.reshape(3, 16, 2, 16, 4, 3).mean((2, 4)), abs=1e-3)


def lack(one: np.ndarray, other: np.ndarray, zoom: float = 1.0) -> float:
    sides = [grays(side[None]).astype(np.float32) for side in (one, other)]
    return float(lacking_detail(*sides, align(*sides, np.full(1, zoom, np.float32)))[0])


def test_what_a_shift_and_light_make_is_explained_and_another_image_is_not():
    rng = np.random.default_rng(0)
    (one, same), (other,) = frames(scene(rng), 2, rng), frames(scene(rng), 1, rng)
    assert lack(one, same) < 0.2
    assert lack(one, other) > 0.7
    assert lack(one, 255 - one) > 0.9, "a negative is no copy"
    assert lack(one, one) < 0.02


@pytest.mark.parametrize("seed", range(3))
def test_the_warp_that_made_a_copy_is_found(seed):
    picture = scene(np.random.default_rng(seed)).resize((128, 128), Image.Resampling.BICUBIC)
    turned = picture.rotate(6, Image.Resampling.BICUBIC).crop((16, 16, 112, 112))
    sides = [grays(np.asarray(side)[None]).astype(np.float32) for side in (picture, turned)]
    warp = align(*sides, np.full(1, 4 / 3, np.float32))[0]
    angle = np.deg2rad(6)
    expected = 128 / 96 * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert warp[:, :2] == pytest.approx(expected, abs=0.06)
    assert warp[:, 2] == pytest.approx(0, abs=0.06)


def test_near_copies_are_known_by_kept_sketches(bursts):
    images, labels, objects = bursts
    kept = pack(look_at(image_set(images, labels)).views[: len(VIEWS)])
    assert kept.dtype == np.int8
    assert kept.shape[1] <= 128, "bytes an image"
    known = objects < 40
    near = near_known(kept[~known], kept[known])
    assert near.mean() < 0.02
    half = np.arange(len(objects)) % 2 == 0
    assert near_known(kept[~half], kept[half]).mean() > 0.5


def test_in_a_hurry_the_nearest_frames_are_kept_together_and_it_is_told(bursts):
    images, labels, objects = bursts
    whole = image_set(images, labels)
    groups = group_images(whole, until=time.perf_counter())
    assert groups.hurried
    assert HURRIED in groups.notes
    ids, sizes = np.unique(groups.ids, return_inverse=True)[1], np.bincount(objects)
    assert (sizes[objects] > np.bincount(ids)[ids]).mean() < 0.2  # few objects are in parts
    assert len(np.unique(np.stack([ids, objects]), axis=1).T) - len(sizes) < 0.2 * len(sizes)
    calm = group_images(whole, until=time.perf_counter() + 600)
    assert not calm.hurried
    assert (calm.ids == group_images(whole).ids).all()


def test_in_a_hurry_long_bursts_are_not_torn_apart(monkeypatch):
    rng = np.random.default_rng(3)
    images = np.concatenate([frames(scene(rng), 25, rng) for _ in range(40)])
    objects, looks = np.repeat(np.arange(40), 25), look_at(image_set(images, np.arange(1000) % 2))
    ticks = count(1.0)
    monkeypatch.setattr("striate.data.grouping.content.time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    ties = find_ties(looks, until=36.0)  # time for some of the views, and for comparing about half of the pairs
    assert ties.hurried
    ids = tied_together(1000, ties.first, ties.second)
    together = [np.bincount(ids[objects == one]).max() for one in range(40)]
    pure = [np.bincount(objects[ids == one]).max() for one in np.unique(ids)]
    assert sum(together) > 0.95 * 1000
    assert sum(pure) > 0.95 * 1000


def test_where_there_is_no_time_to_look_equal_images_stay_together_and_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("striate.data.grouping.looks.BLOCK", 8)
    monkeypatch.setattr("striate.data.grouping.sketches.BLOCK", 8)
    monkeypatch.setattr("striate.data.grouping.kept.WORTH_IMAGES", 1)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1), dtype=np.uint8)
    catalog = striate.read((np.concatenate([pixels, pixels[:5]]), np.arange(105) % 2))
    images = striate.prepare(catalog)
    groups = find_groups(images, catalog, None, until=time.perf_counter() - 1)
    assert (groups.hurried, groups.count, groups.notes) == (True, 5, (UNSEEN,))
    assert not find_groups(images, catalog, None).hurried  # what was found in a hurry is not remembered


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("00012_00003.png", ("00012_#.png", 3)),
        ("a/img-0007.jpg", ("a/img-#.jpg", 7)),
        ("2024.v2/x.png", ("2024.v2/x.png", -1)),
        ("7", ("#", 7)),
    ],
)
def test_stems_and_counters(name, expected):
    assert stem_and_counter(name) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(", "no regular expression.*the table's columns are file, patient.*Give none, auto, folder, a column"),
        ("patien", "has no parentheses.*columns are file, patient"),
    ],
)
def test_what_says_no_groups_teaches(text, message):
    with pytest.raises(ArgumentError, match=message):
        parse_groups(text, ("file", "patient"))


def by_word(names: list[str], text: str, labels=None):
    n = len(names)
    pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return group_images(image_set(pixels, np.arange(n) % 2 if labels is None else labels, names), parse_groups(text))


def test_a_pattern_and_the_folder_group_by_name():
    names = ["a/1_0.png", "a/1_1.png", "a/2_0.png", "b/1_0.png", "b/odd.png"]
    groups = by_word(names, "([a-z]/[0-9]+)_")
    assert together(groups.ids).sum() == 1
    assert groups.notes == ("1 of 5 images do not match '([a-z]/[0-9]+)_' and stand alone, the first b/odd.png",)
    assert by_word(names, "folder", np.array([0, 1, 0, 1, 0])).sizes.tolist() == [3, 2]
    with pytest.raises(ArgumentError, match="puts each of the 2 classes into one group"):
        by_word(names, "folder", np.array([0, 0, 0, 1, 1]))


def test_folders_that_are_the_classes_are_refused_in_a_source_with_a_test_split_too():
    names = [f"{split}/{name}/{i}.png" for split in ("train", "test") for name in "ab" for i in range(4)]
    labels, own = np.tile(np.repeat([0, 1], 4), 2), np.repeat(["train", "test"], 8)
    images = replace(image_set(np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8), labels, names),
                     splits=own)  # fmt: skip
    with pytest.raises(ArgumentError, match="puts each of the 2 classes into one group"):
        group_images(images, parse_groups("folder"))
    with_valid = replace(images, splits=np.where(np.arange(16) % 4 == 3, "valid", own))
    assert group_images(with_valid, parse_groups("folder")).count == 4  # nothing is left to split


def test_a_column_of_a_table_groups(tmp_path):
    rng, lines = np.random.default_rng(0), ["file,label,patient"]
    for i in range(60):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{'ab'[i // 5 % 2]},{'' if i == 59 else i // 5}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    told = []

    class Hearing(Observer):
        def note(self, text: str) -> None:
            told.append(text)

    dataset = make_dataset(str(tmp_path / "table.csv"), DataOptions(groups="patient"), 0, Hearing())
    assert dataset.groups.by == "column patient"
    assert dataset.described["groups"] == {"count": 12, "by": "column patient", "images": 59, "largest": 5}
    assert any("1 of 60 images have no patient and stand alone, the first 59.png" in note for note in told)
    parts = [set(part.groups.tolist()) for part in (dataset.splits.train, dataset.splits.valid, dataset.splits.test)]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    with pytest.raises(ArgumentError, match="columns are file, label, patient"):
        make_dataset(str(tmp_path / "table.csv"), DataOptions(groups="doctor"), 0, Observer())


def test_options_are_kept_and_old_runs_have_no_groups():
    assert DataOptions.from_json(DataOptions(groups="folder").to_json()).groups == "folder"
    old = {key: value for key, value in DataOptions().to_json().items() if key != "groups"}
    assert DataOptions.from_json(old).groups == "none"
    assert DataOptions.from_json(DataOptions().to_json()).groups == "auto"


def test_groups_that_were_found_are_found_again_without_a_search(monkeypatch, tmp_path):
    from striate.data import dataset

    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    monkeypatch.setattr("striate.data.grouping.kept.WORTH_IMAGES", 10)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 24, 24), np.uint8)
    pixels[1] = np.clip(pixels[0].astype(int) + 2, 0, 255)
    catalog = striate.read((pixels, np.arange(60) % 2))
    images = striate.prepare(catalog)
    first = dataset.find_groups(images, catalog, None)
    monkeypatch.setattr(dataset, "group_images", lambda *args: pytest.fail("searched again"))
    again = dataset.find_groups(images, catalog, None)
    assert np.array_equal(again.ids, first.ids)
    assert (again.by, again.notes, again.count) == (first.by, first.notes, first.count)
    assert np.array_equal(again.sketches, first.sketches)
    monkeypatch.undo()
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    for kept in tmp_path.rglob("groups.npz"):
        kept.write_bytes(b"PK damaged")
    assert np.array_equal(dataset.find_groups(images, catalog, None).ids, first.ids)


def test_what_is_kept_of_images_is_in_memory_once(monkeypatch):
    monkeypatch.setattr("striate.data.grouping.looks.BLOCK", 64)
    pixels = np.random.default_rng(0).integers(0, 256, (9000, 32, 32, 1), dtype=np.uint8)
    images = striate.prepare(striate.read((pixels, np.arange(9000) % 2)))
    look_at(images.subset(np.arange(64)))  # what is imported and set up once
    tracemalloc.start()
    looks = look_at(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.8 * (looks.small.nbytes + sum(view.nbytes for view in looks.views))
    assert looks.at(np.arange(9000)) is looks
    assert np.array_equal(looks.at(np.arange(8999, -1, -1)).small, looks.small[::-1])
