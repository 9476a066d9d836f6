"""A study on a PostgreSQL server, as several machines share one: a process that dies loses nothing of it."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

# Heartbeats of a second, so that nobody waits minutes for a dead process to be noticed.
CODE = """
import sys
from striate.selection.tuning import study
study.HEARTBEAT_S, study.GRACE_S = 1, 3
from striate.cli import main
sys.argv = ["striate", *sys.argv[1:]]
main()
"""
SOURCE, NET = "xo:120", "fc(16) relu fc(classes)"


def binary(name):
    found = shutil.which(name) or next((str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    return found or pytest.skip(f"PostgreSQL is not installed: no {name}")


@pytest.fixture
def server():
    """The URL of a server of its own, on loopback."""
    pytest.importorskip("pg8000", reason="no driver of PostgreSQL")
    as_user = []
    if getpass.getuser() == "root":  # the server refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"] if shutil.which("runuser") else pytest.skip("no runuser")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        os.chmod(folder, 0o777)
        data, options = f"{folder}/data", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([*as_user, binary("initdb"), "-D", data, "-A", "trust", "-U", "striate"], **quiet)
        control = [*as_user, binary("pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log"]
        subprocess.run([*control, "-o", options, "start"], **quiet)
        try:
            yield f"postgresql+pg8000://striate@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


def worker(out, url, trials, epochs):
    words = ["tune", SOURCE, "--net", NET, "--storage", url, "--study", "ours", "--trials", str(trials)]
    words += ["--epochs", str(epochs), "--set", "precision=float32", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def states(url):
    import optuna

    storage = optuna.storages.RDBStorage(url)
    try:
        study = optuna.load_study(study_name="ours", storage=storage)
        return [trial.state.name for trial in study.get_trials(deepcopy=False)]
    finally:
        storage.engine.dispose()


@pytest.mark.slow
def test_a_process_that_dies_in_the_middle_of_a_trial_loses_nothing(server, tmp_path):
    first = worker(tmp_path / "a", server, 4, 400)
    deadline = time.monotonic() + 120
    while True:  # until it has finished a trial and is in the middle of another
        assert first.poll() is None, first.communicate()[1][-2000:]
        assert time.monotonic() < deadline
        try:
            found = states(server)
        except Exception:  # the tables are being made
            found = []
        if "RUNNING" in found and found.index("RUNNING") > 0:
            break
        time.sleep(0.05)
    first.kill()
    first.communicate()
    kept = [state for state in states(server) if state in ("COMPLETE", "PRUNED")]
    time.sleep(4)
    second = worker(tmp_path / "b", server, 4, 400)
    _, errors = second.communicate(timeout=240)
    assert second.returncode == 0, errors[-2000:]
    after = states(server)
    assert after[: len(kept)] == kept
    assert "RUNNING" not in after
    assert sum(state in ("COMPLETE", "PRUNED") for state in after) >= 4
    assert "FAIL" in after, "the trial of the dead process is told apart, and was made again"
