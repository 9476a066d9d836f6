"""DataFrames and columns of paths, as notebooks have them; a frame is known by what it can do, not by its maker."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.reading import read
from striate.errors import ArgumentError, DataError


class Frame:
    """What pandas and polars have in common, as far as a reader needs it."""

    def __init__(self, **columns):
        self.columns, self._columns = list(columns), {name: np.asarray(column) for name, column in columns.items()}
        self.iloc = None

    def __getitem__(self, name):
        return self._columns[name]


class Column:
    """A column of a frame: no array, but made one when asked."""

    def __init__(self, *cells):
        self._cells = cells

    def __array__(self, dtype=None, copy=None):
        return np.array(self._cells, dtype or object)

    def __len__(self):
        return len(self._cells)

    def __iter__(self):
        return iter(self._cells)


@pytest.fixture
def paths(tmp_path):
    for i in range(4):
        Image.new("L", (4, 4), 50 * i).save(tmp_path / f"{i}.png")
    return [tmp_path / f"{i}.png" for i in range(4)]


LABELS = ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    "form",
    [
        lambda paths: (np.array([str(path) for path in paths]), LABELS),
        lambda paths: (np.array(paths, object), np.array(LABELS)),
        lambda paths: ([str(path) for path in paths], LABELS),
        lambda paths: (paths, Column(*LABELS)),
        lambda paths: (Column(*paths), Column(*LABELS)),
        lambda paths: (Column(*map(str, paths)), LABELS),
        lambda paths: ([Image.open(path).copy() for path in paths], LABELS),
        lambda paths: (tuple(map(str, paths)), tuple(LABELS)),
        lambda paths: zip(paths, LABELS, strict=True),
        lambda paths: Frame(path=[str(path) for path in paths], label=LABELS),
    ],
)
def test_paths_and_labels_in_any_columns(form, paths):
    catalog = read(form(paths))
    assert catalog.classes == ("a", "b")
    assert catalog.labels.tolist() == [0, 1, 0, 1]
    assert all(isinstance(image, Path | Image.Image) for image in catalog.images)


def test_labels_must_be_as_many_as_paths(paths):
    with pytest.raises(DataError, match="labels must be one for each of 4 images; got 3"):
        read((np.array([str(path) for path in paths]), LABELS[:3]))


def test_a_frame_is_a_table(paths, tmp_path):
    frame = Frame(scan=[path.name for path in paths], kind=[1.0, 2.0, float("nan"), 1.0], sex=["m", "f", "m", "f"])
    catalog = read(frame, images=tmp_path, label_column="kind")
    assert catalog.classes == ("1", "2")
    assert catalog.ledger["2.png"].detail == "no label"
    assert catalog.columns["sex"] == ["m", "f", "f"]
    with pytest.raises(ArgumentError, match="unknown column 'kid'; did you mean 'kind'"):
        read(frame, images=tmp_path, label_column="kid")
    with pytest.raises(DataError, match="a DataFrame must have rows"):
        read(Frame(file=[], label=[]))


@pytest.mark.parametrize("scale", [1, 255])
def test_a_frame_of_pixels_is_images(scale):
    rows = np.random.default_rng(0).integers(0, 256, (6, 16))
    cells = {f"pixel{i}": rows[:, i] / scale if scale > 1 else rows[:, i] for i in range(16)}
    catalog = read(Frame(label=[0, 1, 2] * 2, **cells))
    assert np.array_equal(catalog.images.reshape(6, 16), rows)
    assert catalog.labels.tolist() == [0, 1, 2] * 2


@pytest.mark.parametrize("maker", ["pandas", "polars"])
def test_real_frames(maker, paths):
    module = pytest.importorskip(maker)
    frame = module.DataFrame({"path": [str(path) for path in paths], "label": LABELS})
    for source in (frame, (frame["path"], frame["label"])):
        assert read(source).labels.tolist() == [0, 1, 0, 1]
