"""The card: its figures against counting, its intervals against groups, what it leaves out, its figure and page."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import striate
from striate.errors import ShapeError
from striate.evaluation.robustness.card import RobustnessCard, judged_rows, meaningful, measure_robustness
from striate.evaluation.robustness.corruptions import CORRUPTIONS, FAMILIES
from striate.evaluation.robustness.figure import draw_robustness
from striate.evaluation.robustness.judging import judge_robustness
from striate.evaluation.robustness.light import darkened
from striate.evaluation.robustness.section import card_section, write_card


def two_classes(n=200, c=3, seed=0):
    """Bright images and dark ones, told apart by a threshold on the mean: only light can fool it."""
    labels = np.arange(n) % 2
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (n, 16, 16, c)) + np.where(labels, 160, 60)[:, None, None, None]
    return images.astype(np.uint8), labels


def by_mean(pixels):
    bright = (pixels.mean((1, 2, 3)) > 127).astype(float)
    return np.stack([1 - bright, bright], 1)


@pytest.fixture(scope="module")
def card():
    return measure_robustness(by_mean, *two_classes())


def test_what_cannot_harm_does_not_and_what_must_does(card):
    assert card.clean.accuracy == 1
    row = {one.name: one for one in card.rows}
    assert row["rotation"].mean == row["mirror"].mean == row["noise"].mean == 1
    assert [score.accuracy for score in row["dark"].scores] == [
        (by_mean(darkened(two_classes()[0], amount)).argmax(1) == two_classes()[1]).mean()
        for amount in row["dark"].corruption.amounts
    ]
    assert card.families["viewpoint"] == 1
    assert card.families["light"] < 0.9
    assert card.worst[0].family == "light"
    assert re.fullmatch(r"weakest: .* costs 50\.0 points: 50\.0 % instead of 100\.0 %", card.weakest)
    assert card.chance < 0.02


def test_a_card_is_read_as_it_was_told(card):
    told = json.loads(json.dumps(card.to_json()))
    again = RobustnessCard.from_json(told)
    assert again == card
    assert card_section(again) == card_section(card)


@pytest.mark.parametrize("harm", [
    lambda told: told.pop("clean"),
    lambda told: told["clean"].update(accuracy=7),
    lambda told: told["clean"].update(accuracy=float("nan")),
    lambda told: told["corruptions"][0].update(name="<script>"),
    lambda told: told["corruptions"][0].update(amounts=[1, 2, 3, 4, 5]),
    lambda told: told["corruptions"].clear(),
    lambda told: told.update(corruptions=7, notes=None),
])  # fmt: skip
def test_a_card_that_makes_no_sense_is_refused(card, harm):
    told = json.loads(json.dumps(card.to_json()))
    harm(told)
    with pytest.raises(ValueError, match=r"card|accuracy"):
        RobustnessCard.from_json(told)


def test_means_are_means(card):
    counted = [row for row in card.rows if row.name != "mirror"]
    assert card.mean == pytest.approx(np.mean([np.mean([s.accuracy for s in row.scores]) for row in counted]))
    assert card.families["noise"] == pytest.approx(
        np.mean([r.mean for r in card.rows if r.name in ("noise", "specks")])
    )
    assert list(card.families) == list(FAMILIES)


def test_a_card_is_made_again_to_the_bit(card):
    assert measure_robustness(by_mean, *two_classes()).to_json() == card.to_json()


def test_the_mirror_is_in_no_mean_and_never_the_weakest():
    """Whether an arrow points left or right is not robust against the mirror, and need not be."""
    labels = np.arange(60) % 2
    images = np.full((60, 16, 16, 1), 100, np.uint8)
    images[labels == 0, :, :8] = 140
    images[labels == 1, :, 8:] = 140

    def by_side(pixels):
        right = (pixels[:, :, 8:].mean((1, 2, 3)) > pixels[:, :, :8].mean((1, 2, 3))).astype(float)
        return np.stack([1 - right, right], 1)

    card = measure_robustness(by_side, images, labels)
    mirror = next(row for row in card.rows if row.name == "mirror")
    assert mirror.mean == 0
    assert card.worst[0] is not mirror
    assert card.mean > 0.5


def test_intervals_count_groups():
    images, labels = two_classes()
    alone, grouped = (measure_robustness(by_mean, images, labels, groups) for groups in (None, np.arange(200) // 20))
    wide, narrow = (np.ptp(one.rows[6].scores[-1].interval) for one in (grouped, alone))
    assert alone.rows[6].name == "dark"
    assert wide > 1.5 * narrow
    assert (alone.groups, grouped.groups) == (200, 10)
    assert grouped.chance > alone.chance


def test_what_chance_may_do_is_no_weakness():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8), rng.integers(0, 2, 40)

    def guess(pixels):
        first = (pixels.astype(int).sum((1, 2, 3)) * 7919 % 2).astype(float)
        return np.stack([1 - first, first], 1)

    card = measure_robustness(guess, images, labels)
    assert card.weakest == "weakest: nothing; on 40 images no corruption costs more than chance would"
    assert card.chance > 0.05


@pytest.mark.parametrize(("channels", "out"), [(1, {"colour cast"}), (3, set()), (5, {"colour cast", "JPEG"})])
def test_what_means_nothing_is_left_out_and_said(channels, out):
    chosen, told = meaningful(channels)
    assert {one.name for one in CORRUPTIONS} - {one.name for one in chosen} == out
    assert len(told) == len(out)
    card = measure_robustness(by_mean, *two_classes(20, channels))
    assert card.left_out == told
    assert {row.name for row in card.rows} == {one.name for one in chosen}


def test_images_must_be_there():
    with pytest.raises(ShapeError, match="images \\(n, h, w, c\\), n at least 1, and n labels; got"):
        measure_robustness(by_mean, np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0, int))
    with pytest.raises(ShapeError, match="labels"):
        measure_robustness(by_mean, np.zeros((3, 4, 4, 3), np.uint8), np.zeros(2, int))


def test_progress_comes_to_its_end():
    heard = []
    measure_robustness(by_mean, *two_classes(10), progress=lambda what, done, total: heard.append((done, total)))
    assert heard[-1][0] == heard[-1][1] == len(heard)


def test_judged_rows_are_drawn_once_and_for_all():
    rows = judged_rows(5_000, 32, 32)
    assert len(rows) == len(set(rows)) == 2_000
    assert (np.diff(rows) > 0).all()
    assert (rows == judged_rows(5_000, 32, 32)).all()
    assert (judged_rows(300, 32, 32) == np.arange(300)).all()


def test_json_holds_all_of_it(card):
    found = json.loads(json.dumps(card.to_json()))
    assert found["clean"] == {"accuracy": 1.0, "interval": list(card.clean.interval)}
    assert found["weakest"]["sentence"] == card.weakest
    assert [len(one["accuracy"]) for one in found["corruptions"]] == [len(one.amounts) for one in CORRUPTIONS]
    assert [one["name"] for one in found["corruptions"] if not one["in_mean"]] == ["mirror"]


class TestClassifiers:
    def test_a_net_is_judged_on_what_it_has_not_seen(self, digits_model):
        card = judge_robustness(digits_model, striate.read("digits"))
        assert card.images == 210
        assert card.clean.accuracy == digits_model.evaluate("digits").accuracy
        assert any("were seen in training" in note for note in card.notes)
        assert card.left_out[0].startswith("colour cast")
        assert card.mean < card.clean.accuracy

    def test_views_are_left_aside_and_that_is_said(self, digits_model):
        data = striate.read("digits")
        assert (
            "without the model's views (mirror)"
            in judge_robustness(replace(digits_model, views="mirror"), data).notes[-1]
        )

    @pytest.mark.parametrize("kind", ["majority", "neighbours", "logistic"])
    def test_every_kind_has_a_card(self, kind):
        model = striate.train("xo:80", net=kind)
        card = judge_robustness(model, striate.read("xo:80"))
        assert 0 < card.images < 80
        assert len(card.rows) >= 20


@pytest.fixture(scope="module")
def section(card):
    return card_section(card)


class TestPage:
    def test_the_figure_is_whole_and_follows_the_page(self, card, section):
        png, svg = draw_robustness(card)
        assert png[:4] == b"\x89PNG"
        root = ElementTree.fromstring(svg)
        assert root.attrib["role"] == "img"
        assert card.weakest in root.attrib["aria-label"]
        assert "var(--ink)" in svg
        assert "#1d2433" not in svg
        assert svg in section  # drawn twice, the same twice

    def test_the_section_has_every_figure(self, card, section):
        html = section
        for row in card.rows:
            assert f">{row.name}<" in html
            for score in row.scores:
                assert f">{100 * score.accuracy:.1f}<" in html
        assert html.count("<tr>") == 1 + len(card.rows)

    def test_a_page_names_are_escaped_in(self, card, tmp_path):
        path = write_card(replace(card, notes=("<b>x</b>",)), tmp_path / "card.html", "<i>model</i>")
        text = path.read_text("utf-8")
        assert "<i>model" not in text
        assert "<b>x</b>" not in text.lower()
        assert "http" not in re.sub(
            r'http-equiv|xmlns[^ >]*|"http://www.w3.org[^"]*"|<metadata>.*?</metadata>', "", text, flags=re.S
        )
        assert len(text) < 1_000_000
