"""What README shows is run."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks():
        exec(compile(block, str(README), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert re.match(r"\[\('0', [01]\.\d+\), ", printed[0])
    assert re.match(r"accuracy \d+\.\d\d% \(\d+ / 210\), 95 % interval", printed[1])
    assert (tmp_path / "digits.striate").exists()


@pytest.mark.parametrize("target", ["demo", "test", "lint", "test-all", "bench"])
def test_make_targets_exist(target):
    makefile = (README.parent / "Makefile").read_text("utf-8")
    assert f"make {target}" in README.read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.M)
