"""A graph answers as the classifier does, whatever the classifier is; one that does not is never handed out."""

import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

import onnx
import torch
from onnx.reference import ReferenceEvaluator
from PIL import Image
from tests.shipping.models import with_golden

import striate
from striate.baselines.candidates import fit_baseline
from striate.baselines.registry import BASELINES
from striate.classifier.features import net_features
from striate.classifier.samples import Golden, Samples
from striate.classifier.trust import ValidationScores
from striate.data.reading import read
from striate.data.splitting import split
from striate.data.tensors import to_batch
from striate.errors import ArgumentError, ExportError
from striate.shipping.export import ExportOptions, export_model
from striate.shipping.onnx.model import make_onnx
from striate.shipping.runtime import OnnxSession
from striate.shipping.verify import MOST_UNLIKE, SAID_UNLIKE, _blocks, ask, verify_catalog, verify_golden

QUICK = {"forest": "forest(trees=20)", "boosted": "boosted(rounds=10)"}


@pytest.fixture(scope="module")
def parts():
    images = striate.prepare(striate.read("digits"))
    return split(images.subset(np.arange(400)), seed=0)


def session(model):
    return OnnxSession(make_onnx(model)[0].SerializeToString())


def metadata_of(graph):
    """Return what a graph of ours says of itself."""
    return {one.key: json.loads(one.value) for one in graph.metadata_props if one.key.startswith("striate.")}


@pytest.mark.parametrize("which", ["colours", "grays"])
def test_a_net_answers_alike_at_any_size_and_says_what_is_none_of_these(which, request, tmp_path):
    model = request.getfixturevalue(which)
    exported = export_model(model, tmp_path / "m.onnx")
    assert exported.parity.holds
    assert exported.parity.largest_difference < 1e-4
    assert exported.parity.known is not None
    # By ranks: equal scores, of which such small sets have many, may fall on either side. Beyond 2 % that is told.
    assert exported.parity.known >= 1 - MOST_UNLIKE
    assert exported.parity.known >= 1 - SAID_UNLIKE or any("the graph says otherwise" in n for n in exported.notes)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]  # no data beside it
    graph = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(graph, full_check=True)
    said = metadata_of(graph)
    assert tuple(said["striate.classes"]) == model.classes
    assert said["striate.version"] == striate.__version__
    assert said["striate.temperature"] == model.trust.temperature
    assert "source" not in json.dumps(said["striate.trained_on"])
    assert {"striate.licence", "striate.weights", "striate.input", "striate.none_of_these"} <= said.keys()


@pytest.mark.parametrize("images", [40, 150, 1700])
def test_sets_travel_with_the_graph(digits_model, images):
    """As the docs have it, from the metadata alone: of few images no coverage, of many a limit for each class."""
    rng = np.random.default_rng(images)
    drawn, probabilities = (rng.dirichlet(np.full(10, 0.3), n).astype(np.float32) for n in (images, 400))
    labels = np.array([rng.choice(10, p=row / row.sum()) for row in drawn.astype(float)])
    scores = ValidationScores.of(drawn, labels, np.ones(images, bool), None)
    model = replace(digits_model, trust=replace(digits_model.trust, scores=scores))
    said = {name: json.dumps(value) for name, value in metadata_of(make_onnx(model)[0]).items()}
    limits = json.loads(said["striate.sets"])["limits"]
    assert list(limits) == {40: ["0.9", "0.95"], 150: ["0.9", "0.95", "0.99"], 1700: ["0.9", "0.95", "0.99"]}[images]
    assert len(limits["0.95"]["own"]) == (10 if images == 1700 else 0)
    docs = (Path(__file__).parents[2] / "docs" / "export.md").read_text("utf-8")
    names = {"json": json, "np": np, "said": said}
    exec(textwrap.dedent(re.search(r"^ {4}classes, sets = .*?(?=^\S)", docs, re.M | re.S)[0]), names)
    rule = model.trust.sets(0.95, 10)
    for row, inside in zip(probabilities, rule.members(probabilities), strict=True):
        assert set(names["set_of"](row)) == {model.classes[i] for i in np.flatnonzero(inside)}
    assert rule.members(probabilities).sum(1).max() > 5  # past which a class costs something


def test_a_model_without_scores_promises_no_sets(digits_model):
    model = replace(digits_model, trust=replace(digits_model.trust, scores=None))
    assert metadata_of(make_onnx(model)[0])["striate.sets"]["limits"] == {}


@pytest.mark.parametrize("name", [QUICK.get(name, name) for name in BASELINES])
def test_every_baseline_answers_alike(parts, name):
    model = with_golden(fit_baseline(name, parts.train, parts.valid, seed=3), parts.test.images, parts.test.labels)
    parity = verify_golden(model, session(model).predict)
    assert parity.holds, parity
    assert parity.largest_difference < 1e-4


@pytest.mark.parametrize("name", ['neighbours(metric="l1")', "forest(trees=20)", "svm", "logistic"])
def test_heads_on_features_of_a_net_answer_alike(digits_model, parts, name):
    fitted = fit_baseline(name, parts.train, parts.valid, features=net_features(digits_model, "small.striate"))
    model = with_golden(fitted, parts.test.images, parts.test.labels)
    parity = verify_golden(model, session(model).predict)
    assert parity.holds, parity
    assert parity.largest_difference < 1e-4


@pytest.mark.parametrize("views", ["mirror", "mirror-shift", "turns"])
def test_heads_on_features_that_are_averaged_over_views_answer_alike(digits_model, parts, views):
    fitted = fit_baseline("logistic", parts.train, parts.valid, features=net_features(digits_model, "small.striate"))
    model = with_golden(replace(fitted, views=views), parts.test.images, parts.test.labels)
    # By hand: the mean of the features of what numpy mirrors or turns, and the head on that.
    images = parts.test.images
    if views != "mirror-shift":
        seen = [images, images[:, :, ::-1]] if views == "mirror" else [np.rot90(images, k, (1, 2)) for k in range(4)]
        shape = model.preprocessing
        with torch.inference_mode():
            features = [model.module.embed(shape.normalise(to_batch(np.ascontiguousarray(one)))) for one in seen]
            selected = model.module.selection(torch.stack(features).mean(0))
            expected = (model.module.classify(selected) / model.trust.temperature).softmax(1).numpy()
        np.testing.assert_allclose(model.predict_proba(images), expected, atol=1e-5)
        assert np.abs(model.predict_proba(images) - fitted.predict_proba(images)).max() > 0.01
    parity = verify_golden(model, session(model).predict)
    assert parity.holds, parity
    assert parity.largest_difference < 1e-4


@pytest.mark.parametrize("views", ["mirror", "turns"])
def test_a_net_that_looks_at_views_answers_alike(grays, views):
    model = replace(grays, views=views)
    golden = model.samples.golden
    model = with_golden(model, golden.images, golden.labels)
    assert np.abs(model.predict_proba(golden.images) - grays.predict_proba(golden.images)).max() > 0.01
    parity = verify_golden(model, session(model).predict)
    assert parity.holds, parity
    assert parity.largest_difference < 1e-4


def test_a_class_without_images_and_two_classes_answer_alike(parts):
    for chosen in ((2, 7), (1, 3, 8)):
        few = [part.subset(np.flatnonzero(np.isin(part.labels, chosen))) for part in (parts.train, parts.valid)]
        for name in ("svm", "boosted(rounds=5)", "logistic"):
            model = fit_baseline(name, *few, seed=3)
            expected = model.predict_proba(parts.test.images)
            np.testing.assert_allclose(session(model).predict(parts.test.images).probabilities, expected, atol=1e-5)


class Own(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(4, 10)

    def forward(self, x):
        return self.fc(torch.nn.functional.silu(self.conv(x)).mean((2, 3)))


def test_a_module_of_ones_own_goes_through_the_exporter_of_torch(tmp_path):
    model = striate.train("digits", net=Own(), epochs=1, seed=0)
    exported = export_model(model, tmp_path / "own.onnx")
    assert exported.parity.holds


@pytest.mark.usefixtures("timm")
def test_a_model_of_timm_goes_through_it_too(parts):
    model = striate.train("digits", net="timm/test_resnet.r160_in1k", epochs=1, seed=0, size=(32, 32))
    np.testing.assert_allclose(
        session(model).predict(parts.test.images).probabilities, model.predict_proba(parts.test.images), atol=1e-4
    )


def test_a_module_that_cannot_be_exported_is_said_so():
    class Branching(Own):
        def forward(self, x):
            return super().forward(torch.from_numpy(np.asarray(x)) if x.sum() > 0 else torch.linalg.eig(x)[0].real)

    model = replace(striate.train("digits", net=Own(), epochs=1, seed=0), module=Branching())
    with pytest.raises(ArgumentError, match="cannot be exported: torch's exporter says"):
        make_onnx(model)


class Liar(OnnxSession):
    """A session that is wrong once in a while."""

    def predict(self, images):
        said = super().predict(images)
        said.probabilities[0] = np.roll(said.probabilities[0], 1)
        return said


def test_what_answers_otherwise_is_refused_and_what_was_there_stays(grays, tmp_path, monkeypatch):
    out = tmp_path / "m.onnx"
    out.write_bytes(b"before")
    monkeypatch.setattr("striate.shipping.export.OnnxSession", Liar)
    with pytest.raises(ExportError, match=r"m.onnx must answer as the classifier does.*Nothing was written"):
        export_model(grays, out)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]
    assert out.read_bytes() == b"before"


def test_a_model_that_no_longer_answers_its_golden_images_is_refused(grays, tmp_path):
    golden = grays.samples.golden
    drifted = Golden(golden.images, golden.labels, np.roll(golden.probabilities, 1, axis=1))
    with pytest.raises(ExportError, match="must answer its golden images as when it was saved"):
        export_model(replace(grays, samples=Samples(drifted)), tmp_path / "m.onnx")


def test_of_trees_on_features_it_is_said_why(digits_model, parts, tmp_path, monkeypatch):
    fitted = fit_baseline("tree", parts.train, parts.valid, features=net_features(digits_model, "small.striate"))
    monkeypatch.setattr("striate.shipping.export.OnnxSession", Liar)
    with pytest.raises(ExportError, match="Trees on features turn at thresholds"):
        export_model(with_golden(fitted, parts.test.images, parts.test.labels), tmp_path / "m.onnx")


def test_nothing_is_exported_unverified(grays, tmp_path):
    bare = replace(grays, samples=Samples())
    with pytest.raises(ArgumentError, match=r"keeps no golden images.*--verify SOURCE"):
        export_model(bare, tmp_path / "m.onnx")
    exported = export_model(bare, tmp_path / "m.onnx", ExportOptions(verify="digits"))
    row = exported.parity.rows[0]
    assert (row.what, row.images, row.top1) == ("all images of digits", 1797, 1)
    assert row.right[0] == row.right[1] > 1000


def test_photographs_of_many_sizes_and_orientations_answer_alike(colours, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos" / colours.classes[0]
    folder.mkdir(parents=True)
    for i, (h, w) in enumerate([(30, 50), (61, 20), (24, 24), (1, 1), (200, 90), (90, 333)]):
        image = Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8))
        exif = image.getexif()
        exif[0x0112] = 1 + (5 + i) % 8
        image.save(folder / f"{i}.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 256, (30, 20, 4), np.uint8), "RGBA").save(folder / "clear.png")
    Image.fromarray(rng.integers(0, 256, (30, 20), np.uint8)).save(folder / "gray.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    exported = export_model(colours, tmp_path / "m.onnx", ExportOptions(verify=str(tmp_path / "photos")))
    row = exported.parity.rows[-1]
    assert row.images == 8
    assert row.top1 == 1
    assert row.largest < 1e-4


@pytest.mark.parametrize(("bands", "dtype"), [(5, np.uint8), (1, np.uint16)])
def test_bands_and_deep_values_answer_alike_and_are_no_pictures_for_pages(bands, dtype, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = (
        rng.integers(0, 200 if dtype == np.uint8 else 4000, (90, 12, 12, bands)).astype(dtype),
        np.arange(90) % 2,
    )
    images[labels == 1] //= 2
    model = striate.train((images, labels), net="conv(4, 3) relu fc(classes)", epochs=1, seed=0)
    exported = export_model(model, tmp_path / "m.onnx")
    assert exported.parity.largest_difference < 1e-4
    assert (metadata_of(onnx.load(tmp_path / "m.onnx"))["striate.input"]["window"] is None) == (dtype == np.uint8)
    for out, options in (("a.html", ExportOptions()), ("b.onnx", ExportOptions(example=True))):
        with pytest.raises(
            ArgumentError, match=r"bands, which no browser|which no browser gives|needs a model of gray or RGB"
        ):
            export_model(model, tmp_path / out, options)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_files_are_compared_as_predict_reads_them(colours, tmp_path):
    """Large JPEG files are decoded smaller and become means of blocks: what Python says of the files is the measure."""
    rng = np.random.default_rng(0)
    for i in range(4):
        noise = Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8))
        noise.resize((1500 + 4 * i, 1004 + i), Image.Resampling.BICUBIC).save(tmp_path / f"{i}.jpg")
    said = []

    def predict(images):
        said.append(images.shape)
        return session(colours).predict(images)

    catalog = read(tmp_path)
    parity = verify_catalog(colours, predict, catalog)
    assert parity.largest_difference < 1e-5
    assert all(h * w < 1_000_000 for _, h, w, _ in said[::2])  # every second one can be divided
    right = [colours.predict(str(image)).probability for image in catalog.images]
    judged = [block.judge.predict_proba(block.fitted).max() for block in _blocks(colours, catalog)]
    np.testing.assert_allclose(judged, right, atol=1e-6)


def test_the_example_needs_no_striate_and_says_the_same(colours, tmp_path):
    exported = export_model(colours, tmp_path / "m.onnx", ExportOptions(example=True))
    text = exported.example.read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith(("import ", "from ", '"""'))]
    assert len(lines) <= 20
    assert "striate" not in text.replace("striate.classes", "").lower()
    rng = np.random.default_rng(0)
    turned = Image.fromarray(rng.integers(0, 256, (40, 70, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(rng.integers(0, 256, (30, 20, 4), np.uint8), "RGBA").save(tmp_path / "clear.png")
    Image.fromarray(rng.integers(0, 256, (30, 20), np.uint8)).save(tmp_path / "gray.png")
    large = Image.fromarray(rng.integers(0, 256, (61, 80, 3), np.uint8)).resize((1600, 1208), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", exif=exif)
    large.resize((1203, 901)).save(tmp_path / "uneven.jpg")
    large.save(tmp_path / "large.png")
    Image.fromarray(rng.integers(0, 256, (30, 20, 2), np.uint8), "LA").save(tmp_path / "dim.png")
    palette = Image.fromarray(rng.integers(0, 256, (30, 20, 3), np.uint8)).quantize(9)
    palette.save(tmp_path / "palette.png", transparency=3)
    Image.fromarray(rng.integers(0, 256, (30, 20, 4), np.uint8), "CMYK").save(tmp_path / "ink.jpg")
    large.convert("1").resize((30, 20)).save(tmp_path / "fax.png")
    names = ["turned.png", "clear.png", "large.jpg", "uneven.jpg", "large.png", "gray.png"]
    names += ["dim.png", "palette.png", "ink.jpg", "fax.png"]
    paths = [str(tmp_path / name) for name in names]
    whole = (tmp_path / "clear.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "deep.png")
    bad = [str(tmp_path / name) for name in ("none.png", "half.png", "deep.png")]

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-I", str(exported.example), *arguments], capture_output=True, text=True, check=False
        )

    assert run(paths[0]).returncode == 0
    assert "IMAGE…" in run().stderr
    done = run(bad[0], *paths[:2], *bad[1:], *paths[2:])
    assert done.returncode == 1
    assert [line.split(": ")[0] for line in done.stderr.splitlines()] == bad
    said = [line.split("\t") for line in done.stdout.splitlines()]
    for (path, name, probability), expected in zip(said, colours.predict(paths), strict=True):
        assert name == ("none of these, else " if expected.known is False else "") + expected.label, path
        assert float(probability) == pytest.approx(expected.probability, abs=2e-4)


def test_none_of_these_has_the_score_of_the_classifier(colours):
    images = colours.samples.golden.images
    said = session(colours).predict(images)
    assert (said.known == ask(colours, images).known).mean() > 0.95
    noise = np.random.default_rng(0).integers(0, 256, (8, 30, 30, 3), np.uint8)
    np.testing.assert_array_equal(session(colours).predict(noise).known, ask(colours, noise).known)


def test_other_endings_and_weights_without_classes_are_refused(grays, tmp_path):
    with pytest.raises(ArgumentError, match=r"-o must end in .onnx or .html; got 'm.pt'"):
        export_model(grays, tmp_path / "m.pt")
    with pytest.raises(ArgumentError, match=r"--with-example must be asked for with -o model\.onnx"):
        export_model(grays, tmp_path / "m.html", ExportOptions(example=True))
    with pytest.raises(ArgumentError, match=r"--int8 must be asked for with -o model\.onnx"):
        export_model(grays, tmp_path / "m.html", ExportOptions(int8=True, verify="digits"))
    with pytest.raises(ArgumentError, match="has weights without classes"):
        make_onnx(replace(grays, classes=()))


def test_plain_values_of_an_export(grays, tmp_path):
    said = export_model(grays, tmp_path / "m.onnx").to_json()
    assert json.loads(json.dumps(said)) == said
    assert said["kept"] is True
    assert said["path"].endswith("m.onnx")
    assert set(said["parity"]) >= {"images", "top1", "largest_difference"}


def test_another_implementation_of_onnx_computes_the_same(grays):
    reference = ReferenceEvaluator(make_onnx(grays)[0])
    golden = grays.samples.golden.images[:5]
    for images in (golden, np.ascontiguousarray(np.rot90(golden, 1, (1, 2)).repeat(3, 1))):
        probabilities, score, known = reference.run(["probabilities", "score", "known"], {"images": images})
        expected = session(grays).predict(images)
        np.testing.assert_allclose(probabilities, grays.predict_proba(images), atol=1e-5)
        np.testing.assert_allclose(score, expected.score, atol=1e-3)
        np.testing.assert_array_equal(known, expected.known)
