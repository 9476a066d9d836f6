"""Two real processes over gloo: what they share, who goes first, and what the one hears when the other ends."""

import json
import os
import socket
import subprocess
import sys

import pytest

from striate.system.processes import ALONE, is_first, process_count

SHARING = """
import json, sys, time, torch
from pathlib import Path
from striate.system.processes import joined

done = Path(sys.argv[1])
with joined(torch.device("cpu")) as processes:
    sums = processes.sum(processes.rank + 1, 0.5)
    told = processes.from_first({"from": processes.rank})
    with processes.first_goes_first():
        before = done.exists()
        time.sleep(0.2 * processes.first)
        done.touch()
print(json.dumps({"sums": sums, "told": told, "before": before, "first": processes.first}))
"""
LEFT = """
import os, torch
from striate.errors import TrainingError
from striate.system.processes import joined

try:
    with joined(torch.device("cpu")) as processes:
        processes.sum(1.0)
        if not processes.first:
            os._exit(9)
        processes.sum(1.0)
except TrainingError as error:
    print(error)
"""


def two(code, *words):
    """Run code in two processes that know of each other as torchrun's do; return what each printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)], env={**os.environ, **shared, "RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    return [one.communicate(timeout=120) for one in started]


def test_they_share_sums_and_values_and_the_first_goes_first(tmp_path):
    said = two(SHARING, tmp_path / "done")
    first, second = (json.loads(out) for out, _ in said)
    assert first["sums"] == second["sums"] == [3.0, 1.0]
    assert first["told"] == second["told"] == {"from": 0}
    assert (first["first"], first["before"]) == (True, False)
    assert (second["first"], second["before"]) == (False, True)


def test_whoever_is_left_is_told_how_to_go_on():
    (said, why), _ = two(LEFT)
    assert "another process of this run ended" in said, why
    assert "--resume" in said


def test_one_process_shares_with_itself(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert process_count() == 1
    assert is_first()
    assert ALONE.sum(1, 2.5) == [1, 2.5]
    assert ALONE.from_first("a") == "a"
    with ALONE.first_goes_first():
        pass


@pytest.mark.parametrize(("rank", "first"), [("0", True), ("1", False)])
def test_torchrun_says_who_talks(monkeypatch, rank, first):
    monkeypatch.setenv("RANK", rank)
    assert is_first() is first
