"""Lists and tables as other tools write them: blanks, titles, comments."""

from pathlib import Path

import pytest

from striate.data.readers.text_table import load_table
from striate.data.reading import read
from striate.errors import DataError


def planted(folder: Path, text: str, *names: str, encoding: str = "utf-8") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "list.txt").write_bytes(text.encode(encoding))
    return folder / "list.txt"


def labelled(catalog) -> dict[str, str]:
    return {name: catalog.classes[label] for name, label in zip(catalog.names, catalog.labels, strict=True)}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["p/a.png 0", "p/b.png 1"], {"p/a.png": "0", "p/b.png": "1"}),
        (["p/a  0", "p/b -1"], {"p/a": "0", "p/b": "-1"}),
        (["p/a Boeing 707-320", "p/b Airbus A320, neo"], {"p/a": "Boeing 707-320", "p/b": "Airbus A320, neo"}),
        (["p/my cat.png cat", "p/b.png big dog"], {"p/my cat.png": "cat", "p/b.png": "big dog"}),
        (['"p/my cat.png" cat', "p/b.png dog"], {"p/my cat.png": "cat", "p/b.png": "dog"}),
        (["0 p/a.png", "1 p/b.png", "1 p/my cat.png"], {"p/a.png": "0", "p/b.png": "1", "p/my cat.png": "1"}),
        (["image label", "p/a cat", "p/b dog"], {"p/a": "cat", "p/b": "dog"}),
        (["# image label", "p/a.png cat", "p/b.png dog"], {"p/a.png": "cat", "p/b.png": "dog"}),
        (["2", "p/a.png 2880", "p/b.png 2937"], {"p/a.png": "2880", "p/b.png": "2937"}),
        (["p/a.png\t0", "p/b.png\t1"], {"p/a.png": "0", "p/b.png": "1"}),
        (["p/a,cat", "p/b,dog"], {"p/a": "cat", "p/b": "dog"}),
        (["p/a;cat;9", "p/b;dog;7"], {}),
    ],
)
def test_lists_without_header(lines, expected, encoding, end, tmp_path):
    path = planted(tmp_path, end.join(lines) + end, "p/a.png", "p/b.png", "p/my cat.png", encoding=encoding)
    catalog = read(path)
    if expected:
        assert labelled(catalog) == expected
    else:
        assert len(catalog) == 2
        assert not catalog.labelled


def test_counted_names_have_no_labels(tmp_path):
    catalog = read(planted(tmp_path, "1 c/a.png\n2 c/b.png\n", "c/a.png", "c/b.png"))
    assert not catalog.labelled
    assert len(catalog) == 2


def test_names_that_hold_blanks_are_no_labels(tmp_path):
    catalog = read(planted(tmp_path, "my cat.png\nyour dog.png\n", "my cat.png", "your dog.png"))
    assert catalog.names == ["my cat.png", "your dog.png"]
    assert not catalog.labelled


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "above",
    [
        ["# exported by skin tool"], ["# exported by skin tool, version 2", "# 2 images; 2 classes", ""],
        ["Skin lesions 2024"], ["Skin lesions 2024", ""], ["% made by a script"], ["Export of 3,000 images"],
        ["# it's \"quoted"], ["Lesions{0}", "Ann{0}"], ["", ""],
    ],
)  # fmt: skip
def test_lines_above_the_header_are_passed_over(above, delimiter, tmp_path):
    lines = [*(line.replace("{0}", delimiter) for line in above), *(row.replace(",", delimiter) for row in (
        "file,label", "a.png,cat", "b.png,dog", "c.png,cat"))]  # fmt: skip
    path = planted(tmp_path, "\n".join(lines) + "\n", "a.png", "b.png")
    catalog = read(path)
    assert labelled(catalog) == {"a.png": "cat", "b.png": "dog"}
    assert load_table(path).rows[0][0] == lines.index(f"a.png{delimiter}cat") + 1


@pytest.mark.parametrize("header", ["# file,label", "#file,label", "#,file,label", "no,file,label"])
def test_a_comment_may_be_the_header(header, tmp_path):
    numbered = header.count(",") == 2
    rows = [f"{f'{i},' if numbered else ''}{name}.png,{name}" for i, name in enumerate("ab")]
    catalog = read(planted(tmp_path, "\n".join([header, *rows]), "a.png", "b.png"))
    assert labelled(catalog) == {"a.png": "a", "b.png": "b"}


def test_a_name_that_begins_like_a_comment_is_an_image(tmp_path):
    catalog = read(planted(tmp_path, "#1.png,cat\n#2.png,dog\n", "#1.png", "#2.png"))
    assert labelled(catalog) == {"#1.png": "cat", "#2.png": "dog"}


def test_messages_list_ten_columns_and_no_long_cells(tmp_path):
    wide = ",".join(f"column{i}" for i in range(500)) + "\n" + ",".join("x" * 20 for _ in range(500)) + "\n"
    for text, option in ((wide, {}), (wide, {"label_column": "none"}), ("z" * 100_000 + "\n" + "y" * 100_000, {})):
        with pytest.raises((DataError, ValueError)) as caught:
            read(planted(tmp_path, text), **option)
        assert len(str(caught.value)) < 700 + 2 * len(str(tmp_path))
