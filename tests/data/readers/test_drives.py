"""Paths as Windows writes them, read here: drive letters, backslashes, shares."""

import json
import zipfile
from pathlib import PureWindowsPath

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.dataset import DataOptions, make_dataset
from striate.data.lineup import line_up
from striate.data.readers.lookup import is_address
from striate.errors import SourceNotFoundError
from striate.observer import Observer
from striate.shipping.service.models import WantedModel


@pytest.fixture
def photos(tmp_path):
    """Two classes of pictures in folders of their own."""
    draw = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / "pics" / kind).mkdir(parents=True)
        for i in range(8):
            pixels = draw.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pics" / kind / f"{kind}{i}.png")
    return tmp_path / "pics"


def windows_names(photos, *before):
    """Return {name as Windows writes it: class} of the pictures."""
    files = sorted(photos.glob("*/*.png"))
    return {str(PureWindowsPath(*before, file.parent.name, file.name)): file.parent.name for file in files}


def table(path, names):
    path.write_text("file,label\n" + "".join(f"{name},{kind}\n" for name, kind in names.items()), "utf-8")
    return path


@pytest.mark.parametrize("before", [(), (".",), ("C:\\Users\\Ann Lee\\pics",), ("\\\\server\\share\\pics",)])
def test_a_table_made_on_windows(photos, before):
    catalog = striate.read(table(photos / "labels.csv", windows_names(photos, *before)))
    assert sorted(catalog.class_counts().items()) == [("cat", 8), ("dog", 8)]
    assert all(image.is_file() for image in catalog.images)


def test_folders_of_a_table_made_on_windows_are_groups(photos):
    names = windows_names(photos)
    labels = dict(zip(names, ["a", "b"] * 8, strict=True))  # folders are frames of one object, not classes
    catalog = striate.read(table(photos / "labels.csv", labels))
    options = DataOptions(groups="folder", ratios="50:0:50")
    dataset = make_dataset(catalog, options, 0, Observer())
    assert len(set(dataset.groups.ids.tolist())) == 2


def test_a_zip_made_on_windows(photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "pics.zip", "w") as archive:
        for name in windows_names(photos, "pics"):
            member = zipfile.ZipInfo("placeholder")
            member.filename = member.orig_filename = name  # ZipInfo would turn the strokes itself, there
            archive.writestr(member, (photos.parent / name.replace("\\", "/")).read_bytes())
    catalog = striate.read(tmp_path / "pics.zip")
    assert sorted(catalog.class_counts().items()) == [("cat", 8), ("dog", 8)]
    assert not any("\\" in name for name in catalog.names)


def test_annotations_made_on_windows(photos):
    tasks = [
        {"data": {"image": name}, "annotations": [{"result": [{"type": "choices", "value": {"choices": [kind]}}]}]}
        for name, kind in windows_names(photos, "D:\\pics").items()
    ]
    (photos / "tasks.json").write_text(json.dumps(tasks), "utf-8")
    catalog = striate.read(photos / "tasks.json")
    assert sorted(catalog.class_counts().items()) == [("cat", 8), ("dog", 8)]


@pytest.mark.parametrize(
    "source", ["C:\\photos", "C:/photos", "d:\\my photos\\train", "\\\\server\\share\\photos", "photos\\train", "C:\\"]
)
def test_a_path_of_windows_is_a_path(source):
    with pytest.raises(SourceNotFoundError) as told:
        striate.read(source)
    assert str(told.value).startswith(f"{source} does not exist")
    with pytest.raises(SourceNotFoundError) as told:
        line_up([source], {})
    assert source in str(told.value)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("https://example.org/a.png", True), ("s3://bucket/a.png", True), ("HTTP://example.org/a.png", True),
        ("C:/a.png", False), ("C:\\a.png", False), ("C://a.png", False), ("\\\\server\\a.png", False),
        ("//server/a.png", False), ("file:///C:/a.png", False),
    ],
)  # fmt: skip
def test_addresses_and_paths_are_told_apart(name, address):
    assert is_address(name) == address


def test_a_model_is_served_from_a_drive():
    wanted = WantedModel.of("cats=C:\\runs\\cats-1\\model.striate")
    assert (wanted.name, wanted.path) == ("cats", "C:\\runs\\cats-1\\model.striate")
