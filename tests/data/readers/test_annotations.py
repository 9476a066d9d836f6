"""JSON of annotation tools: an image's one class, and what becomes of the others."""

import pytest
from tests.data import forms

from striate.data.reading import read
from striate.errors import DataError


def pictures(root, n=5):
    return forms.write_files(root, {f"{i}.png": forms.picture(i % 2, i) for i in range(n)})


def test_coco_with_images_of_one_class_several_and_none(tmp_path):
    pictures(tmp_path / "pics")
    files = {"0.png": [0, 0], "1.png": [1], "2.png": [0, 1], "3.png": [], "4.png": [1], "gone.png": [0]}
    path = forms.write_json(tmp_path / "instances.json", forms.coco(files))
    for images in (None, tmp_path / "pics"):
        catalog = read(path, images=images)
        assert (catalog.format, catalog.classes) == ("coco", ("cat", "dog"))
        assert catalog.names == ["0.png", "1.png", "4.png"]
        assert catalog.labels.tolist() == [0, 1, 1]
        assert catalog.ledger["2.png"].detail == "several classes: cat, dog"
        assert catalog.ledger["3.png"].detail == "no class"
        assert catalog.ledger["gone.png"].detail == "file not found"


def test_label_studio_in_full_and_in_short(tmp_path):
    pictures(tmp_path)
    full = [
        forms.task("/data/upload/3/0123abcd-0.png", "a"),
        forms.task("/data/local-files/?d=1.png", "b"),
        forms.task("https://example.org/x/2.png?token=1", "a", "b"),
        forms.task("3.png", "b", cancelled=True),
        forms.task("4.png", "b"),
    ]
    short = [
        {"id": i, "image": f"/data/upload/3/0123abcd-{i}.png", "choice": "ab"[i % 2], "annotator": 1} for i in range(4)
    ]
    assert read(forms.write_json(tmp_path / "export.json", short)).classes == ("a", "b"), "told without its format"
    short.append({"id": 4, "image": "4.png", "choice": {"choices": ["a", "b"]}, "annotations": 0})
    for tasks, names in ((full, ["0.png", "1.png", "4.png"]), (short, ["0.png", "1.png", "2.png", "3.png"])):
        catalog = read(forms.write_json(tmp_path / "export.json", tasks), format="labelstudio")
        assert catalog.classes == ("a", "b")
        assert catalog.names == names
    assert read(forms.write_json(tmp_path / "export.json", full)).ledger["2.png"].detail == "several classes: a, b"
    assert read(tmp_path / "export.json").ledger["3.png"].detail == "no class"


def test_label_studio_in_short_with_a_choice_of_another_name(tmp_path):
    pictures(tmp_path)
    tasks = [
        {"id": i, "image": f"/data/local-files/?d=old/{i}.png", "weather": "ab"[i % 2], "annotation_id": i,
         "lead_time": 2.5} for i in range(4)
    ]  # fmt: skip
    catalog = read(forms.write_json(tmp_path / "export.json", tasks), images=tmp_path)
    assert [catalog.classes[i] for i in catalog.labels] == ["a", "b", "a", "b"]


def test_records_that_are_annotated_by_somebody_are_a_table(tmp_path):
    pictures(tmp_path)
    records = [{"image": f"{i}.png", "label": "ab"[i % 2], "annotator": "ann"} for i in range(4)]
    assert read(forms.write_json(tmp_path / "table.json", records)).format == "table"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}', r"must be JSON of images .* or Label Studio .*; it has the keys a. Give a table"),
        ('{"images": [], "annotations": []}', r"one class each; got 0 with several classes and 0 with none"),
        ('{"images": 3, "annotations": 4}', r"must be JSON of COCO"),
        ('{"images": [{"file_name": "0.png"', r"is damaged JSON"),
        ('{"images": ' + "[" * 100_000, r"nested absurdly deep"),
        ('{"images": [{"id": 1, "file_name": "0.png"}], "annotations": [{"image_id": 1, "category_id": 9}], '
         '"categories": [{"id": 1, "name": "a"}]}', r"an annotation of 0.png has the category 9, which has no name"),
    ],
)  # fmt: skip
def test_what_is_neither_or_damaged(text, message, tmp_path):
    pictures(tmp_path)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "x.json")


def test_images_that_are_nowhere_are_named_with_the_way_out(tmp_path):
    path = forms.write_json(tmp_path / "instances.json", forms.coco({f"{i}.png": [0] for i in range(5)}))
    with pytest.raises(DataError, match=r"--images DIR"):
        read(path)


def test_an_id_that_two_images_have_is_refused(tmp_path):
    pictures(tmp_path)
    told = forms.coco({f"{i}.png": [i % 2] for i in range(5)})
    told["images"][0]["id"] = told["images"][1]["id"]
    with pytest.raises(DataError, match=r"0\.png and 1\.png have the same id, 11"):
        read(forms.write_json(tmp_path / "a.json", told))
    told["images"][0] = dict(told["images"][1])  # the same image, listed twice
    assert len(read(forms.write_json(tmp_path / "b.json", told))) == 4


def test_a_table_of_uploads_finds_the_files_as_they_were_called(tmp_path):
    pictures(tmp_path / "pics")
    rows = "".join(f"/data/upload/3/{i:08x}-{i}.png,{i},{'ab'[i % 2]},1\n" for i in range(5))
    (tmp_path / "export.csv").write_text("image,id,choice,annotator\n" + rows)
    catalog = read(tmp_path / "export.csv", images=tmp_path / "pics")
    assert [path.name for path in catalog.images] == [f"{i}.png" for i in range(5)]
    assert catalog.classes == ("a", "b")


def test_annotations_of_images_that_are_not_listed_are_said(tmp_path):
    pictures(tmp_path)
    told = forms.coco({f"{i}.png": [i % 2] for i in range(5)})
    told["images"] = told["images"][:4]
    catalog = read(forms.write_json(tmp_path / "a.json", told))
    assert len(catalog) == 4
    assert catalog.notes == ("1 annotation is left out: of images that it does not list",)
