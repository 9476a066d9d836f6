"""The page of a report: whole, closed in itself, legible to everybody, whatever is or is not known of the run."""

import time
from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.report.contents import judged, make_contents, make_images
from tests.pages.reading import Outline

from striate.data.ledger import Entry, Ledger
from striate.evaluation.report.page import report_page

HISTORY = [
    {
        "epoch": epoch, "train_loss": 2 / epoch, "valid_loss": 2.2 / epoch, "train_accuracy": 1 - 0.5 / epoch,
        "valid_accuracy": 1 - 0.6 / epoch, "learning_rate": 0.1 / epoch, "seconds": 1.0,
    }
    for epoch in (1, 2, 3)
]  # fmt: skip
RUNG = {"fit_s": 1.0, "size_bytes": 1000, "image_ms": 0.1, "is_net": True, "log_loss": 0.5}
LADDER = {
    "rungs": [
        {"name": "majority", "valid_accuracy": 0.4, "valid_interval": [0.3, 0.5], **RUNG},
        {"name": "swift", "valid_accuracy": 0.8, "valid_interval": [0.7, 0.9], **RUNG},
    ],
    "probes": [{"name": "swift", "foreseen_accuracy": 0.78}],
    "skipped": [{"name": "tuned", "reason": "no <weights> here"}],
}
PROMISES = {
    "temperature": {"value": 1.3, "kept": True, "why": "it is better so"},
    "sure": [
        {
            "wanted": 0.99, "threshold": 0.9, "needs": None, "images": 30, "valid": {},
            "test": {"answered": 0.5, "precision": 0.95, "interval": [0.9, 0.98], "images": 15, "kept": False},
        },
        {"wanted": 0.999, "threshold": None, "needs": 3000, "images": 30, "test": None},
    ],
    "sets": [{
        "wanted": 0.95, "classes_of_their_own": 3, "images": 30, "test": {
        "coverage": 0.96, "interval": [0.9, 0.99], "mean_size": 1.4, "worst_class": ["cat", 0.9], "kept": True}}],
    "known": {
        "score": "neighbours", "false_alarm": 0.05,
        "test": {"refused": 0.04, "interval": [0.02, 0.08], "kept": True},
    },
}  # fmt: skip
HEALTH = {
    "epoch": 3, "health": ["a quarter of 1.relu is dead"],
    "layers": [
        {"path": "0.conv", "layer": "Conv2d", "dead": None, "activation": 1.5, "gradient": 0.01, "update": 0.001},
        {"path": "1.relu", "layer": "ReLU", "dead": 0.25},
    ],
}  # fmt: skip
FULL = {
    "health": HEALTH,
    "history": HISTORY, "ladder": LADDER, "recipe": "epochs = 3\n", "promises": PROMISES,
    "run": {
        "command": "striate train 'my photos'", "machine": {"system": "Linux", "cpus": 2}, "asked": {"source": "a/b"},
    },
}  # fmt: skip
ATTACKS = ("<script>alert(1)</script>", 'a "quoted" & <b>', "naïve 🦊", "x" * 300, "$x^$", "</svg></style>")


def page_of(contents) -> Outline:
    page = report_page(contents)
    assert len(page) < 5_000_000
    outline = Outline(page)
    assert outline.faults == []
    return outline


def test_everything_that_is_known_is_shown():
    contents = make_contents(**FULL, told={"chosen": "swift", "verdict": "A net wins here.", "epoch": 3})
    words = page_of(contents).words
    for told in (
        "A net wins here.", "swift kept", "78.0 %", "no <weights> here", "temperature of 1.30",
        "striate train 'my photos'", "epochs = 3", "about 3,000 validation images", "1.40 classes a set", "Linux",
        "a quarter of 1.relu is dead", "conv(4, 3) relu fc(3)",
    ):  # fmt: skip
        assert told in words, told


def test_precision_has_its_interval_as_recall_has():
    contents = make_contents()
    assert contents.test is not None
    words = page_of(contents).words
    for row in contents.test.per_class():
        for name in ("interval", "precision_interval"):
            low, high = (f"{100 * end:.1f}" for end in row[name])
            assert f"{low} to {high} %" in words, (row["class"], name)


def test_without_a_card_it_says_how_to_come_by_one():
    told = page_of(make_contents())
    assert (2, "Robustness") in told.headings
    assert "Not measured: striate report RUN --robustness" in told.words
    assert "no images were held back to measure it on" in page_of(make_contents(counts=(60, 0, 0))).words


def test_a_single_net_shows_its_curves():
    outline = page_of(make_contents(history=HISTORY, told={"epoch": 3}))
    assert (2, "Learning curves") in outline.headings
    assert outline.words.count("validation") > 3


@pytest.mark.parametrize(
    "odd",
    [
        {"counts": (60, 0, 0)},
        {"counts": (60, 30, 0)},
        {"counts": (60, 0, 30)},
        {"counts": (2, 1, 1), "classes": ("a", "b")},
        {"classes": ("a", "b")},
        {"shape": (8, 8, 1)},
        {"shape": (8, 8, 13)},
        {"shape": (40, 90, 4)},
        {"classes": ATTACKS},
        {"classes": tuple(f"class {i}" for i in range(40))},
        {"history": [{"epoch": 1, "train_loss": float("nan"), "train_accuracy": 0.1}]},
        {
            "history": [
                {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.1, "valid_loss": None, "valid_accuracy": None}
            ]
        },
        {"ladder": {"rungs": LADDER["rungs"][:1]}},
    ],
    ids=lambda odd: str(odd)[:40],
)
def test_odd_runs_have_a_report_too(odd):
    page_of(make_contents(**odd))


def test_names_are_shown_as_they_are_and_run_nothing():
    outline = page_of(make_contents(ATTACKS, run={"asked": {"source": "<img src=x onerror=alert(1)>"}}))
    for name in ATTACKS:
        assert name in outline.words
    assert "onerror=alert" in outline.words
    assert "script" not in outline.tags


def test_many_classes_and_images_are_small_and_quick():
    """1,600 classes and 10,000 images: seconds of this process, which others on the machine do not slow down."""
    classes = tuple(f"class {i}" for i in range(1600))
    contents = make_contents(classes, (10_000, 3200, 3200))
    start = time.process_time()
    page = report_page(contents)
    assert time.process_time() - start < 5
    assert len(page) < 2_500_000
    assert Outline(page).faults == []
    assert '<table class="matrix"' not in page
    assert "All 1,600 classes" in page


def test_the_same_run_has_the_same_report():
    assert report_page(make_contents(**FULL)) == report_page(make_contents(**FULL))


def test_files_of_no_use_are_told():
    contents = make_contents()
    ledger = Ledger(
        [Entry(f"{i}.png", "skipped", f"truncated: {i} bytes") for i in range(70)]
        + [Entry("a.png", "repaired", "turned")]
    )
    splits = replace(contents.splits, train=replace(contents.splits.train, ledger=ledger))
    words = page_of(replace(contents, splits=splits)).words
    assert "70 skipped: truncated" in words
    assert "1 repaired: turned" in words
    assert "31 more are in ledger.csv" in words


def test_the_matrix_has_the_figures_of_the_evaluation():
    contents = make_contents()
    assert contents.test is not None
    page = report_page(contents)
    cells = [
        cell.partition(">")[2]
        for cell in page.partition('<table class="matrix">')[2].partition("</table>")[0].split("<td")[1:]
    ]
    found = [int(text.partition("</td>")[0] or 0) for text in cells]
    assert found == contents.test.confusion.ravel().tolist()


def test_class_counts_are_those_of_the_splits():
    contents = make_contents(counts=(61, 30, 29))
    counts = contents.class_counts()
    assert {name: of.sum() for name, of in counts.items()} == {"train": 61, "validation": 30, "test": 29}
    assert counts["train"].tolist() == [21, 20, 20]


def test_the_check_of_pages_can_fail():
    good = "<h1>a</h1><h2 id='x'>b</h2><a href='#x'>c</a>"
    assert Outline(good).faults == []
    for bad in (
        "<h1>a</h1><h3>b</h3>", "<h2>a</h2>", "<h1>a</h1><svg></svg>", "<h1>a</h1><img src='http://x' alt='y'>",
        "<h1>a</h1><th>b</th>", "<h1>a</h1><p onclick='x()'>", "<h1>a</h1><div>", "<h1>a</h1><a href='#y'>b</a>",
        "<h1>a</h1><script></script>", "<h1></h1>", "<h1>a</h1><style>a { background: url(x) }</style>",
    ):  # fmt: skip
        assert Outline(bad).faults, bad


def test_groups_widen_what_is_shown():
    images = make_images(("a", "b"), 40)
    groups = np.repeat(np.arange(8), 5)
    contents = make_contents(("a", "b"), (60, 40, 40))
    told = page_of(replace(contents, test=judged(images, groups=groups))).words
    assert "counting 8 groups of images that belong together" in told
