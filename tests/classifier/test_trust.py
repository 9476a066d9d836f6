"""How far to trust a model: in its file, in its predictions, and checked on images that it has not seen."""

import re
from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.classifier.model_file import read_model, write_model
from striate.classifier.promises import PromiseCheck, say_promises
from striate.classifier.trust import Trust
from striate.errors import ArgumentError, ModelFileError
from striate.metrics.calibration import softmax_at
from striate.selection.fit import run_one


@pytest.fixture(scope="module")
def digits():
    return striate.prepare(striate.read("digits"))


def test_probabilities_are_those_of_the_logits_at_the_temperature(digits_model, digits):
    some = digits.subset(np.arange(40))
    warm = replace(digits_model, trust=replace(digits_model.trust, temperature=2.5))
    logits = np.concatenate([one.logits for one in warm.outputs(some)])
    np.testing.assert_allclose(warm.predict_proba(some), softmax_at(logits, 2.5), rtol=1e-5)
    assert (warm.predict_proba(some).argmax(1) == digits_model.predict_proba(some).argmax(1)).all()
    assert warm.predict_proba(some).max(1).mean() < digits_model.predict_proba(some).max(1).mean()


def test_figures_are_of_calibrated_probabilities(digits_model, digits):
    warm = replace(digits_model, trust=Trust(temperature=5.0))
    cool = replace(digits_model, trust=Trust())
    judged = [one.judge(digits, digits.labels) for one in (warm, cool)]
    assert judged[0].accuracy == judged[1].accuracy
    assert judged[0].log_loss > judged[1].log_loss
    views = replace(warm, views="mirror").judge(digits, digits.labels)
    assert views.alone.log_loss == pytest.approx(judged[0].log_loss, rel=1e-4)


def test_a_file_keeps_it_all(digits_model, digits, tmp_path):
    assert digits_model.trust.novelty is not None
    path = tmp_path / "again.striate"
    warm = replace(digits_model, trust=replace(digits_model.trust, temperature=1.25))
    warm.save(path)
    again = striate.Classifier.load(path)
    assert again.trust.temperature == 1.25
    first, second = (one.predict(digits.images[:60], sure=0.9, sets=0.9) for one in (warm, again))
    assert [one.to_json() for one in first] == [one.to_json() for one in second]
    assert again.trust.threshold(0.9) == digits_model.trust.threshold(0.9)
    size = sum(value.nbytes for name, value in read_model(path)[1].items() if name.startswith("trust."))
    assert size < 600_000


def test_files_of_before_load_and_promise_nothing(digits_run, digits, tmp_path):
    description, tensors = read_model(digits_run / "model.striate")
    old = {name: value for name, value in tensors.items() if not name.startswith("trust.")}
    description.pop("trust")
    description["format"] = 1
    write_model(tmp_path / "old.striate", description, old)
    model = striate.Classifier.load(tmp_path / "old.striate")
    assert model.trust.temperature == 1.0
    said = model.predict(digits.images[0])
    assert said.known is None
    assert said.to_json()["known"] is None
    assert not {"sure", "set"} & said.to_json().keys()
    for asked in ({"sure": 0.9}, {"sets": 0.9}):
        with pytest.raises(ArgumentError, match="must be left out with this model: it keeps no scores"):
            model.predict(digits.images[0], **asked)


@pytest.mark.parametrize("change", [
    lambda said, tensors: said["trust"].update(temperature=0),
    lambda said, tensors: said["trust"].update(temperature="warm"),
    lambda said, tensors: said["trust"].pop("novelty"),
    lambda said, tensors: tensors.pop("trust.scores.top"),
    lambda said, tensors: tensors.update({"trust.scores.labels": tensors["trust.scores.labels"] + 99}),
    lambda said, tensors: tensors.update({"trust.scores.top": tensors["trust.scores.top"][1:]}),
    lambda said, tensors: tensors.update({"trust.spare": np.zeros(3)}),
])  # fmt: skip
def test_a_file_that_says_nonsense_is_refused(digits_run, tmp_path, change):
    description, tensors = read_model(digits_run / "model.striate")
    change(description, tensors)
    write_model(tmp_path / "odd.striate", description, tensors)
    with pytest.raises(ModelFileError):
        striate.Classifier.load(tmp_path / "odd.striate")


def test_predictions_say_what_was_asked(digits_model, digits):
    known = digits_model.predict(digits, sure=0.9, sets=0.9)
    threshold = digits_model.trust.threshold(0.9).require()
    rule = digits_model.trust.sets(0.9, 10)
    members = rule.members(digits_model.predict_proba(digits))
    assert np.mean([one.known for one in known]) > 0.85
    for one, row in zip(known, members, strict=True):
        assert one.sure == (one.known and one.probability >= np.float32(threshold))
        assert set(one.set) == {digits.classes[i] for i in np.flatnonzero(row)}
        assert one.set[0] == one.label
        assert {"known", "sure", "set"} <= one.to_json().keys()


def test_pictures_of_nothing_are_none_of_these(digits_model):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (100, 8, 8), dtype=np.uint8)
    plain = np.broadcast_to(rng.integers(0, 256, (100, 1, 1), dtype=np.uint8), (100, 8, 8)).copy()
    for odd in (noise, plain):
        assert np.mean([one.known for one in digits_model.predict(odd)]) < 0.2
    said = digits_model.predict(plain[0])
    assert repr(said).startswith("<Prediction: none of these")


def test_one_image_is_judged_as_among_many(digits_model, digits):
    many = digits_model.predict(digits.images[:40])
    assert [digits_model.predict(one).known for one in digits.images[:40]] == [one.known for one in many]


def test_a_check_counts(digits_model, digits):
    fresh = digits.subset(np.flatnonzero(~np.isin(digits.hashes, digits_model.trained_on)))
    check = PromiseCheck(digits_model.trust, digits_model.classes, (0.9, 0.999), (0.9, 0.999))
    digits_model.judge(fresh, fresh.labels, watch=check)
    told = check.result()
    said = digits_model.predict(fresh, sure=0.9, sets=0.9)
    sure = np.array([one.sure for one in said])
    right = np.array([one.label == digits.classes[i] for one, i in zip(said, fresh.labels, strict=True)])
    assert told["sure"][0]["test"]["answered"] == pytest.approx(sure.mean())
    assert told["sure"][0]["test"]["precision"] == pytest.approx(right[sure].mean())
    assert told["sure"][1]["test"] is None
    assert told["sure"][1]["needs"] > 1000
    refused, sets = told["sets"]
    assert "needs about 999 validation images" in refused["why"]
    covered = np.mean([digits.classes[i] in one.set for one, i in zip(said, fresh.labels, strict=True)])
    assert sets["test"]["coverage"] == pytest.approx(covered)
    assert told["known"]["test"]["refused"] == pytest.approx(np.mean([not one.known for one in said]))
    (line,) = [line for line in say_promises(told) if line.startswith("sets") and "cannot" in line]
    assert re.match(
        r"sets 0\.999: cannot be promised: that needs about 999 validation images, there are \d+\. Ask", line
    )
    with pytest.raises(ArgumentError, match=r"^sets 0\.999 cannot be promised: that needs about 999 validation images"):
        digits_model.predict(fresh, sets=0.999)


def test_what_cannot_be_promised_for_one_reason_is_said_once():
    short = {"threshold": None, "images": 21, "needs": None}
    told = {"sure": [{"wanted": 0.99, **short}, {"wanted": 0.95, **short}]}
    assert say_promises(told) == [
        "sure 0.99 and 0.95: cannot be promised; the model is not right so often however sure it is"
    ]
    told["sure"][0]["needs"] = 458
    assert [line.split(":")[0] for line in say_promises(told)] == ["sure 0.99", "sure 0.95"]


def test_a_promise_that_few_images_miss_is_not_said_to_be_kept_without_a_word():
    sets = {"wanted": 0.95, "test": {"coverage": 0.91, "mean_size": 5.1, "kept": True}}
    known = {"score": "energy", "false_alarm": 0.05, "test": {"refused": 0.217, "kept": True}}
    told = say_promises({"sets": [sets], "known": known})
    assert [line.count("; the difference may be chance") for line in told] == [1, 1]
    sets["test"]["coverage"], known["test"]["refused"] = 0.95, 0.05
    assert "chance" not in " ".join(say_promises({"sets": [sets], "known": known}))
    sets["test"]["kept"] = known["test"]["kept"] = False
    assert [line.count("NOT kept") for line in say_promises({"sets": [sets], "known": known})] == [1, 1]


def test_a_broken_promise_is_told(digits_model, digits):
    """Labels that are all wrong break every promise: a check that cannot fail would be none."""
    wrong = (digits.labels + 1) % 10
    check = PromiseCheck(digits_model.trust, digits_model.classes, (0.9,), (0.9,))
    digits_model.judge(digits, wrong, watch=check)
    told = check.result()
    assert not told["sure"][0]["test"]["kept"]
    assert not told["sets"][0]["test"]["kept"]
    assert sum("NOT kept" in line for line in say_promises(told)) >= 2


@pytest.mark.parametrize("net", ["neighbours", "logistic", "tree", "majority", "fc(classes)"])
def test_every_kind_of_model_is_calibrated_and_comes_back(net, tmp_path):
    settings = {"epochs": 3} if "fc" in net else {}
    done = run_one("digits", net, out=tmp_path / "run", **settings)
    told = done.promises
    assert told["temperature"]["images"] > 80
    assert told["known"]["score"]
    assert told["known"]["test"]["refused"] < 0.2
    assert done.valid.log_loss <= told["temperature"]["log_loss_before"] + 0.02
    again = striate.Classifier.load(tmp_path / "run/model.striate")
    images = striate.prepare(striate.read("digits")).images[:20]
    assert [one.to_json() for one in again.predict(images)] == [
        one.to_json() for one in done.classifier.predict(images)
    ]
