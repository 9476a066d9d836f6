"""The page at / in a real browser: under a strict policy it answers, asks nobody else, and makes no name markup."""

import os
from dataclasses import replace

import numpy as np
import pytest
from tests.shipping.service.conftest import running

from striate.shipping.service.limits import Limits

HOSTILE = "<img src=x onerror='window.hacked=1'>"
TOKEN = "a-token-of-letters"


@pytest.fixture(scope="module")
def hostile_path(digits_model, tmp_path_factory):
    """A model whose classes have hostile names."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.striate"
    replace(digits_model, classes=tuple(f"{HOSTILE}{name}" for name in digits_model.classes)).save(path)
    return path


@pytest.fixture
def tab(browser):
    """A tab of a phone's width that remembers whom it asks and what goes amiss."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    made = context.new_page()
    made.hosts, made.amiss = set(), []
    made.on("request", lambda one: made.hosts.add(one.url.split("/")[2]) if one.url.startswith("http") else None)
    made.on("pageerror", lambda error: made.amiss.append(str(error)))
    made.on("console", lambda said: made.amiss.append(said.text) if "Policy" in said.text else None)
    yield made
    context.close()


def type_token(tab, token):
    tab.fill("#token", token)
    tab.locator("#token").blur()


@pytest.mark.parametrize("kind", ["one", "several", "token"])
def test_the_page_answers_under_its_policy(tab, hostile_path, model_path, digits_model, digit_files, tmp_path, kind):
    paths = [f"a={hostile_path}", *([f"b={model_path}"] if kind != "one" else [])]
    pictures = tmp_path / "<b>digit.png", tmp_path / "broken.png"
    pictures[0].write_bytes(digit_files[0])
    pictures[1].write_bytes(digit_files[0][:60])
    limits = Limits(images=4)  # the heat map asks with more than one request may have
    with running(paths, token=TOKEN if kind == "token" else None, limits=limits) as (_, client):
        tab.goto(f"http://127.0.0.1:{client.port}/")
        tab.wait_for_selector("html[data-ready=yes]", state="attached")
        assert tab.is_visible("#token") == (kind == "token")
        if kind == "token":
            assert "wants its token" in tab.inner_text("#state")
            type_token(tab, "not-the-token-at-all")
            tab.wait_for_function("() => document.getElementById('state').textContent.includes('not the token')")
            type_token(tab, TOKEN)
        tab.wait_for_function("() => document.getElementById('state').textContent === 'ready'")
        assert tab.inner_text("#title").startswith(HOSTILE[:29])
        assert tab.is_visible("#model") == (kind != "one")
        tab.set_input_files("#choose", [os.fspath(one) for one in pictures])
        tab.wait_for_function("() => document.getElementById('trouble').textContent.includes('broken.png')")
        tab.wait_for_selector(".result .bars")
        right = digits_model.predict(digit_files[0])
        assert tab.inner_text(".bars .name >> nth=0") == HOSTILE + right.label
        assert float(tab.inner_text(".bars .n >> nth=0").removesuffix(" %")) == pytest.approx(
            100 * right.probability, abs=0.1
        )
        tab.click("button.quiet")
        tab.wait_for_selector("canvas.heat")
        if kind != "one":
            tab.select_option("#model", "b")
            assert tab.inner_text("#title") == "0, 1, 2 or 7 more?"
            tab.set_input_files("#choose", os.fspath(pictures[0]))
            tab.wait_for_function("() => document.querySelectorAll('.result .bars').length === 2")
            assert tab.inner_text(".bars .name >> nth=0") == right.label
        assert tab.evaluate("window.hacked") is None
        assert tab.locator(".result b, .result img").count() == 0
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.hosts == {f"127.0.0.1:{client.port}"}
        assert tab.amiss == []


def test_where_it_looks_is_what_the_service_says_of_covered_copies(tab, model_path, digits_model, tmp_path):
    """A digit's background adds nothing, so that what is marked lies on its strokes."""
    from PIL import Image

    golden = np.squeeze(digits_model.samples.golden.images[0])
    Image.fromarray(golden).save(tmp_path / "digit.png")
    with running([model_path]) as (_, client):
        tab.goto(f"http://127.0.0.1:{client.port}/")
        tab.set_input_files("#choose", os.fspath(tmp_path / "digit.png"))
        tab.click("button.quiet")
        tab.wait_for_selector("canvas.heat")
        alpha = tab.evaluate("""() => {
            const heat = document.querySelector("canvas.heat"), {width, height} = heat;
            return [...heat.getContext("2d").getImageData(0, 0, width, height).data].filter((_, i) => i % 4 === 3);
        }""")
    assert max(alpha) == 190
    assert 0 < np.mean(alpha) < 120


def test_a_busy_service_is_asked_again_and_a_refusal_is_told(tab, model_path, digit_files, tmp_path):
    (tmp_path / "digit.png").write_bytes(digit_files[0])
    busy = {"error": {"code": "busy", "message": "ask again"}}
    with running([model_path]) as (_, client):
        tab.goto(f"http://127.0.0.1:{client.port}/")
        tab.wait_for_selector("html[data-ready=yes]", state="attached")
        tab.route("**/v1/predict*", lambda route: route.fulfill(status=429, headers={"retry-after": "0.01"}, json=busy),
                  times=2)  # fmt: skip
        tab.set_input_files("#choose", os.fspath(tmp_path / "digit.png"))
        tab.wait_for_selector(".result .bars")
        told = {"error": {"code": "internal", "message": "try <b>later</b>"}}
        tab.route("**/v1/predict*", lambda route: route.fulfill(status=500, json=told))
        tab.set_input_files("#choose", os.fspath(tmp_path / "digit.png"))
        tab.wait_for_selector(".result .bad")
        assert "It cannot be answered: try <b>later</b>" in tab.inner_text("#results")
