"""The pages at / in a real browser: under a strict policy they answer, ask nobody else, and make no name markup."""

import os
from dataclasses import replace

import pytest
from tests.shipping.service.conftest import running

HOSTILE = "<img src=x onerror='window.hacked=1'>"
TOKEN = "a token of letters".replace(" ", "-")


@pytest.fixture(scope="module")
def hostile_path(digits_model, tmp_path_factory):
    """A model whose classes have hostile names."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.striate"
    replace(digits_model, classes=tuple(f"{HOSTILE}{name}" for name in digits_model.classes)).save(path)
    return path


@pytest.mark.parametrize("kind", ["one", "several", "token"])
def test_a_page_answers_under_its_policy(browser, hostile_path, model_path, digit_files, tmp_path, kind):
    paths = [f"a={hostile_path}", *([f"b={model_path}"] if kind == "several" else [])]
    pictures = tmp_path / "<b>digit.png", tmp_path / "broken.png"
    pictures[0].write_bytes(digit_files[0])
    pictures[1].write_bytes(digit_files[0][:60])
    with running(paths, token=TOKEN if kind == "token" else None) as (_, client):
        page = browser.new_page()
        hosts, amiss = set(), []
        page.on("request", lambda one: hosts.add(one.url.split("/")[2]) if one.url.startswith("http") else None)
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.on("console", lambda said: amiss.append(said.text) if "Policy" in said.text else None)
        page.goto(f"http://127.0.0.1:{client.port}/")
        if kind == "token":
            page.fill("#token", TOKEN)
            page.locator("#token").blur()
            page.wait_for_function("() => document.getElementById('about').textContent.includes('10 classes')")
        page.set_input_files("input[type=file]", [os.fspath(one) for one in pictures])
        page.wait_for_function("() => document.body.innerText.split('onerror').length > 3")
        page.wait_for_function("() => document.body.innerText.includes('broken.png')")
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.querySelectorAll('b').length") == 0
        assert hosts == {f"127.0.0.1:{client.port}"}
        assert amiss == []
        page.close()
