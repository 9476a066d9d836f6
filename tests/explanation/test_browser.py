"""The page of explanations in real Chromium: on a phone, with all its pictures."""

import numpy as np
from PIL import Image
from tests.pages.opened import Opened

from striate.explanation.explain import explain
from striate.explanation.page import write_explanations


def test_explanations_fit_a_phone_and_print_with_all_their_pictures(browser, digits_model, tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"a_rather_long_name_without_any_space_{i}.png" for i in range(2)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(path)
    write_explanations([explain(digits_model, path) for path in paths], tmp_path / "explained.html", "digits")
    opened = Opened(browser, tmp_path / "explained.html", "phone")
    assert opened.faults == []
    table = opened.page.locator("nav")
    assert table.evaluate("(one) => one.scrollWidth <= one.clientWidth")  # nothing of it is out of sight
    link = table.locator("a").first.bounding_box()
    assert link["width"] > 80  # nor is a name written letter below letter
    opened.context.close()
