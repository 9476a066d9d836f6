"""Which machine and which code: told in plain values, and of the package's own repository alone."""

import subprocess

from striate.system import machine


def test_the_machine_is_told_in_plain_values():
    told = machine.describe_machine("cuda:0", threads=3)
    assert {"system", "processor", "cpus", "device", "threads"} <= set(told)
    assert (told["device"], told["threads"]) == ("cuda:0", 3)
    assert all(isinstance(value, str | int) and value != "" for value in told.values())


def test_another_repository_around_the_package_is_not_asked(tmp_path, monkeypatch):
    """A project's repository that holds an environment with the package says nothing of the package's code."""
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "version.py").write_text("")
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.setattr(machine.here, "__file__", str(tmp_path / "env" / "version.py"))
    monkeypatch.setattr(machine, "distribution", lambda name: type("D", (), {"read_text": lambda self, name: None})())
    machine.code_commit.cache_clear()
    assert machine.code_commit() == ""
    subprocess.run(["git", "add", "env"], cwd=tmp_path, check=True)
    machine.code_commit.cache_clear()
    assert len(machine.code_commit().rstrip("+")) == 12
    machine.code_commit.cache_clear()


def test_the_commit_of_an_installed_package_is_what_pip_kept(tmp_path, monkeypatch):
    kept = '{"url": "https://x", "vcs_info": {"commit_id": "0123456789abcdef", "vcs": "git"}}'
    monkeypatch.setattr(machine.here, "__file__", str(tmp_path / "version.py"))
    monkeypatch.setattr(machine, "distribution", lambda name: type("D", (), {"read_text": lambda self, name: kept})())
    machine.code_commit.cache_clear()
    assert machine.code_commit() == "0123456789ab"
    machine.code_commit.cache_clear()
