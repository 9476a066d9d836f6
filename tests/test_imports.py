"""The rule of imports: downwards only, `nets` and `data` strangers, and `import striate` without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import striate

ROOT = Path(striate.__file__).parent

# Lower numbers are lower down; a module may import from its own level's own package and from below.
LEVELS = {
    "errors": 0, "progress": 0, "storage": 1, "durations": 1, "devices": 1, "metrics": 1, "downloading": 2,
    "data": 3, "nets": 3, "training": 4, "heads": 4, "classifier": 5, "model_file": 5,
    "evaluation": 6, "explanation": 6, "shipping": 6, "prediction": 6, "wish": 6, "pretrained": 6, "features": 6,
    "runs": 6, "comparing": 7, "planning": 7, "baselines": 7, "running": 7, "transfer": 8,
    "fitting": 9, "executing": 9, "pipeline": 10, "estimator": 11,
    "selection": 11, "cli": 12, "__main__": 13,
}  # fmt: skip
FRIENDS = {("classifier", "model_file"), ("model_file", "classifier")}


def part(module: str) -> str:
    return module.split(".")[1]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module == "striate" else set()
    return {name for name in found if name.startswith("striate.") and part(name) in LEVELS}


def violations(importer: str, imported: set[str]) -> list[str]:
    own = part(importer)
    return [
        f"{importer} imports {name}"
        for name in sorted(imported)
        if part(name) != own and (own, part(name)) not in FRIENDS and LEVELS[part(name)] >= LEVELS[own]
    ]


def modules() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def dotted(path: Path) -> str:
    return "striate." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_has_a_level():
    unknown = {part(dotted(path)) for path in modules()} - LEVELS.keys()
    assert not unknown, f"give these a level in {__file__}: {unknown}"


def test_imports_go_downwards_only():
    found = [line for path in modules() for line in violations(dotted(path), imports_of(path))]
    assert found == []


def test_the_check_can_fail():
    assert violations("striate.data.reading", {"striate.nets", "striate.errors"}) == [
        "striate.data.reading imports striate.nets"
    ]
    assert violations("striate.training.engine.loop", {"striate.classifier.classifier"})


@pytest.mark.parametrize("module", ["striate", "striate.cli", "striate.nets", "striate.data.reading"])
def test_import_brings_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_are_sorted_and_exist():
    assert striate.__all__ == sorted(striate.__all__)
    for name in striate.__all__:
        assert getattr(striate, name).__doc__, name
    assert set(striate.__all__) <= set(dir(striate))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = striate.nothing
