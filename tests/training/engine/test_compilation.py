"""torch.compile where it pays, and what happens where it fails."""

from functools import partial

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from striate.nets import make_module, parse
from striate.observer import Observer
from striate.selection.fit import run_one
from striate.training.engine import compilation
from striate.training.engine.compilation import Compiled, pays
from striate.training.engine.precision import in_precision
from striate.training.engine.state import Computation
from striate.training.engine.timing import CANDIDATES

NET = "conv(4, 3) bn relu fc(classes)"


def test_never_on_a_cpu_and_only_for_long_runs():
    cuda = torch.device("cuda")
    enough = compilation.COMPILE_S / compilation.GAIN
    assert [pays(run_s, cuda) for run_s in (0, enough - 1, enough + 1)] == [False, False, True]
    assert not pays(10 * enough, torch.device("cpu"))
    assert not pays(10 * enough, torch.device("mps"))


@pytest.mark.parametrize("precision", CANDIDATES)
def test_the_compiled_module_computes_the_same(precision, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    module = make_module(parse(NET, classes=3), (1, 8, 8)).eval()
    computed = in_precision(module, precision)
    warned = []
    compiled = Compiled(computed, warned.append)
    for count in (4, 3):  # batches differ in size by one
        images = torch.randn(count, 1, 8, 8)
        torch.testing.assert_close(compiled(images), computed(images))
    assert {id(p) for p in compiled.parameters()} == {id(p) for p in module.parameters()}
    assert warned == []


def test_a_failure_is_said_once_and_training_goes_on(monkeypatch):
    def fail(*arguments, **options):
        raise TorchDynamoException("no compiler here\nmany more lines")

    monkeypatch.setattr(torch, "compile", lambda function: fail)
    monkeypatch.setattr(
        "striate.training.train.choose_computation", lambda plan, device, observer: Computation(device, compiled=True)
    )
    warned = []
    observer = Observer()
    observer.warn = warned.append
    words = {"epochs": 2, "precision": "float32"}
    failed = run_one("xo", NET, observer=observer, **words)
    assert warned == ["torch.compile failed (no compiler here); training goes on without it"]
    monkeypatch.undo()
    plain = run_one("xo", NET, **words)
    for name, value in plain.classifier.module.state_dict().items():
        assert torch.equal(failed.classifier.module.state_dict()[name], value), name


def test_other_errors_are_not_swallowed(monkeypatch):
    def fail(*arguments):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(torch, "compile", lambda function: fail)
    with pytest.raises(torch.OutOfMemoryError):
        Compiled(torch.nn.Identity(), print)(torch.zeros(1))
