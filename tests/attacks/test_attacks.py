# ruff: noqa: E501, PT018
"""Every attack meets the command that its file is for, in a process of its own, and ends in words.

None runs code, writes where it should not, hangs, or takes over half a gigabyte more than an ordinary training.
Those that take seconds are run by `make test-all`.
"""

import importlib
import re
import shutil

import pytest
from tests.attacks.attack import ATTACKS
from tests.attacks.sandbox import Sandbox

for _module in ("archives", "documents", "pickles", "pictures", "tables"):
    importlib.import_module(f"tests.attacks.{_module}")

MOST_BYTES = 512 << 20
# What an ordinary training takes beyond what every command starts with.
ORDINARY_BYTES = 150 << 20
# A hang is what is looked for; the slowest takes a tenth of that.
MOST_CPU_S = 25
NO_MEMORY = re.compile("MemoryError|out of memory|allocate memory")
# One of each kind of protection, all of them quick.
QUICK = (
    "pickle/os-system", "pickle/instance", "pickle/bytearray", "pickle/shared-dicts", "pickle/hashed-tuples",
    "weights/runs-code", "weights/tensor-of-one-value-a-trillion-times", "weights/header-many-dimensions",
    "array/objects", "archive/outside-2.zip", "archive/outside-3.tar.gz", "archive/link-absolute", "archive/link-device",
    "archive/pax-bomb.tar.gz", "archive/zip-of-overlapping-members", "archive/cifar-bomb", "archive/idx-bomb",
    "picture/png-of-3600-megapixels.png", "picture/png-of-icc-bombs.png", "picture/tiff-of-65535-bands.tif",
    "picture/jpeg-of-4-gigapixels.jpg", "model/header-as-long-as-can-be", "model/json-deep",
    "model/net-repeated", "model/net-of-code", "document/coco-deep.json", "document/devices.csv", "recipe/code",
    "sentence/power", "parquet/labels-of-a-megabyte", "parquet/labels-that-share-their-beginning",
    "parquet/lists-of-a-megabyte", "parquet/many-pages-that-unpack-to-much", "parquet/many-rows-of-nothing",
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    box = Sandbox()
    yield box
    box.close()


def _cases():
    marks = {name: () if name in QUICK else (pytest.mark.slow,) for name in ATTACKS}
    return [pytest.param(name, marks=marks[name]) for name in ATTACKS]


@pytest.mark.parametrize("name", _cases())
def test_an_attack_ends_in_words(name, sandbox, tmp_path):
    attack = ATTACKS[name]
    here = tmp_path / "work" / "here"
    here.mkdir(parents=True)
    outcome = sandbox.run(tmp_path, attack.make(here))
    ledger = here / "run" / "ledger.csv"
    told = outcome.out + outcome.err + (ledger.read_text("utf-8") if ledger.exists() else "")
    shutil.rmtree(here)
    assert outcome.code == attack.code, outcome
    assert "Traceback" not in outcome.err and not NO_MEMORY.search(outcome.err), outcome.err
    assert re.search(attack.says, told), told
    assert len(outcome.err) < 5000, outcome.err
    assert outcome.strange == ()
    assert outcome.cpu_s < MOST_CPU_S
    assert outcome.memory_bytes < MOST_BYTES + ORDINARY_BYTES
    assert outcome.disk_bytes < MOST_BYTES


def test_the_sandbox_sees_what_it_looks_for(sandbox, tmp_path):
    """An ordinary command writes where it may; what a harmful one would leave is told."""
    here = tmp_path / "work" / "here"
    here.mkdir(parents=True)
    assert sandbox.run(tmp_path, ["train", "digits", "--net", "majority", "--out", "run"]).strange == ()
    for place in ("RAN", "../ESCAPED.png"):
        outcome = sandbox.run(tmp_path, ["train", "digits", "--net", "majority", "--out", place])
        assert outcome.strange, outcome
