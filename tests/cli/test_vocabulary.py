"""One voice: each command shows an example, an option means the same wherever it stands, and TAB knows all of it."""

import os
import re
import shlex
import stat
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from typer.main import get_command

from striate.baselines.registry import BASELINES
from striate.cli import app, completion
from striate.data.builtin import names

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
# What each command says of these in its own words: a file or folder that it writes, a number of its own things.
OWN_WORDS = {
    "--out", "--seed", "--net", "--set", "--epochs", "--layer", "--class", "--features", "--robustness", "--augment",
    "--batch-size", "--count", "--list", "--weights", "--size",
}  # fmt: skip


def examples(command):
    return re.findall(r"\[bold\](striate .*?)\[/bold\]", command.help or "")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_of_the_command_itself(name):
    assert [line for line in examples(COMMANDS[name]) if line.split()[1] == name], COMMANDS[name].help


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_name_options_that_exist(name):
    for line in examples(COMMANDS[name]):
        words = shlex.split(line)
        known = {option for one in COMMANDS[words[1]].params for option in (*one.opts, *one.secondary_opts)}
        assert {word for word in words[2:] if re.match("--?[a-z]", word)} <= known, line


def options_by_name(commands):
    found = defaultdict(set)
    for command in commands.values():
        for one in command.params:
            if one.param_type_name == "option":
                found[max(one.opts, key=len)].add((one.help, one.metavar, tuple(one.opts)))
    return found


def test_an_option_has_one_meaning():
    told = {name: kinds for name, kinds in options_by_name(COMMANDS).items() if name not in OWN_WORDS}
    assert {name: kinds for name, kinds in told.items() if len(kinds) > 1} == {}
    assert all("-o" in names for _, _, names in options_by_name(COMMANDS)["--out"])


def test_the_check_of_meanings_can_fail():
    assert len(options_by_name({name: COMMANDS[name] for name in ("train", "augment")})["--augment"]) == 2


def test_striate_alone_names_the_first_commands(striate):
    result = striate()
    assert result.exit_code == 0
    assert "striate train photos/" in result.stdout
    assert "striate predict runs/photos-1/model.striate" in result.stdout
    assert len(result.stdout.splitlines()) < 10


def test_names_that_are_told_twice_are_the_same():
    assert set(completion.BUILT_IN) == set(names.NAMES)
    assert tuple(BASELINES) == completion.BASELINES


@pytest.fixture
def tab(tmp_path):
    """Press TAB after a line in bash, in an empty folder with a file photos.csv; return what is offered."""
    program = tmp_path / "bin" / "striate"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom striate.cli import main\nmain()\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    home = tmp_path / "home"
    home.mkdir()
    (home / "photos.csv").touch()
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(home)}

    def press(line):
        script = (
            'eval "$(_STRIATE_COMPLETE=source_bash striate)"\n'
            f"COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))\n"
            "_striate_completion striate\n"
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", script], cwd=home, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.split()

    return press


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_tab_in_bash(tab):
    assert tab("striate tr") == ["train"]
    assert tab("striate train digits --bud") == ["--budget"]
    assert tab("striate train dig") == ["digits"]
    assert tab("striate train photo") == []  # a file's name: bash completes it itself
    assert {"resnet18", "svm"} <= set(tab("striate train digits --net ''"))
    assert tab("striate train digits --recipe swift-9") == ["swift-94", "swift-96"]


def test_shares_and_sizes_are_written_one_way():
    """By `striate.units`; but the published line of accuracy, and sentences that have a place for a share."""
    theirs = {"metrics/evaluation.py", "evaluation/robustness/corruptions.py"}
    by_hand = re.compile(r"\{[^{}]+:[.\d]*%\}|1e[69]:[.,\d]*f\} [MG]B")
    package = Path(completion.__file__).parent.parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in package.rglob("*.py")
        if path.relative_to(package).as_posix() not in theirs
        for line in path.read_text("utf-8").splitlines()
        if by_hand.search(line)
    ]
    assert found == []
