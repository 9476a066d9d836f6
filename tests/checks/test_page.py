"""The page: offline, escaped, under 5 MB however much was found, with what is not shown counted; and the table."""

import csv
import re
from dataclasses import replace

import numpy as np
import pytest
from tests.checks.pictures_of import examined_of, patches

from striate.checks.checkup import Checkup
from striate.checks.files_told import tell_files
from striate.checks.finding import Finding, Mark, ranked
from striate.checks.findings_csv import COLUMNS
from striate.checks.page import MOST_PICTURES, check_page, write_checkup
from striate.data.without import read_without

COUNT = 400


@pytest.fixture(scope="module")
def examined():
    rng = np.random.default_rng(0)
    images = np.stack([patches(rng, 96, 96) for _ in range(COUNT)])
    splits = np.where(np.arange(COUNT) % 4 == 0, "test", "train").astype("U5")
    return examined_of(images, np.arange(COUNT) % 2, splits)


@pytest.fixture(scope="module")
def checkup(examined):
    def of(*findings):
        return Checkup(
            "photos <b>", ranked(findings), examined.catalog, examined.images, tell_files(examined.appearance)
        )

    return of


def finding(kind="dark", severity="warning", count=3, **more):
    marks = tuple(Mark(f"{i:05}", "so & so", group=more.pop("group", 0)) for i in range(count))
    return Finding(kind, severity, f"{count} are <i>{kind}", "it matters", "try --size 8", marks, **more)


def test_pages_need_nothing_else_and_are_escaped(checkup):
    page = check_page(checkup(finding()))
    assert "<b>photos" not in page.replace("photos &lt;b&gt;", "")
    assert "&lt;i&gt;dark" in page
    assert "so &amp; so" in page
    assert not re.search(r'(src|href)="(?!data:|#)|https?:|url\(', page)
    assert page.count("<img") == page.count('alt="') == 3


def test_the_page_stays_small_and_says_what_it_does_not_show(checkup):
    kinds = ("dark", "bright", "blurred", "wrong-labels", "odd-one-out", "low-detail", "blank", "leak") * 4
    page = check_page(checkup(*(finding(kind, count=COUNT) for kind in kinds)))
    assert len(page) < 5_000_000
    assert f"{COUNT - MOST_PICTURES} more are not shown here" in page
    assert page.count("<img") > 8 * MOST_PICTURES


def test_groups_are_shown_together(checkup):
    marks = [Mark(f"{i:05}", group=1 + i // 2) for i in range(6)]
    page = check_page(checkup(Finding("near-copies", "note", "t", "e", "a", tuple(marks))))
    assert page.count('class="twins"') == 3


def test_files_without_a_picture_are_listed(checkup):
    marks = tuple(Mark(f"broken{i}.png", "truncated") for i in range(100))
    page = check_page(checkup(Finding("unreadable", "serious", "t", "e", "a", marks)))
    assert "broken0.png" in page
    assert "40 more are not shown here" in page


def test_nothing_found_and_nothing_readable_are_pages_too(checkup):
    assert "nothing is wrong" in check_page(checkup()).lower()
    assert "images that can be read" in check_page(replace(checkup(), images=None, files={}))


def test_where_page_and_table_go(checkup, tmp_path):
    assert write_checkup(checkup(finding()), tmp_path / "new/er") == (
        tmp_path / "new/er/check.html", tmp_path / "new/er/findings.csv",
    )  # fmt: skip
    page, table = write_checkup(checkup(finding()), tmp_path / "report.html")
    assert (page.name, table.name) == ("report.html", "report.csv")
    assert "report.csv" in page.read_text("utf-8")


def test_the_table_has_a_line_for_each_image_and_finding(checkup, tmp_path):
    wrong = Finding("wrong-labels", "serious", "t", "e", "a", (Mark("00004", "why, so", True, "b"),))
    _, table = write_checkup(checkup(finding(), wrong), tmp_path)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 4
    assert rows[0] == {
        "image": "00004", "kind": "wrong-labels", "severity": "serious", "leave_out": "no", "detail": "why, so",
        "label": "a", "likely": "b", "group": "", "split": "test", "pixels": "x0000000000000004",
    }  # fmt: skip


def test_findings_are_ranked_by_severity_and_by_what_they_touch():
    findings = [
        finding("dark", "note", weight=90), finding("leak", "serious", weight=1), finding("blank", "warning", weight=5),
        finding("bright", "warning", weight=7), finding("shift", "serious", weight=30),
    ]  # fmt: skip
    assert [one.kind for one in ranked(findings)] == ["shift", "leak", "bright", "blank", "dark"]
    assert ranked(findings) == ranked(reversed(findings))


def test_images_that_judge_are_not_counted_as_left_out(checkup):
    marks = tuple(Mark(f"{i:05}", "gray", True) for i in range(6))  # the first and the fifth are test images
    page = check_page(checkup(Finding("blank", "warning", "six are blank", "", "", marks)))
    assert "<b>4</b><span>images that findings.csv leaves out of a training</span>" in page


def test_the_table_says_what_a_training_does_and_the_same_in_all_lines_of_an_image(checkup, tmp_path):
    """Of six blank images the first and the fifth judge; all of them are dark too, and so is one that is not blank."""
    blank = Finding("blank", "serious", "t", "e", "a", tuple(Mark(f"{i:05}", "gray", True) for i in range(6)))
    _, table = write_checkup(checkup(blank, finding(count=7)), tmp_path)
    with table.open(encoding="utf-8", newline="") as file:
        said = {(row["image"], row["leave_out"]) for row in csv.DictReader(file)}
    judging = {("00000", "no"), ("00004", "no")}
    assert said == judging | {(f"{i:05}", "yes") for i in (1, 2, 3, 5)} | {("00006", "")}
    assert read_without(table) == dict.fromkeys(("00001", "00002", "00003", "00005"), "blank")
    lines = table.read_text("utf-8").splitlines()
    dark = next(i for i, line in enumerate(lines) if line.startswith("00006,dark"))
    lines[dark] = lines[dark].replace("warning,,", "warning,yes,")
    lines[2] = lines[2].replace("yes", "no")  # of the second blank image: its other line still says yes
    table.write_text("\n".join(lines), "utf-8")
    assert read_without(table).keys() == {"00002", "00003", "00005", "00006"}
