"""`striate doctor`: what it prints for people and programs, and its exit code."""

import json


def test_words_and_json_tell_the_same(striate, monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    told = striate("doctor", "--json")
    found = json.loads(told.stdout)
    assert told.exit_code == (0 if found["ready"] else 1)
    assert {
        "versions",
        "machine",
        "device",
        "precision",
        "weights",
        "caches",
        "extras",
        "complaints",
        "verdict",
    } <= set(found)
    shown = striate("doctor").stdout
    assert f"torch {found['versions']['torch']}" in shown
    assert f"{found['precision']['chosen']} (" in shown
    assert "remembered" in shown
    assert str(tmp_path / "cache" / "prepared") in shown
    for one in found["extras"]:
        assert (one["command"] in shown) == bool(one["missing"])


def test_a_problem_is_an_exit_code_of_1(striate, monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STRIATE_WEIGHTS", "nowhere\x1b[2J")
    result = striate("doctor")
    assert result.exit_code == 1
    assert "problem: STRIATE_WEIGHTS names no folder: nowhere" in result.stdout
    assert "\x1b[2J" not in result.stdout
    assert "Correct it, or unset STRIATE_WEIGHTS" in result.stdout
