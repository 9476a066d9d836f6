"""Every precision learns, keeps its weights in float32 and resumes; the fastest is measured once and recalled."""

import pytest
import torch
from tests.training.stopping import StopAt

from striate.nets import make_module, parse
from striate.observer import Observer
from striate.selection.fit import resume, run_one
from striate.training.engine import timing
from striate.training.engine.precision import Rounded, in_precision
from striate.training.engine.state import Interrupted
from striate.training.engine.timing import CANDIDATES, faster, measure_precisions, precision_seconds

CPU = torch.device("cpu")
SWIFT = 'whiten(2) gelu conv(8, 3, pad=1, init="dirac") maxpool(2) bn(gain=false) gelu globalmax fc(classes) scale(0.1)'
# Every layer with weights, and those that compute with constants of their own.
NETS = {
    "plain": "conv(4, 3) bn relu fc(8) bn tanh dropout(0.1) fc(classes)",
    "swift": SWIFT,
    "residual": "conv(4, 3, pad=1) residual(conv(4, 3, pad=1) bn relu droppath(0.2)) relu globalavg fc(classes)",
    "norms": "conv(4, 3, bias=false) ln lrn(5) layerscale silu globalavg fc(classes)",
    "same": 'conv(4, 3, pad="same") relu maxpool(3, 2, pad="same") avgpool(2, 2, pad="same") fc(classes)',
    "branches": "concat(conv(4, 1) | conv(2, 3, pad=1)) leakyrelu(0.1) conv(6, 3, groups=2) sigmoid fc(classes)",
}


@pytest.mark.parametrize("precision", CANDIDATES)
@pytest.mark.parametrize("net", NETS.values(), ids=NETS)
def test_every_precision_computes_nearly_the_same(net, precision):
    torch.manual_seed(0)
    module = make_module(parse(net, classes=5), (3, 8, 8)).eval()
    images = torch.randn(16, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    computed = in_precision(module, precision)
    expected, got = module(images).detach(), computed(images).float()
    torch.testing.assert_close(got, expected, rtol=0.05, atol=0.05 * float(expected.abs().max()))
    got.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32, name
        assert torch.isfinite(parameter.grad).all(), name


def test_pure_bfloat16_rounds_what_it_should():
    module = make_module(parse(SWIFT, classes=5), (3, 8, 8)).train()
    with torch.no_grad():
        module.layer("0").weight.normal_()
    seen = {}
    for name, part in module.named_modules():
        if not list(part.children()):
            part.register_forward_hook(lambda part, _, out, name=name: seen.update({name: out.dtype}))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    computed = Rounded(module)
    assert computed(torch.randn(32, 3, 8, 8)).dtype == torch.bfloat16
    assert set(seen.values()) == {torch.bfloat16}
    for name, value in module.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name]) != ("running" in name or "num_batches" in name), name
    exact = make_module(parse(SWIFT, classes=5), (3, 8, 8)).train()
    assert computed._rounded == {name for name in dict(exact.named_parameters()) if name != "4.bias"} | {"0.weight"}


@pytest.mark.parametrize("precision", CANDIDATES[1:])
def test_it_learns_as_well_as_in_float32(precision):
    words = {"epochs": 4, "batch_size": 32, "learning_rate": 0.01}
    net = "conv(8, 3, pad=1) bn relu maxpool(2) fc(classes)"
    exact, rounded = (run_one("digits", net, precision=p, **words) for p in ("float32", precision))
    assert exact.test.accuracy > 0.93
    assert rounded.test.accuracy > exact.test.accuracy - 0.03
    assert rounded.classifier.provenance.precision == precision
    assert {value.dtype for value in rounded.classifier.module.parameters()} == {torch.float32}


def test_pure_bfloat16_resumes_in_the_same_bits(tmp_path):
    recipe = {"epochs": 2, "batch_size": 256, "optimiser": "muon", "average": 0.9, "precision": "bfloat16-pure"}
    run_one("digits", SWIFT, recipe, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        run_one("digits", SWIFT, recipe, out=tmp_path / "run", observer=StopAt(7))
    resume(tmp_path / "run")
    whole, run = ((tmp_path / name / "model.striate").read_bytes() for name in ("whole", "run"))
    assert run == whole


def test_the_fastest_by_a_clear_margin():
    assert faster({"float32": 1.0, "bfloat16": 0.7, "bfloat16-pure": 0.6}) == "bfloat16-pure"
    assert faster({"float32": 1.0, "bfloat16": 0.7, "bfloat16-pure": 0.75}) == "bfloat16"
    assert faster({"float32": 1.0, "bfloat16": 0.9, "bfloat16-pure": 0.85}) == "float32"
    assert faster({"float32": 1.0}) == "float32"


def test_a_measurement_is_made_once(monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    count, seconds = precision_seconds(parse("fc(2)"), 64, (1, 8, 8), CPU)
    assert count == 64
    assert tuple(seconds) == CANDIDATES
    monkeypatch.setattr("striate.training.engine.timing.measure_precisions", None)
    assert precision_seconds(parse("fc(2)"), 64, (1, 8, 8), CPU) == (64, seconds)


class Stubborn(torch.nn.Linear):
    """A module that computes in float32 only."""

    def forward(self, input):
        if input.dtype != torch.float32:
            raise RuntimeError("expected scalar type Float")
        return super().forward(input.flatten(1))


def test_a_precision_that_a_module_cannot_do_is_left_out():
    assert set(measure_precisions(Stubborn(64, 2), 4, (1, 8, 8), CPU)) == {"float32", "bfloat16"}


def test_the_choice_is_said():
    heard = []
    observer = Observer()
    observer.note = heard.append
    run_one("xo", "fc(classes)", epochs=1, observer=observer)
    (said,) = [one for one in heard if one.startswith("precision")]
    for precision in CANDIDATES:
        assert f" ms in {precision}" in said


class Slow(torch.nn.Linear):
    """What stands for a module in bfloat16 on a CPU that has none."""


def test_a_hopeless_precision_is_seen_on_few_images(monkeypatch):
    """CPUs without bfloat16 take up to a hundred times as long: a batch of that would cost most of a short budget."""
    tried = []

    def step_s(module, batch, labels):
        slow = isinstance(module, Slow)
        if slow:
            tried.append(len(batch))
        return 0.01 * len(batch) * (50 if slow else 1)

    monkeypatch.setattr(timing, "_step_s", step_s)
    monkeypatch.setattr(timing, "in_precision", lambda one, named: one if named == "float32" else Slow(4, 2))
    assert set(measure_precisions(torch.nn.Linear(4, 2), 64, (1, 8, 8), CPU)) == {"float32"}
    assert tried == [2] * len(tried)
    assert tried
