"""Model files of earlier versions open, with the answers that they gave when they were saved."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures.make_models import FOLDER, own_module

import striate
from striate.classifier.model_file import FORMAT

FILES = sorted(FOLDER.glob("*.striate"))


def test_the_format_that_is_written_is_frozen():
    assert FOLDER / f"format-{FORMAT}-net.striate" in FILES
    assert all(path.stat().st_size <= 60_000 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_saved_model_answers_as_it_did(path: Path):
    format, name = path.stem.rsplit("-", 1)
    frozen = json.loads((FOLDER / f"{format}.json").read_text())
    model = striate.Classifier.load(path, own_module() if name == "module" else None)
    images = np.array(frozen["images"], np.uint8)[..., None]
    assert list(model.classes) == frozen[name]["classes"]
    np.testing.assert_allclose(model.predict_proba(images), frozen[name]["probabilities"], atol=1e-5)
    assert [one.known for one in model.predict(images)] == frozen[name]["known"]
    golden = model.samples.golden
    np.testing.assert_allclose(model.predict_proba(golden.images), golden.probabilities, atol=1e-5)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_saved_again_answers_the_same(path: Path, tmp_path):
    own = own_module() if path.stem.endswith("module") else None
    model = striate.Classifier.load(path, own)
    model.save(tmp_path / "again.striate")
    again = striate.Classifier.load(tmp_path / "again.striate", own)
    images = model.samples.golden.images
    assert np.array_equal(model.predict_proba(images), again.predict_proba(images))
