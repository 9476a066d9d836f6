"""The page in real Chromium, as wide as a desk and a phone: what it computes is torch's, clicks and keys work."""

import base64
import html
import re

import numpy as np
import pytest
import torch
from PIL import Image
from tests.explanation.walk.test_engine import model_of

from striate.explanation.walk.page import SCRIPTS, write_walkthrough

# As text: a driver takes minutes for arrays of millions.
VALUES = """async (index) => {
  const values = await walk.values(index), bytes = new Uint8Array(values.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return btoa(text);
}"""
SIZES = {"desk": (1280, 900), "phone": (390, 844)}


def until(page, condition: str) -> None:
    """Wait until a condition holds; the page's own policy forbids what playwright waits by."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition} did not come true in ten seconds")


class Reader:
    """A page that is open, without a network, and all that went wrong in it."""

    def __init__(self, browser, path, size="desk", dark=False):
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", offline=True,
            has_touch=size == "phone",
        )  # fmt: skip
        self.page, self.faults, self.asked = context.new_page(), [], []
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(f"file://{path}")
        self.run("walk.ready")
        self.idle()

    def run(self, script, given=None):
        return self.page.evaluate(script, given)

    def idle(self):
        self.run("walk.idle()")

    def go(self, index, at=None):
        self.run("([index, at]) => walk.go(index, at)", [index, at])

    def set_pixels(self, pixels):
        self.run("(pixels) => walk.setPixels(Uint8ClampedArray.from(pixels))", pixels.ravel().tolist())
        self.idle()

    def values(self, index):
        return np.frombuffer(base64.b64decode(self.run(VALUES, index)), np.float32)

    def shown(self, term):
        """The number that the page's formula gives for a term."""
        return float(self.page.locator(f'#sum [data-term="{term}"]').first.get_attribute("data-value"))

    def close(self):
        assert self.faults == []
        outside = [url for url in self.asked if not url.startswith(("file:", "blob:", "data:"))]
        assert outside == []
        assert self.run("document.documentElement.scrollWidth <= innerWidth")
        self.page.context.close()


def torch_at(model, pixels):
    """Each layer's values and the probabilities, by the model itself."""
    with torch.inference_mode():
        x = model.preprocessing.normalise(torch.from_numpy(pixels[None]).permute(0, 3, 1, 2))
        found = model.module.activations(x)
    return {path: value[0].numpy().ravel() for path, value in found.items()}, model.predict_proba(pixels[None])[0]


def assert_torchs(reader, model, pixels, steps=None):
    expected, probabilities = torch_at(model, pixels)
    for index, step in enumerate(reader.run("walk.plan.steps.map((step) => step.path)")):
        if steps is None or index in steps:
            own, scale = reader.values(index), max(1e-9, np.abs(expected[step]).max())
            assert np.abs(own - expected[step]).max() <= 1e-4 * scale, step
    if steps is None:
        assert reader.run("walk.probabilities") == pytest.approx(probabilities.tolist(), abs=1e-4)


def random_pixels(model, seed):
    c, h, w = model.preprocessing.input_shape
    return np.random.default_rng(seed).integers(0, 256, (h, w, c), np.uint8)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A net with most kinds of layers, its picture and its page."""
    sentence = (
        "conv(6, 3, pad=1) bn relu maxpool(2) residual(conv(6, 3, pad=1) gelu) "
        "concat(conv(4, 1) | avgpool(3, 1, pad=1)) se(2) globalavg fc(12) tanh dropout fc(4)"
    )
    model = model_of(sentence, (3, 16, 16), spread=False)
    pixels = random_pixels(model, 7)
    path = tmp_path_factory.mktemp("walk") / "walk.html"
    found = write_walkthrough(model, pixels, path)
    assert (found.kept, found.absent) == (0, 0)
    return model, pixels, path


@pytest.mark.parametrize(("sentence", "shape"), [("swift_s", (3, 32, 32)), ("lenet", (1, 28, 28))])
def test_the_page_computes_any_picture_as_torch_does(browser, tmp_path, sentence, shape):
    model = model_of(sentence, shape, spread=False)
    path = tmp_path / "walk.html"
    write_walkthrough(model, random_pixels(model, 1)[..., 0] if shape[0] == 1 else random_pixels(model, 1), path)
    reader = Reader(browser, path)
    assert reader.run("walk.comparison.worst") < 1e-5
    assert_torchs(reader, model, random_pixels(model, 1))
    other = random_pixels(model, 2)
    reader.set_pixels(other)
    assert_torchs(reader, model, other)
    assert reader.run("walk.ms") < 5000  # no figure of speed: it must not hang
    reader.close()


def test_a_large_net_keeps_numbers_and_says_which(browser, tmp_path):
    model = model_of(
        "conv(16, 5, stride=2) relu maxpool(3, 2) conv(32, 3) relu fc(900) relu fc(700) relu fc(6)",
        (3, 48, 48),
        spread=False,
    )
    path, pixels = tmp_path / "walk.html", random_pixels(model, 1)
    found = write_walkthrough(model, pixels, path, limit_bytes=700_000)
    assert found.size_bytes <= 700_000
    assert found.kept
    reader = Reader(browser, path)
    kept = reader.run("walk.plan.steps.findIndex((step) => step.units)")
    assert_torchs(reader, model, pixels)
    other = random_pixels(model, 2)
    reader.set_pixels(other)
    assert_torchs(reader, model, other, range(kept))  # what comes before it follows
    reader.go(kept)
    assert "do not follow" in reader.page.inner_text("[data-kept=stale]")
    assert reader.page.locator("[data-key=switch]").is_disabled()
    unit = reader.run(f"walk.plan.steps[{kept}].units[0]")
    reader.go(kept, [unit])  # its sum is of what it gets now
    expected, _ = torch_at(model, other)
    path_of = reader.run(f"walk.plan.steps[{kept}].path")
    assert reader.shown("this number") == pytest.approx(
        expected[path_of][unit], abs=1e-4 * float(np.abs(expected[path_of]).max())
    )
    reader.close()


@pytest.mark.parametrize(("size", "dark"), [("desk", False), ("phone", True)])
def test_clicks_show_where_a_number_comes_from(browser, small, size, dark):
    model, pixels, path = small
    reader = Reader(browser, path, size, dark)
    page, (expected, _) = reader.page, torch_at(model, pixels)
    assert page.locator("#check.fine").count() == 1
    page.click('#strip [data-step="0"]')
    page.click('[data-key="map-3"]')
    assert page.get_attribute('[data-key="map-3"]', "aria-pressed") == "true"
    box = page.locator(".mapbox").bounding_box()
    page.locator(".mapbox").click(position={"x": box["width"] * 2.5 / 16, "y": box["height"] * 5.5 / 16})
    assert reader.run("walk.state.at") == [3, 5, 2]
    assert reader.shown("this number") == pytest.approx(expected["0"].reshape(6, 16, 16)[3, 5, 2], abs=1e-4)
    weight = model.module.state_dict()["0.weight"][3]
    page.click('[data-key="channel-1"]')
    cells = [float(one.get_attribute("data-value")) for one in page.locator("#sum .numbers td").all()]
    assert cells[9:18] == pytest.approx(weight[1].ravel().tolist(), abs=1e-4)
    assert cells[18:] == pytest.approx([a * b for a, b in zip(cells[:9], cells[9:18], strict=True)], abs=1e-4)
    assert reader.shown("sum of this channel") == pytest.approx(sum(cells[18:]), abs=1e-4)
    bias = model.module.state_dict()["0.bias"][3].item()
    assert reader.shown("sum of 27 products") + bias == pytest.approx(reader.shown("this number"), abs=1e-4)
    page.click('[data-key="then-2"]')  # on to what relu makes of it
    assert reader.run("walk.state.index") == 2
    assert reader.shown("this number") == pytest.approx(max(0, expected["1"].reshape(6, 16, 16)[3, 5, 2]), abs=1e-4)
    page.click('#strip [data-step="3"]')  # a pool's window, with the largest marked
    window = page.locator("#sum .numbers td")
    marked = float(page.locator("#sum td.mark").get_attribute("data-value"))
    assert marked == max(float(one.get_attribute("data-value")) for one in window.all()) == reader.shown("this number")
    reader.close()


@pytest.mark.parametrize("size", SIZES)
def test_votes_and_softmax(browser, small, size):
    model, pixels, path = small
    reader = Reader(browser, path, size)
    page, (expected, probabilities) = reader.page, torch_at(model, pixels)
    last = reader.run("walk.plan.steps.length") - 1
    reader.go(last)
    best = int(probabilities.argmax())
    assert reader.run("walk.state.at") == [best]
    votes = [float(one.get_attribute("data-value")) for one in page.locator(".sides .row .n").all()]
    assert len(votes) == 12
    assert sum(votes) + model.module.state_dict()["11.bias"][best].item() == pytest.approx(
        expected["11"][best], abs=1e-4
    )
    page.locator(".sides .row").first.click()  # a vote leads to its input
    assert reader.run("walk.state.index") == last - 1
    page.click("#next")
    page.click("#next")
    shown = {
        int(one.get_attribute("data-class")): float(one.get_attribute("data-value"))
        for one in page.locator("td[data-class]").all()
    }
    assert [shown[k] for k in range(4)] == pytest.approx(probabilities.tolist(), abs=1e-4)
    assert page.locator("#next").is_disabled()
    reader.close()


@pytest.mark.parametrize("size", SIZES)
def test_keys_go_through_layers_and_numbers(browser, small, size):
    _, _, path = small
    reader = Reader(browser, path, size)
    press = reader.page.keyboard.press
    for _ in range(3):
        press("ArrowRight")
    reader.idle()
    assert reader.run("walk.state.index") == 2
    press("ArrowLeft")
    press("]")
    reader.page.focus(".mapbox")
    before = reader.run("walk.state.at")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        press(key)
        reader.idle()
        until(reader.page, "document.activeElement.classList.contains('mapbox')")
    assert reader.run("walk.state.at") == [before[0], before[1] + 1, before[2] + 1]
    press("Enter")
    until(reader.page, "walk.state.index === 0")
    press("n")
    until(reader.page, "walk.state.index === 1")
    reader.page.focus("#paper")
    press("ArrowDown")
    until(reader.page, "walk.state.index === -1")
    reader.close()


@pytest.mark.parametrize("size", SIZES)
def test_painting_moving_dropping_and_resetting_are_followed(browser, small, size, tmp_path):
    model, pixels, path = small
    reader = Reader(browser, path, size)
    page = reader.page
    page.fill("#ink", "#ff8800")
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 4)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + box["height"] / 2, steps=6)
    page.mouse.up()
    reader.idle()

    def now():
        return np.array(reader.run("Array.from(walk.pixels)"), np.uint8).reshape(pixels.shape)

    painted = now()
    assert (painted == [255, 136, 0]).all(2).sum() >= 5
    assert_torchs(reader, model, painted)
    page.click("[data-move='1,0']")
    reader.idle()
    moved = now()
    assert (moved[1:] == painted[:-1]).all()
    assert_torchs(reader, model, moved)
    page.click("#clear")
    reader.idle()
    assert len(np.unique(now().reshape(-1, 3), axis=0)) == 1
    assert_torchs(reader, model, now())

    other = np.random.default_rng(3).integers(0, 256, (37, 50, 3), np.uint8)
    Image.fromarray(other).save(tmp_path / "other.png")
    page.set_input_files("#file", tmp_path / "other.png")
    until(page, "document.getElementById('told').textContent.includes('other.png')")
    reader.idle()
    fitted = model.block([tmp_path / "other.png"], 0, 1)[0]
    assert (now() == fitted).all()  # brought to the net's size as Striate does it, to the last bit
    assert_torchs(reader, model, fitted)
    (tmp_path / "no.png").write_bytes(b"no picture")
    page.set_input_files("#file", tmp_path / "no.png")
    until(page, "document.getElementById('told').textContent.includes('no picture that the browser')")
    page.click("#reset")
    reader.idle()
    assert (now() == pixels).all()
    reader.close()


def test_a_finger_paints_and_taps_on_a_phone(browser, small):
    model, pixels, path = small
    reader = Reader(browser, path, "phone", dark=True)
    page = reader.page
    page.fill("#ink", "#00ff00")
    page.locator("#paper").scroll_into_view_if_needed()
    box = page.locator("#paper").bounding_box()
    finger = page.context.new_cdp_session(page)

    def touch(kind, x=None, y=None):
        points = [] if x is None else [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    scrolled = reader.run("scrollY")
    touch("touchStart", 0.2, 0.2)
    for i in range(1, 7):
        touch("touchMove", 0.2 + i / 12, 0.2 + i / 12)
    touch("touchEnd")
    reader.idle()
    painted = np.array(reader.run("Array.from(walk.pixels)"), np.uint8).reshape(pixels.shape)
    assert (painted == [0, 255, 0]).all(2).sum() >= 5
    assert reader.run("scrollY") == scrolled  # the page stays where it is while a finger draws
    assert_torchs(reader, model, painted)
    page.wait_for_timeout(1000)  # a tap right behind a swift stroke is taken for what stops it
    page.locator('#strip [data-step="0"]').tap()
    until(page, "walk.state.index === 0 && document.querySelector('.mapbox')")
    page.locator(".mapbox").scroll_into_view_if_needed()
    box = page.locator(".mapbox").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 4.5 / 16, box["y"] + box["height"] * 6.5 / 16)
    assert reader.run("walk.state.at")[1:] == [6, 4]
    reader.close()


@pytest.mark.parametrize(
    ("fit", "resize", "channels"), [("crop", None, 1), ("pad", None, 3), ("stretch", None, 3), ("crop", 20, 3)]
)
def test_pictures_come_to_the_net_s_size_as_striate_does_it(browser, tmp_path, fit, resize, channels):
    from dataclasses import replace

    model = model_of("conv(2, 3) fc(3)", (channels, 16, 12), spread=False)
    model = replace(model, preprocessing=replace(model.preprocessing, fit=fit, resize=resize))
    write_walkthrough(model, np.zeros((16, 12, channels), np.uint8), tmp_path / "walk.html")
    reader = Reader(browser, tmp_path / "walk.html")
    generator = np.random.default_rng(4)
    for i, (h, w, mode) in enumerate(
        [(41, 33, "RGB"), (9, 40, "RGB"), (16, 12, "RGB"), (1, 1, "RGB"), (30, 31, "L"), (300, 17, "RGB")]
    ):
        file = tmp_path / f"{i}.png"
        Image.fromarray(generator.integers(0, 256, (h, w) if mode == "L" else (h, w, 3), np.uint8)).save(file)
        reader.page.set_input_files("#file", file)
        until(reader.page, f"document.getElementById('told').textContent.includes('{i}.png')")
        own = np.array(reader.run("Array.from(walk.pixels)"), np.uint8).reshape(16, 12, channels)
        assert (own == model.block([file], 0, 1)[0]).all(), (h, w, mode)
    reader.idle()
    reader.close()


def test_a_filter_that_is_off_gives_zeros_and_all_follows(browser, small):
    model, pixels, path = small
    reader = Reader(browser, path)
    reader.go(0, [2, 3, 3])
    reader.page.click("[data-key=switch]")
    reader.idle()
    own = reader.values(0).reshape(6, 16, 16)
    assert not own[2].any()
    with torch.no_grad():
        changed = model_of(str(model.net), (3, 16, 16), spread=False)
        changed.module.load_state_dict(model.module.state_dict())
        changed.module.layer("0").weight[2] = 0
        changed.module.layer("0").bias[2] = 0
    assert_torchs(reader, changed, pixels)
    assert "map 2" in reader.page.inner_text("#off")
    reader.page.click("#off button")
    reader.idle()
    assert_torchs(reader, model, pixels)
    reader.close()


def test_hostile_names_stay_text(browser, tmp_path):
    from dataclasses import replace

    bad = "</script><img src=x onerror='document.title=1'><b>", "<!--<script>", "a\u2028b\\", "'\"&amp;"
    model = replace(model_of("conv(2, 3) fc(4)", (1, 6, 6), spread=False), classes=bad)
    name = tmp_path / "<svg onload=alert(1)>.png"
    Image.fromarray(random_pixels(model, 0)[..., 0]).save(name)
    write_walkthrough(model, name, tmp_path / "walk.html")
    reader = Reader(browser, tmp_path / "walk.html")
    assert reader.run("walk.plan.classes") == list(bad)
    reader.go(1, [0])
    reader.go(2)
    assert reader.page.locator("main img, main svg").count() == 0
    assert reader.page.inner_text("h1").startswith("From <svg onload=alert(1)>.png to ")
    reader.close()


def test_the_page_runs_its_own_scripts_and_no_other(browser, small):
    _, _, path = small
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', path.read_text("utf-8"))[1])
    allowed = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in allowed
    assert "blob" not in allowed
    assert allowed.count("sha256-") == len(SCRIPTS) + 2
    reader = Reader(browser, path)
    reader.run("""() => {
      document.addEventListener("securitypolicyviolation", (event) => { window.refused = event.violatedDirective; });
      const own = document.createElement("script");
      own.textContent = "window.foreign = 1";
      document.body.append(own);
    }""")
    until(reader.page, "window.refused === 'script-src-elem'")
    assert reader.run("window.foreign") is None
    assert len(reader.faults) == 1
    reader.faults.clear()
    reader.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"), [("swift_m", (3, 32, 32)), ("alexnet", (3, 227, 227)), ("resnet50", (3, 96, 96))]
)
def test_large_nets_of_the_zoo_in_eight_megabytes(browser, tmp_path, name, shape):
    model, path = model_of(name, shape, spread=False), tmp_path / "walk.html"
    pixels, other = random_pixels(model, 1), random_pixels(model, 2)
    assert write_walkthrough(model, pixels, path).size_bytes <= 8_000_000
    reader = Reader(browser, path)
    count = reader.run("walk.plan.steps.length")
    here = [i for i in range(count) if not reader.run(f"Boolean(walk.plan.steps[{i}].absent)")]
    assert_torchs(reader, model, pixels, here)
    reader.set_pixels(other)
    assert_torchs(reader, model, other, [i for i in here if not reader.run(f"walk.isKept({i})")])
    for index in {0, here[len(here) // 2], count // 2, count - 1, count}:  # kept and absent ones can be looked at
        reader.go(index)
    assert reader.run("walk.isKept(0)") is False
    reader.close()
