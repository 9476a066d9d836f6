"""The page runs from a file without a network, says what Python says, and lets no name become markup."""

import base64
import hashlib
import json
import lzma
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from striate.classifier.samples import Samples
from striate.errors import ArgumentError
from striate.shipping.app import page as pages
from striate.shipping.app.page import app_page, service_page
from striate.shipping.export import export_model

HOSTILE = (
    '<img src=x onerror="window.hacked=1">',
    "</script><script>window.hacked=1</script>",
    "{{ 7*7 }} & 'é\n\udcff",
)


@pytest.fixture(scope="module")
def exported(colours, tmp_path_factory):
    """The page of a model whose classes have hostile names."""
    pytest.importorskip("onnx", reason="the extra export is not installed")
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    named = replace(colours, classes=(*HOSTILE, *colours.classes[len(HOSTILE) :]))
    folder = tmp_path_factory.mktemp("a page?#%")
    path = folder / "app.html"
    done = export_model(named, path)
    return named, done, path


def test_it_needs_nothing_else_and_is_small(exported):
    _, done, path = exported
    text = path.read_text("utf-8")
    assert done.size_bytes == path.stat().st_size < 8_000_000
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", re.sub(r"<script.*?</script>", "", text, flags=re.S)) == []
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
    for name in HOSTILE[:2]:
        assert name not in text


def test_the_vendored_runtime_is_the_published_one():
    said = pages._read("vendor/README.md").decode()
    bundle = hashlib.sha256(pages._read("vendor/ort.wasm.bundle.min.mjs")).hexdigest()
    wasm = hashlib.sha256(lzma.decompress(pages._read("vendor/ort-wasm-simd-threaded.wasm.xz"))).hexdigest()
    assert bundle in said
    assert wasm in said
    assert pages.RUNTIME in said
    assert b"MIT License" in pages._read("vendor/LICENSE")


def test_models_of_many_bands_and_large_ones_are_refused(colours, monkeypatch):
    golden = colours.samples.golden
    bands = replace(colours, preprocessing=replace(colours.preprocessing, channels=5))
    with pytest.raises(ArgumentError, match="looks at 5 bands, which no browser reads"):
        app_page(bands, b"", golden.images, golden.probabilities)
    monkeypatch.setattr(pages, "MOST_BYTES", 1_000_000)
    with pytest.raises(ArgumentError, match=r"the page would have [\d.]+ MB, at most 1 MB"):
        app_page(colours, b"0", golden.images, golden.probabilities)


def test_in_front_of_a_service_it_has_no_model_in_it():
    text = service_page()
    assert len(text) < 60_000
    assert "connect-src 'self'" in text.replace("&#39;", "'")
    assert "v1/predict" in text


def opened(browser, path, asked, **options):
    context = browser.new_context(offline=True, **options)
    tab = context.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: asked.append(f"error: {error}"))
    tab.goto(path.as_uri())
    tab.wait_for_selector("html[data-ready=yes]", state="attached", timeout=60_000)
    return tab


def test_in_a_browser_it_answers_as_python_does(exported, browser, tmp_path):
    model, _, path = exported
    rng = np.random.default_rng(0)
    turned = Image.fromarray(rng.integers(0, 256, (50, 31, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 8
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(model.samples.golden.images[0]).resize((77, 60)).save(tmp_path / "<b>larger.png")
    Image.fromarray(rng.integers(0, 256, (20, 30), np.uint8)).save(tmp_path / "gray.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    files = [tmp_path / name for name in ("turned.png", "<b>larger.png", "gray.png")]
    asked = []
    tab = opened(browser, path, asked)
    n = len(model.samples.golden.labels)
    assert re.match(
        rf"{n} of {n} golden images answered as in Python, largest difference (below )?0\.000\d",
        tab.inner_text("#state"),
    )
    tab.set_input_files("#choose", [*files, tmp_path / "broken.png"])
    tab.wait_for_function("() => document.querySelectorAll('.result .bars').length === 3", timeout=30_000)
    tab.wait_for_function("() => document.getElementById('trouble').textContent", timeout=30_000)
    assert tab.inner_text("#trouble") == "broken.png is no picture that this browser can read."
    cards = tab.locator(".result").all()[::-1]
    for card, expected, file in zip(cards, model.predict(files), files, strict=True):
        said = card.inner_text()
        assert file.name in said
        assert ("None of these" in said) == (expected.known is False)
        assert card.locator(".bars .name").first.text_content() == expected.label
        shown = float(card.locator(".bars .n").first.inner_text().removesuffix(" %"))
        assert shown == pytest.approx(100 * expected.probability, abs=0.1)
    cards[0].locator("button.quiet").click()
    tab.wait_for_selector("canvas.heat", timeout=30_000)
    assert tab.evaluate("window.hacked") is None
    assert tab.locator(".result img, .result script, .result b").count() == 0
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    tab.context.close()


# What a hand does with files, as events of the page.
GIVE = """([how, files]) => {
  const data = new DataTransfer();
  for (const { name, type, content } of files)
    data.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name, { type }));
  const where = document.getElementById("zone"), told = { bubbles: true, cancelable: true };
  where.dispatchEvent(how === "paste" ? new ClipboardEvent(how, { clipboardData: data, ...told })
    : new DragEvent(how, { dataTransfer: data, ...told }));
}"""


def as_given(path):
    return {"name": path.name, "type": "image/jpeg", "content": base64.b64encode(path.read_bytes()).decode()}


@pytest.mark.parametrize("kind", ["gray", "turned"])
def test_what_is_dropped_pasted_or_photographed_is_answered_as_in_python(
    kind, colours, grays, browser, tmp_path_factory
):
    """Of pictures that the camera has stored turned, by a net of gray images, and by one that looks from four sides."""
    folder = tmp_path_factory.mktemp("photographed")
    model = grays if kind == "gray" else replace(colours, views="turns")
    golden = model.samples.golden
    model = replace(model, samples=Samples(replace(golden, probabilities=model.predict_proba(golden.images))))
    export_model(model, folder / "app.html")
    files = []
    for turn in (1, 3, 6, 8):
        picture = Image.fromarray(np.random.default_rng(turn).integers(0, 256, (6, 9, 3), np.uint8)).resize((90, 60))
        exif = picture.getexif()
        exif[0x0112] = turn
        files.append(folder / f"{turn}.jpg")
        picture.save(files[-1], exif=exif, quality=95)
    asked = []
    tab = opened(browser, folder / "app.html", asked)
    n = len(golden.labels)
    assert tab.inner_text("#state").startswith(f"{n} of {n} golden images answered as in Python")
    for how, shown in (("drop", 4), ("paste", 8)):
        tab.evaluate(GIVE, [how, [as_given(file) for file in files]])
        tab.wait_for_function(f"() => document.querySelectorAll('.result .bars').length === {shown}", timeout=30_000)
        cards = tab.locator(".result").all()[::-1][-4:]
        for card, expected, file in zip(cards, model.predict(files), files, strict=True):
            assert file.name in card.inner_text()
            by_name = dict(zip(model.classes, expected.probabilities, strict=True))
            for row in card.locator(".bars li").all():
                share = float(row.locator(".n").inner_text().removesuffix(" %"))
                assert share == pytest.approx(100 * by_name[row.locator(".name").inner_text()], abs=1.5), (how, file)
    tab.evaluate(GIVE, ["drop", []])
    assert tab.inner_text("#trouble") == "There was no picture in what was dropped: save it, and choose the file."
    tab.click("#camera")
    tab.wait_for_selector("#viewfinder:not([hidden])", timeout=30_000)
    tab.wait_for_function("() => document.getElementById('video').videoWidth > 0", timeout=30_000)
    tab.click("#shoot")
    tab.wait_for_function("() => document.querySelectorAll('.result .bars').length === 9", timeout=30_000)
    assert "camera" in tab.locator(".result").first.inner_text()
    tab.click("#camera")
    assert tab.locator("#viewfinder").is_hidden()
    assert [url for url in asked if not url.startswith(("file:", "blob:"))] == []
    tab.context.close()


def test_a_copy_that_answers_otherwise_says_so(exported, browser, tmp_path):
    text = exported[2].read_text("utf-8")
    about = re.search(r'<script type="application/json" id="about">(.*?)</script>', text)[1]
    said = json.loads(about)
    said["golden"]["probabilities"][0] += 0.5
    (tmp_path / "wrong.html").write_text(text.replace(about, json.dumps(said).replace("<", "\\u003c")), "utf-8")
    tab = opened(browser, tmp_path / "wrong.html", [], viewport={"width": 390, "height": 844})
    words = tab.inner_text("#state")
    n = said["golden"]["shape"][0]
    assert words.startswith(f"{n - 1} of {n} golden images answered as in Python")
    assert words.endswith("Do not trust the answers of this browser")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.context.close()
