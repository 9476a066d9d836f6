"""Reports in real Chromium: offline, as wide as a desk and a phone, light and dark, on paper."""

from dataclasses import replace

import pytest
from tests.evaluation.report.contents import make_contents
from tests.evaluation.report.test_page import FULL
from tests.pages.opened import SIZES, Opened

from striate.evaluation.mistakes import worst_mistakes
from striate.evaluation.report.page import report_page
from striate.nets import make_module, parse

DEEP = "conv(8, 3, pad=1) relu " + "residual(conv(8, 3, pad=1) bn relu conv(8, 3, pad=1) bn) relu " * 12 + "fc(3)"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with everything in it, of a deep net and of a ladder whose rung was fitted again."""
    contents = make_contents(**FULL, told={"chosen": "swift", "verdict": "A net wins.", "epoch": 3, "refit_s": 2.0})
    net = parse(DEEP)
    model = replace(contents.model, net=net, module=make_module(net, contents.model.preprocessing.input_shape))
    assert contents.test is not None
    named = replace(contents.test, names=contents.splits.test.names)
    mistakes = worst_mistakes(named, 24)
    pairs = [replace(one, like=contents.splits.train.names[i]) for i, one in enumerate(mistakes)]
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(replace(contents, model=model, mistakes=pairs)), "utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_opens_offline_at_every_width_light_and_dark(browser, report, size, dark):
    opened = Opened(browser, report, size, dark)
    assert opened.faults == []
    assert (opened.brightness("backgroundColor") < 60) == dark
    assert (opened.brightness("color") > 180) == dark
    picture = opened.page.locator(".anatomy svg").bounding_box()
    assert picture["width"] <= SIZES["desk"][0]  # of a net of 50 layers: it goes on in another row
    opened.context.close()


def test_it_prints(browser, report):
    """In light colours whatever the screen has, nothing wider than the paper, on not too many pages."""
    opened = Opened(browser, report, dark=True)
    pages = opened.page.pdf(format="A4").count(b"/Type /Page\n")
    assert 3 <= pages <= 9
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 703, "height": 1000})  # A4 without its margins
    assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert opened.brightness("color") < 60
    opened.context.close()


def test_the_check_can_fail(browser, tmp_path):
    for i, body in enumerate((
        "<div style='width:500px'>wide</div>", "<img src='data:image/png;base64,AAAA' alt=''>", "<img src='http://x/y'>",
    )):  # fmt: skip
        (tmp_path / f"{i}.html").write_text(f"<meta name=viewport content='width=device-width'>{body}")
        opened = Opened(browser, tmp_path / f"{i}.html", "phone")
        assert opened.faults, body
        opened.context.close()
