"""Threads that wait are told to sleep soon, in time, by whatever way Striate is come to."""

import os
import subprocess
import sys

import pytest

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_", "KMP_"))}
# torch is watched: what does the environment say when it is first imported?
WATCH = """
import os, sys
from importlib.abc import MetaPathFinder
class Watch(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"))
        return None
sys.meta_path.insert(0, Watch())
"""


def printed(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", WATCH + code], env=CLEAN | environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import striate; striate.ImageClassifier",
        "from striate import load_model",
        "from striate.estimator import ImageClassifier",
        "from striate.cli import main; import torch",
        "import striate.nets.modules.module",
    ],
)
def test_torch_finds_it_said_when_it_loads(code):
    assert printed(code)[:1] == ["3000"]


@pytest.mark.parametrize(
    ("own", "seen"),
    [({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None"), ({"KMP_BLOCKTIME": "200"}, "None")],
)
def test_what_the_user_says_is_left_alone(own, seen):
    assert printed("import striate, torch", **own)[:1] == [seen]


TEAMS = """
import torch
import striate
from striate.system.devices import fitting_threads
import threading
def held():
    return sum(thread.name == "striate-idle-teams" for thread in threading.enumerate())
def threads():
    return len(os.listdir("/proc/self/task"))
before = threads()
for _ in range(3):
    with fitting_threads():
        pass
print(held(), threads() - before >= os.cpu_count() + 1)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other OpenMP runtimes")
def test_a_torch_that_was_there_before_gets_an_idle_team_once():
    import torch

    if "libgomp" not in " ".join(os.listdir(os.path.join(os.path.dirname(torch.__file__), "lib"))):
        pytest.skip("this torch has another OpenMP runtime")
    assert printed(TEAMS)[1:] == ["1", "True"]
    assert printed(TEAMS, GOMP_SPINCOUNT="3000")[1:] == ["0", "False"]
    assert printed(TEAMS.replace("import torch\nimport striate", "import striate\nimport torch"))[1:] == ["0", "False"]
