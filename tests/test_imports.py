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
    "errors": 0, "progress": 0, "storage": 1, "durations": 1, "devices": 1, "metrics": 1,
    "data": 2, "nets": 2, "training": 3, "heads": 3, "classifier": 4, "model_file": 4,
    "evaluation": 5, "explanation": 5, "shipping": 5, "prediction": 5, "planning": 5, "pretrained": 5, "features": 5,
    "runs": 5, "comparing": 6, "baselines": 6, "running": 6, "transfer": 6,
    "fitting": 7, "pipeline": 8, "estimator": 9,
    "selection": 9, "cli": 10, "__main__": 11,
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
    assert violations("striate.training.loop", {"striate.classifier"})


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
