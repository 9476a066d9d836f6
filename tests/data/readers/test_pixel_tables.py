"""Tables that hold the pixels themselves, as contests hand them out and programs write them."""

from pathlib import Path

import numpy as np
import pytest

from striate.data.reading import read
from striate.errors import ArgumentError, DataError

RNG = np.random.default_rng(0)


def pictures(n: int = 12, side: int = 8, channels: int = 1) -> np.ndarray:
    """Return smooth uint8 (n, side, side, channels), each a bright spot of its own on black, colours unlike."""
    y, x = np.mgrid[:side, :side]
    centres = np.random.default_rng(1).uniform(2, side - 3, (n, 2))
    spots = [200 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 8) for a, b in centres]
    colours = np.linspace(1, 0.2, channels)
    return np.rint(np.array(spots)[..., None] * colours).astype(np.uint8)


def text(rows, delimiter: str = ",") -> str:
    return "".join(delimiter.join(map(str, row)) + "\n" for row in rows)


def written(folder: Path, content: str, name: str = "train.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(content.encode(encoding))
    return folder / name


def note(catalog) -> str:
    return next(entry.detail for entry in catalog.ledger if entry.detail.startswith("set aside as the table"))


IMAGES = pictures()
LABELS = [i % 3 for i in range(len(IMAGES))]
FLAT = IMAGES.reshape(len(IMAGES), -1).tolist()
NAMES = [f"pixel{i}" for i in range(64)]
WITH_LABEL_FIRST = [[label, *row] for label, row in zip(LABELS, FLAT, strict=True)]
WITH_LABEL_LAST = [[*row, label] for label, row in zip(LABELS, FLAT, strict=True)]


@pytest.mark.parametrize(
    ("rows", "delimiter", "encoding"),
    [
        ([["label", *NAMES], *WITH_LABEL_FIRST], ",", "utf-8"),
        (WITH_LABEL_FIRST, ",", "utf-8"),
        (WITH_LABEL_LAST, ",", "utf-8"),
        ([["label", *NAMES], *WITH_LABEL_FIRST], ";", "utf-16"),
        ([[*NAMES, "class"], *WITH_LABEL_LAST], "\t", "utf-8-sig"),
        ([["label", *(f"{r}x{c}" for r in range(1, 9) for c in range(1, 9))], *WITH_LABEL_FIRST], ",", "utf-8"),
        ([['"y"', *(f'"pixel_{r}_{c}"' for r in range(8) for c in range(8))], *WITH_LABEL_FIRST], ",", "utf-8"),
        ([list(range(65)), *WITH_LABEL_FIRST], ",", "utf-8"),  # pandas names columns so that have no names
        ([[*range(64), "target"], *WITH_LABEL_LAST], ",", "utf-8"),
        ([["", *range(65)], *([i, *row] for i, row in enumerate(WITH_LABEL_LAST))], ",", "utf-8"),
        ([["", "label", *NAMES], *([i, *row] for i, row in enumerate(WITH_LABEL_FIRST))], ",", "utf-8"),
        ([["label", *(f"V{i}" for i in range(2, 66))], *WITH_LABEL_FIRST], ",", "utf-8"),
        (WITH_LABEL_FIRST, " ", "utf-8"),
        ([["# made by a script"], ["label", *NAMES], *WITH_LABEL_FIRST], ",", "utf-8"),
    ],
)
def test_pixels_in_columns_are_images(rows, delimiter, encoding, tmp_path):
    catalog = read(written(tmp_path, text(rows, delimiter), encoding=encoding))
    assert np.array_equal(catalog.images, IMAGES)
    assert [int(catalog.classes[i]) for i in catalog.labels] == LABELS
    assert "64 columns taken as the pixels of 8×8 gray images, the labels in column" in note(catalog)
    assert catalog.names[:2] == ["1", "2"]
    assert catalog.ledger.skipped_share == 0


@pytest.mark.parametrize("form", ["{}", '"{}"', '"[{}]"', "[{}]", " {} "])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_all_pixels_in_one_column(form, delimiter, tmp_path):
    uses = ["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3
    inside = ", " if form.startswith('"[') else " "
    cells = [form.format(inside.join(map(str, row))) for row in FLAT]
    rows = [["emotion", "pixels", "Usage"], *zip(LABELS, cells, uses, strict=True)]
    catalog = read(written(tmp_path, text(rows, delimiter)))
    assert np.array_equal(catalog.images, IMAGES)
    assert [int(catalog.classes[i]) for i in catalog.labels] == LABELS
    assert catalog.splits.tolist() == ["train"] * 6 + ["valid"] * 3 + ["test"] * 3
    assert "PublicTest as valid" in " ".join(catalog.notes)


def test_a_public_test_alone_is_the_test(tmp_path):
    uses = ["Training"] * 6 + ["PublicTest"] * 6
    cells = [" ".join(map(str, row)) for row in FLAT]
    catalog = read(written(tmp_path, text([["emotion", "pixels", "Usage"], *zip(LABELS, cells, uses, strict=True)])))
    assert catalog.splits.tolist() == ["train"] * 6 + ["test"] * 6


def test_a_column_of_uses_that_are_no_splits_is_told(tmp_path):
    rows = [
        ["label", "usage", *NAMES],
        *([row[0], ("daily", "weekly")[i % 2], *row[1:]] for i, row in enumerate(WITH_LABEL_FIRST)),
    ]
    catalog = read(written(tmp_path, text(rows)))
    assert set(catalog.splits.tolist()) == {""}
    assert "column usage looks like a split (daily (6), weekly (6)) and is not taken as one" in " ".join(catalog.notes)


def test_rows_of_no_split_and_words_for_no_label_are_set_aside(tmp_path):
    uses = ["train"] * 6 + ["valid"] * 4 + ["unused"] * 2
    rows = [["label", "split", *NAMES]]
    rows += [[row[0], use, *row[1:]] for row, use in zip(WITH_LABEL_FIRST, uses, strict=True)]
    rows[3][0] = "nan"
    catalog = read(written(tmp_path, text(rows)))
    assert catalog.splits.tolist() == ["train"] * 5 + ["valid"] * 4
    assert [(entry.name, entry.detail) for entry in catalog.ledger if entry.status == "skipped"][:3] == [
        ("3", "no label"),
        ("11", "set aside as in no split"),
        ("12", "set aside as in no split"),
    ]


@pytest.mark.parametrize("apart", [True, False])
def test_three_squares_are_colours_in_either_order(apart, tmp_path):
    images = pictures(channels=3)
    laid = images.transpose(0, 3, 1, 2) if apart else images
    names = [f"pixel{i:04d}" for i in range(192)]
    rows = [[*names, "label"], *([*one.ravel().tolist(), i % 2] for i, one in enumerate(laid))]
    catalog = read(written(tmp_path, text(rows)))
    assert np.array_equal(catalog.images, images)
    assert ("one colour after the other" if apart else "colours pixel by pixel") in note(catalog)


def test_columns_in_the_order_of_the_alphabet_are_sorted(tmp_path):
    order = sorted(range(64), key=lambda i: NAMES[i])
    rows = [["label", *(NAMES[i] for i in order)]]
    rows += [[label, *(row[i] for i in order)] for label, row in zip(LABELS, FLAT, strict=True)]
    catalog = read(written(tmp_path, text(rows)))
    assert np.array_equal(catalog.images, IMAGES)
    assert "put in the order of their names" in note(catalog)


def test_names_of_row_and_column_give_an_oblong(tmp_path):
    names = [f"p{r}_{c}" for r in range(4) for c in range(16)]
    catalog = read(written(tmp_path, text([["label", *names], *WITH_LABEL_FIRST])))
    assert catalog.images.shape == (12, 4, 16, 1)


def test_a_number_of_pixels_that_is_no_square_is_told(tmp_path):
    rows = [["label", *(f"pixel{i}" for i in range(70))], *([1, *range(70)] for _ in range(4))]
    with pytest.raises(DataError, match="70 pixels a row, which is no square and no three squares: 8×8 would be 64"):
        read(written(tmp_path, text(rows)))


def test_pixels_without_labels_are_images_to_be_predicted(tmp_path):
    catalog = read(written(tmp_path, text([NAMES, *FLAT])))
    assert np.array_equal(catalog.images, IMAGES)
    assert not catalog.labelled
    assert "no labels" in note(catalog)
    assert np.array_equal(read(written(tmp_path, text(FLAT))).images, IMAGES)


def test_ids_are_the_names_and_words_are_labels(tmp_path):
    rows = [["id", "label", *NAMES], *([f"im{i}", "ab"[i % 2], *row] for i, row in enumerate(FLAT))]
    catalog = read(written(tmp_path, text(rows)))
    assert catalog.names[:2] == ["im0", "im1"]
    assert catalog.classes == ("a", "b")


def test_fractions_and_floats(tmp_path):
    rows = [
        ["label", *NAMES],
        *([f"{label}.0", *(f"{v / 255:.6f}" for v in row)] for label, row in zip(LABELS, FLAT, strict=True)),
    ]
    catalog = read(written(tmp_path, text(rows)))
    assert np.array_equal(catalog.images, IMAGES)
    assert catalog.classes == ("0", "1", "2")
    assert "scaled from float" in catalog.ledger["1"].detail


def test_rows_that_are_damaged_are_set_aside_each_with_its_line(tmp_path):
    rows = [list(map(str, row)) for row in [["label", *NAMES], *WITH_LABEL_FIRST]]
    rows[2] = rows[2][:40]
    rows[4][7] = ""
    rows[5][9] = "x"
    rows[6][0] = ""
    catalog = read(written(tmp_path, text(rows)))
    kept = [0, 2, 6, 7, 8, 9, 10, 11]
    assert np.array_equal(catalog.images, IMAGES[kept])
    assert catalog.names == [str(i + 1) for i in kept]
    assert catalog.ledger["2"].detail == "not as many values as the first row: 39 on line 3, not 64"
    assert catalog.ledger["4"].detail == "not numbers throughout: line 5"
    assert catalog.ledger["5"].detail == "not numbers throughout: line 6"
    assert catalog.ledger["6"].detail == "no label"


def test_a_column_of_labels_can_be_named(tmp_path):
    rows = [["age", "gender", "pixels"], *([i, i % 2, " ".join(map(str, row))] for i, row in enumerate(FLAT))]
    path = written(tmp_path, text(rows))
    assert "no column of labels among age, gender" in note(read(path))
    assert read(path, label_column="gender").classes == ("0", "1")
    with pytest.raises(ArgumentError, match="unknown column 'gendre'; did you mean 'gender'"):
        read(path, label_column="gendre")


def test_one_hot_columns_beside_pixels(tmp_path):
    rows = [["cat", "dog", *NAMES], *([i % 2, 1 - i % 2, *row] for i, row in enumerate(FLAT))]
    catalog = read(written(tmp_path, text(rows)))
    assert [catalog.classes[i] for i in catalog.labels[:2]] == ["dog", "cat"]


@pytest.mark.parametrize("words", ["f", "feature_"])
def test_features_beside_image_names_are_no_pixels(words, tmp_path):
    (tmp_path / "a.png").touch()
    header = ["filename", "label", *(f"{words}{i}" for i in range(100))]
    catalog = read(written(tmp_path, text([header, ["a.png", "x", *range(100)]])))
    assert [path.name for path in catalog.images] == ["a.png"]


def test_measurements_are_no_pixels_and_no_columns_are_poured_out(tmp_path):
    rows = [[*RNG.normal(0, 100, 64).round(2).tolist(), i % 2] for i in range(5)]
    with pytest.raises(
        DataError, match=r"must have a column of image files.* and 55 more.*Columns of pixels"
    ) as caught:
        read(written(tmp_path, text(rows)))
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_a_label_at_the_end_is_told_from_a_pixel(tmp_path):
    """Both ends hold few whole numbers; the pixel follows its neighbour, the label does not."""
    rng = np.random.default_rng(3)
    images = np.repeat(rng.integers(0, 4, (200, 1)), 64, 1) + rng.integers(0, 2, (200, 64))
    labels = rng.integers(0, 5, 200)
    for rows in (np.c_[images, labels], np.c_[labels, images]):
        catalog = read(written(tmp_path, text(rows.tolist())))
        assert [int(catalog.classes[i]) for i in catalog.labels] == labels.tolist()
        assert np.array_equal(catalog.images.reshape(200, 64), images)


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("header", [True, False])
def test_decimal_commas_are_points(delimiter, header, tmp_path):
    rows = [
        [label, *(f"{value / 255:.6f}".replace(".", ",") for value in row)]
        for label, row in zip(LABELS, FLAT, strict=True)
    ]
    names = [["label", *NAMES]] if header else []
    catalog = read(written(tmp_path, text([*names, *rows], delimiter)))
    assert np.array_equal(catalog.images, IMAGES)
    assert [catalog.classes[i] for i in catalog.labels] == [str(label) for label in LABELS]


def test_whole_numbers_with_a_decimal_comma(tmp_path):
    rows = [[f"{label},0", *(f"{value},0" for value in row)] for label, row in zip(LABELS, FLAT, strict=True)]
    catalog = read(written(tmp_path, text([["label", *NAMES], *rows], ";")))
    assert np.array_equal(catalog.images, IMAGES)
    assert catalog.classes == ("0", "1", "2")


@pytest.mark.parametrize("shape", [(8, 8), (4, 16)])
def test_a_list_of_lists_in_a_cell_says_its_shape(shape, tmp_path):
    images = IMAGES.reshape(len(IMAGES), *shape)
    rows = [f'{label},"{image.tolist()}"' for label, image in zip(LABELS, images, strict=True)]
    catalog = read(written(tmp_path, "\n".join(["label,image", *rows]) + "\n"))
    assert np.array_equal(catalog.images[..., 0], images)


def test_a_folder_of_images_beside_pixels_is_refused_in_words(tmp_path):
    path = written(tmp_path, text([["label", *NAMES], *WITH_LABEL_FIRST]))
    with pytest.raises(ArgumentError, match="holds the pixels of its images itself: leave out --images"):
        read(path, images=tmp_path)


def test_a_list_of_lists_that_is_cut_in_the_first_row_has_no_shape_of_its_own(tmp_path):
    rows = [f'1,"{[[1, 2, 3, 4]] * 4}9"', f'2,"{[[1, 2, 3, 4]] * 4}9"']
    with pytest.raises(DataError, match="17 pixels a row, which is no square"):
        read(written(tmp_path, "\n".join(["label,image", *rows]) + "\n"))


def test_a_line_that_is_header_and_row_at_once(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(";".join(["label", *(f"p{i}" for i in range(12)), *["0,5"] * 18]) + "\n")
    with pytest.raises(DataError, match=r"t\.csv must have rows of pixels"):
        read(path)


@pytest.mark.parametrize("name", ["{c}{i}", "{word}_{i}", "pixel_{c}_{i}", "{i}_{c}"])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_columns_of_red_green_and_blue_are_one_picture(name, order, tmp_path):
    images = RNG.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    words = {"r": "red", "g": "green", "b": "blue"}
    heads = [name.format(c=c, word=words[c], i=i) for c in order for i in range(64)]
    planes = images.transpose(0, 3, 1, 2)[:, ["rgb".index(c) for c in order]].reshape(12, -1)
    rows = [["label", *heads], *([k, *row] for k, row in zip(LABELS, planes.tolist(), strict=True))]
    catalog = read(written(tmp_path, text(rows)))
    assert np.array_equal(catalog.images, images)
    assert catalog.classes == ("0", "1", "2")


def test_of_several_groups_of_columns_none_is_taken_alone(tmp_path):
    heads = [f"{group}{i}" for group in ("left", "right") for i in range(64)]
    rows = [["label", *heads], *([k, *row, *row] for k, row in zip(LABELS, FLAT, strict=True))]
    with pytest.raises(DataError, match="must have a column of image files"):
        read(written(tmp_path, text(rows)))


def test_labels_that_may_be_at_either_end_are_said_and_can_be_chosen(tmp_path):
    noise = RNG.integers(2, 10, (40, 64))
    labels = np.arange(40) % 3
    path = written(tmp_path, text(np.c_[noise, labels].tolist()))
    assert "the labels may be in column 1 or 65" in read(path).notes[0]
    catalog = read(path, label_column="65")
    assert [int(catalog.classes[i]) for i in catalog.labels] == labels.tolist()
    assert np.array_equal(catalog.images.reshape(40, 64), noise)
    assert not catalog.notes


def test_another_column_of_labels_beside_pixels_is_said(tmp_path):
    rows = [
        ["label", "class", *NAMES],
        *([k, i % 2, *row] for i, (k, row) in enumerate(zip(LABELS, FLAT, strict=True))),
    ]
    assert (
        "column label is taken for the labels; class says something else"
        in read(written(tmp_path, text(rows))).notes[0]
    )


def test_quotes_behind_a_blank_hold_all_pixels_of_an_image(tmp_path):
    rows = [f'{k}, "{" ".join(map(str, row))}", Training' for k, row in zip(LABELS, FLAT, strict=True)]
    catalog = read(written(tmp_path, "emotion, pixels, Usage\n" + "\n".join(rows) + "\n"))
    assert np.array_equal(catalog.images.reshape(12, 64), FLAT)
