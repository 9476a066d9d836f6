"""The rules of the house that a machine can hold.

Imports go downwards only and in no circle, `import striate` brings no torch, functions fit a screen and take few
arguments, a module is read in one sitting, and no two public things of one name mean different things.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import striate

ROOT = Path(striate.__file__).parent

# From the roof to the ground. A file may import from its own room and from lower floors; rooms of one floor are
# strangers to each other.
FLOORS = """
    __main__
    cli __init__
    estimator diagnosis
    selection
    training
    baselines
    runs
    checks evaluation explanation shipping
    classifier
    augmentation
    data nets pages
    system metrics calls
    notebook
    units
    observer
    errors version
"""
LEVELS = {room: -i for i, floor in enumerate(FLOORS.split("\n")) for room in floor.split()}


def files() -> dict[str, Path]:
    """Return every file of the package by its dotted name."""
    paths = sorted(ROOT.rglob("*.py"))
    return {".".join(("striate", *path.relative_to(ROOT).with_suffix("").parts)): path for path in paths}


def imported_names(code: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of each import, wherever it stands: in a function, or for the type checker alone."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def imports_of(code: str, known: Mapping[str, object]) -> set[str]:
    """Return which of the known files a piece of code imports; a package is its `__init__`."""
    found = set()
    for module, name in imported_names(code):
        candidates = (f"{module}.{name}", f"{module}.{name}.__init__", module, f"{module}.__init__")
        if home := next((one for one in candidates if one in known), None):
            found.add(home)
    return found


def graph() -> dict[str, set[str]]:
    known = files()
    return {name: imports_of(path.read_text("utf-8"), known) - {name} for name, path in known.items()}


def room(file: str) -> str:
    return file.split(".")[1]


def climbs(importer: str, imported: set[str]) -> list[str]:
    own = room(importer)
    return [
        f"{importer} imports {name}"
        for name in sorted(imported)
        if room(name) != own and LEVELS[room(name)] >= LEVELS[own]
    ]


def circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the files of a circle, the first one again at the end; none if there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_room_has_a_floor():
    unknown = {room(name) for name in files()} - LEVELS.keys()
    assert not unknown, f"give these a floor in {__file__}: {unknown}"


def test_imports_go_downwards_only():
    assert [line for importer, imported in graph().items() for line in climbs(importer, imported)] == []


def test_no_files_import_each_other_in_a_circle():
    assert circle(graph()) == []


def test_the_checks_can_fail():
    assert climbs("striate.data.reading", {"striate.nets.net", "striate.errors"}) == [
        "striate.data.reading imports striate.nets.net"
    ]
    assert climbs("striate.training.engine.loop", {"striate.selection.fit"})
    assert not climbs("striate.training.engine.loop", {"striate.data.imageset", "striate.training.recipe"})
    known = {"striate.a": 0, "striate.b": 0, "striate.c.__init__": 0}
    local = "def f():\n    from striate.b import g\n    from striate import c"
    assert imports_of(local, known) == {"striate.b", "striate.c.__init__"}
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


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


MOST_LINES, MOST_ARGUMENTS, MOST_MODULE_LINES = 60, 8, 350
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# A command's signature is its page of help: each option is an argument.
COMMANDS = {
    f"striate.cli.{name}"
    for name in (
        "augment",
        "check",
        "evaluate",
        "explain",
        "export",
        "features",
        "look",
        "net",
        "predict",
        "serve",
        "train",
        "tune",
        "walk",
    )
}
# An estimator of scikit-learn has each setting as an argument of its own.
SETTINGS = {"striate.estimator"}


def arguments(node: FUNCTIONS) -> int:
    named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return sum(one.arg not in ("self", "cls") for one in named)


def offences(module: str, code: str) -> list[str]:
    found = []
    if (lines := code.count("\n")) > MOST_MODULE_LINES:
        found.append(f"{module} has {lines} lines")
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, FUNCTIONS):
            continue
        command = module in COMMANDS and node.name == module.rpartition(".")[2]
        lines = (node.end_lineno or 0) + 1 - (node.body[0] if command else node).lineno
        if lines > MOST_LINES:
            found.append(f"{module}.{node.name} has {lines} lines")
        if arguments(node) > MOST_ARGUMENTS and not command and module not in SETTINGS:
            found.append(f"{module}.{node.name} has {arguments(node)} arguments")
    return found


def public_names() -> dict[str, set[str]]:
    """Return {public class or function: the modules that define one of that name}."""
    homes = defaultdict(set)
    for module, path in files().items():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, FUNCTIONS | ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].add(module)
    return homes


def test_functions_fit_a_screen_and_modules_a_sitting():
    assert [line for module, path in files().items() for line in offences(module, path.read_text("utf-8"))] == []


def test_the_check_of_sizes_can_fail():
    many = ", ".join(f"a{i}" for i in range(9))
    assert offences("m", f"def f({many}):\n    pass\n") == ["m.f has 9 arguments"]
    assert offences("m", "def f():\n" + "    pass\n" * 60) == ["m.f has 61 lines"]
    assert offences("m", "\n" * 351) == ["m has 351 lines"]


# One name in several homes, where it means the same: a command and what it calls; what each file of the zoo has.
SAME_MEANING = {"check", "explain", "look", "train", "tune", "published_key"}


def test_no_two_public_things_of_one_name():
    double = {name: homes for name, homes in public_names().items() if len(homes) > 1 and name not in SAME_MEANING}
    assert double == {}
