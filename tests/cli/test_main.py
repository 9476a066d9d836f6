"""The command line as a whole: version, help, the net's JSON, the cache."""

import json
import subprocess
import sys

import pytest

import striate as package

COMMANDS = ["train", "predict", "evaluate", "net", "tune", "runs", "cache"]


def test_version(striate):
    result = striate("--version")
    assert (result.exit_code, result.stdout) == (0, f"striate {package.__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(striate, command):
    result = striate(command, "--help")
    assert result.exit_code == 0
    assert f"striate {command}" in result.stdout
    assert command in striate("--help").stdout


def test_help_needs_nothing_heavy():
    code = (
        "import sys; import striate.cli; heavy = {'torch', 'numpy', 'PIL', 'sklearn', 'rich.progress', 'matplotlib'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_net_json(as_json):
    found = as_json("net", "conv(6, 5) relu fc(10)", "--input", "1x28x28")
    assert {"layers", "parameters", "multiply_adds"} <= found.keys()
    assert found["parameters"] == 6 * 26 + 10 * (6 * 24 * 24 + 1)
    for layer in found["layers"]:
        assert {"layer", "shape", "parameters", "multiply_adds", "note"} <= layer.keys()
    assert sum(layer["parameters"] for layer in found["layers"]) == found["parameters"]


def test_cache_shows_and_clears(striate, as_json, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    assert "0 B of 20 GB in" in striate("cache").stdout
    assert striate("train", photos, "--net", "fc(classes)", "--epochs", 1, "--set", "precision=float32").exit_code == 0
    shown = striate("cache").stdout
    assert "12×12×3" in shown
    assert str(photos) in shown
    (entry,) = as_json("cache")["entries"]
    assert entry["images"] == 24
    assert entry["bytes"] > 24 * 12 * 12 * 3
    assert as_json("cache", "--clear")["freed_bytes"] >= entry["bytes"]
    assert as_json("cache")["entries"] == []
    assert "0 B freed" in striate("cache", "--clear").stdout


def test_a_closed_pipe_ends_quietly(tmp_path):
    command = f"{sys.executable} -c 'from striate.cli import main; main()' net --list | head -1"
    result = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("name")
    assert "Error" not in result.stderr
    assert json.dumps(result.stderr) == '""'
