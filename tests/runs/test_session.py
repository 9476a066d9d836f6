"""What every run does: options obeyed or refused, figures that all kinds of models keep, runs that are done."""

import json
from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.errors import ArgumentError
from striate.observer import Observer
from striate.runs.listing import read_run
from striate.runs.session import RunOptions, open_session
from striate.selection.fit import Asked, fit_model, resume, run, run_one

NET = "conv(4, 3) relu fc(classes)"

pytestmark = pytest.mark.usefixtures("patient_clock")


@pytest.mark.parametrize(
    ("net", "options", "message"),
    [
        ("neighbours", {"tensorboard": True, "out": "run"}, "tensorboard must be left out with neighbours"),
        (
            "logistic",
            {"device": "cuda"},
            "device must be left out with logistic, which is fitted on the CPU; got 'cuda'",
        ),
        (NET, {"tensorboard": True}, "tensorboard needs a folder"),
        ("neighbours", {"recipe": "swift"}, "recipe must be left out with neighbours"),
        ("majority", {"budget": "5s", "epochs": 3}, "budget, epochs must be left out with majority"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(net, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        run_one("xo:60", net, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_ladder_refuses_scalars_on_resume(tmp_path):
    run("xo:60", budget="1s", out=tmp_path / "run")
    with pytest.raises(ArgumentError, match="tensorboard cannot be given to the ladder"):
        resume(tmp_path / "run", tensorboard=True)


@pytest.mark.parametrize(
    ("asked", "climbs"),
    [
        ({}, True),
        ({"net": "auto", "recipe": "auto"}, True),
        ({"budget": "5m", "weights": "mobilenet_v2.pth", "settings": {"seed": 3}}, True),
        ({"net": "swift"}, False),
        ({"net": NET}, False),
        ({"recipe": "swift"}, False),
        ({"settings": {"epochs": 3}}, False),
        ({"features": "mobilenet_v2"}, False),
        ({"weights": "mine.striate"}, False),
    ],
)
def test_who_names_nothing_climbs(asked, climbs):
    assert Asked(**asked).climbs is climbs


def test_any_model_keeps_its_accuracy_without_views(tmp_path):
    """Of a net, a rung of the ladder and a trial alike: it is the session that judges."""
    model = replace(striate.train("xo:200", NET, epochs=2), views="mirror")
    images = striate.prepare(striate.read("xo:60"))
    splits = striate.data.splitting.split(images)
    with open_session(RunOptions(tmp_path / "run")) as session:
        done = session.finish(model, splits, 1.0)
    assert done.test is not None
    assert done.test.alone is not None
    assert done.classifier.provenance.test_accuracy_without_views == done.test.alone.accuracy
    assert striate.Classifier.load(tmp_path / "run" / "model.striate").provenance == done.classifier.provenance
    assert json.loads((tmp_path / "run" / "result.json").read_text())["test_accuracy"] == done.test.accuracy


def test_what_a_resume_would_ignore_is_refused(tmp_path):
    options = {"budget": "1s", "ratios": "80:10:10", "out": tmp_path / "run"}
    run("xo:60", **options)
    again = run("xo:60", **options, resume=True)  # the same command
    assert again.run == tmp_path / "run"
    for name, changed in {"budget": "2s", "ratios": "70:30", "size": (16, 16), "seed": 3, "groups": "none"}.items():
        with pytest.raises(ArgumentError, match=f"{name.replace('ratios', 'split')} cannot change with resume"):
            run("xo:60", **{**options, name: changed}, resume=True)


class Stop(Observer):
    """Interrupts after so many epochs or rungs."""

    def __init__(self, after):
        self.left = after

    def epoch(self, record, better):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def rung(self, result):
        self.epoch({}, True)


def test_a_stopped_ladder_is_not_listed_as_finished(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run("xo:60", budget="3s", out=tmp_path / "run", observer=Stop(2))
    listed = read_run(tmp_path / "run")
    assert (listed.state, listed.why) == ("stopped", "on the ladder")
    resume(tmp_path / "run")
    assert read_run(tmp_path / "run").state == "finished"


def test_a_run_stopped_while_its_images_were_small_is_not_listed_as_finished(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.training.engine.checkpoints.SHORTEST_S", 0.0)
    monkeypatch.setattr("striate.training.engine.checkpoints.COST_FACTOR", 0.0)
    small = {"small_until": 0.9, "small_side": 0.5, "patience": 1, "epochs": 12, "learning_rate": 1e-9}
    net, out = "conv(4, 3, pad=1) relu globalmax fc(classes)", tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        run_one("xo:60", net, out=out, observer=Stop(6), precision="float32", **small)
    listed = read_run(out)
    assert (listed.state, listed.epochs) == ("stopped", 5)
    # On whole images the same epochs, none better than the first, would have been the end.
    (out / "recipe.toml").write_text(
        (out / "recipe.toml").read_text().replace("small_until = 0.9", "small_until = 0.0")
    )
    assert read_run(out).state == "finished"


def test_a_resume_without_a_run_starts_one_and_says_so(tmp_path):
    heard = []
    observer = Observer()
    observer.note = heard.append
    run_one("xo:60", "fc(classes)", epochs=1, out=tmp_path / "run", resume=True, observer=observer)
    assert f"no run in {tmp_path / 'run'} yet: starting one" in heard


def test_none_is_a_value_of_a_setting():
    recipe = {"dropout": 0.3, "epochs": 1, "batch_size": 16}
    assert "dropout(0.3)" in str(striate.train("xo:60", "fc(8) relu fc(classes)", recipe).net)
    assert "dropout" not in str(striate.train("xo:60", "fc(8) relu fc(classes)", recipe, dropout=None).net)


def test_what_fails_leaves_an_empty_folder_as_it_was(tmp_path):
    with pytest.raises(ArgumentError, match="batch_size"):
        run_one("xo:60", "fc(classes)", batch_size=1_000, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_device_of_features_is_obeyed(digits_run):
    asked = Asked("logistic", features=digits_run / "model.striate")
    model = fit_model(striate.read("digits").subset(np.arange(200)), asked, run=RunOptions(device="cpu")).classifier
    assert model.provenance.features == "model.striate"
