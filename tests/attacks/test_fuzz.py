"""A moment of `tests/attacks/fuzz.py` for each target; STRIATE_FUZZ_S gives each as many seconds as it says."""

import os
import random

import pytest
from tests.attacks.fuzz import TARGETS, findings, mutated

SECONDS = float(os.environ.get("STRIATE_FUZZ_S", "0.4"))


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_ends_in_a_traceback(name):
    numbers = []
    for number, finding in findings(name, SECONDS):
        numbers.append(number)
        if finding is not None:
            raise AssertionError(f"python -m tests.attacks.fuzz {name} --first {number} --seconds 1") from finding
    assert numbers


def test_a_finding_is_found(monkeypatch):
    def reads(raw, folder):
        (folder / "a").write_bytes(raw)
        return raw.decode()

    target = TARGETS["npy"]().__class__((b"plain words",), reads, mutated)
    monkeypatch.setitem(TARGETS, "npy", lambda: target)
    kinds = {type(finding) for number, finding in findings("npy", 0.3)}
    assert kinds == {type(None), UnicodeDecodeError}


def test_a_mutant_is_made_again_from_its_number():
    made = [mutated(b"some bytes to change", random.Random(7)) for _ in range(2)]
    assert made[0] == made[1] != b"some bytes to change"
