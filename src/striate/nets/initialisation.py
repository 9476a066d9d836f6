"""Initialisations by name, and the numbers behind them; filling tensors and arrays is done where they live."""

from __future__ import annotations

from striate.nets.graph import Plan
from striate.nets.layers import Activation, Fc, Gelu, Leakyrelu, Relu, Relu6, Silu
from striate.nets.rules import Rule, read_rule
from striate.nets.windows import Conv, Whiten


def choose_rules(plan: Plan, init: str | None) -> dict[int, Rule]:
    """Return the initialisation of each step that has weights, by the step's number.

    A layer's own `init` goes first, then `init`, then he before a ReLU or one of its kin and xavier elsewhere.
    """
    everywhere = read_rule(init) if init is not None else None
    rules: dict[int, Rule] = {}
    for i, step in enumerate(plan.steps):
        if isinstance(step.layer, Conv | Fc):
            own = read_rule(step.layer.init) if step.layer.init is not None else None
            rules[i] = own or everywhere or (Rule("he") if _before_relu(plan, i) else Rule("xavier"))
        elif isinstance(step.layer, Whiten):
            rules[i] = Rule("orthogonal")
    return rules


def _before_relu(plan: Plan, number: int) -> bool:
    for step in plan.steps[number + 1 :]:
        if isinstance(step.layer, Activation):
            return isinstance(step.layer, Relu | Relu6 | Leakyrelu | Gelu | Silu)
        if isinstance(step.layer, Conv | Fc):
            return False
    return False
