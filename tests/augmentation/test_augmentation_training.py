"""Augmentation in the loop: mixed labels train, and a stopped run goes on to the same bits."""

import pytest
from tests.training.stopping import StopAt

from striate.selection.fit import resume, run_one
from striate.training.engine.state import Interrupted

NET = "conv(4, 3, pad=1) bn relu maxpool(2) dropout(0.2) fc(classes)"
RECIPE = {
    "epochs": 3, "batch_size": 512, "precision": "float32", "label_smoothing": 0.1,
    "augment": ["alternating_flip translate(1) erase", "mixup(0.4) cutmix(p=0.5)", "randaugment(1)"],
}  # fmt: skip


def test_a_run_with_mixed_labels_resumes_to_the_same_bits(tmp_path):
    run_one("digits", NET, RECIPE, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_one("digits", NET, RECIPE, out=tmp_path / "run", observer=StopAt(5))
    resume(tmp_path / "run")
    assert (tmp_path / "run" / "model.striate").read_bytes() == (tmp_path / "whole" / "model.striate").read_bytes()


def test_mixed_labels_train_a_net():
    settings = {"epochs": 6, "augment": ["mixup(0.2) cutmix(p=0.3)"], "learning_rate": 0.01, "precision": "float32"}
    result = run_one("digits", "conv(8, 3, pad=1) relu maxpool(2) fc(classes)", settings)
    assert result.valid is not None
    assert result.valid.accuracy > 0.9
