"""`striate serve` as its user has it: a process that says where it is, answers, and ends with exit code 0."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")


@pytest.fixture
def process(digits_run):
    started = []

    def start(*words, **environment):
        command = [
            sys.executable,
            "-m",
            "striate",
            "serve",
            f"digits={digits_run / 'model.striate'}",
            "--port",
            "0",
            *words,
        ]
        one = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        started.append(one)
        said = ""
        for line in one.stderr:
            said += line
            if found := re.search(r"serving at (http://[\d.]+:\d+)", line):
                return one, found[1], said
        raise AssertionError(said)

    yield start
    for one in started:
        one.kill()
        one.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_it_says_where_answers_and_stops(process, number):
    one, address, said = process(*(["--host", "0.0.0.0"] if number == signal.SIGINT else []))
    assert ("there is no token" in said) == (number == signal.SIGINT)
    with urllib.request.urlopen(address.replace("0.0.0.0", "127.0.0.1") + "/v1/model") as answer:
        assert json.load(answer)["name"] == "digits"
    one.send_signal(number)
    log, words = one.communicate(timeout=30)
    assert one.returncode == 0, words
    assert "all requests that had come were answered" in words
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert events == ["serving", "request", "stopping", "stopped"]


def test_a_second_signal_ends_at_once_and_says_so(process):
    one, address, _ = process()
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx")
        with urllib.request.urlopen(f"{address}/healthz"):  # what was sent before has come too
            one.send_signal(signal.SIGINT)
        while '"stopping"' not in one.stdout.readline():
            pass
        one.send_signal(signal.SIGINT)
        _, words = one.communicate(timeout=30)
    assert one.returncode == 0, words
    assert "were answered" not in words
    assert "stopped at once" in words


def test_a_token_of_the_environment_is_asked_for(process):
    _, address, said = process("--host", "0.0.0.0", STRIATE_TOKEN="a-token-of-the-environment")
    assert "warning" not in said
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address.replace("0.0.0.0", "127.0.0.1") + "/v1/model")


def test_what_cannot_be_served_is_said(striate, digits_run, tmp_path):
    model = digits_run / "model.striate"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = striate("serve", model, "--port", port)
    assert (result.exit_code, f"cannot listen on 127.0.0.1 port {port}" in result.stderr) == (1, True)
    short = tmp_path / "token"
    short.write_text("short")
    for words, said in (
        ([tmp_path / "no.striate"], "no.striate"),
        ([model, model], "a name of its own"),
        ([model, "--token-file", short], "at least 16 letters"),
        ([model, "--token-file", tmp_path / "none"], "cannot be read"),
        ([model, "--timeout", "soon"], "a time must be"),
        ([model, "--max-images", 300], "the queue must hold"),
        ([model, "--host", "no such host"], "cannot listen on no such host"),
        ([model, "--device", "abacus", "--port", 0], "device must be"),
    ):
        result = striate("serve", *words)
        assert result.exit_code == 1, words
        assert said in result.stderr
