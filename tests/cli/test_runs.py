"""`striate runs`: the list, the comparison, what they say of nothing and of nonsense."""

import shutil

import pytest


@pytest.fixture
def two(striate, tmp_path):
    for name, net in (("a", "fc(classes)"), ("b", "fc(32) relu fc(classes)")):
        arguments = (
            "train",
            "digits",
            "--net",
            net,
            "--epochs",
            2,
            "--set",
            "precision=float32",
            "--out",
            f"runs/{name}",
        )
        assert striate(*arguments).exit_code == 0
    return tmp_path / "runs"


def test_the_list_and_its_json(striate, as_json, two):
    shutil.copytree(two / "a", two / "broken [x]")
    (two / "broken [x]" / "run.json").write_text("{")
    shown = striate("runs").stdout
    for words in ("runs/a", "fc(10)", "2/2", "finished", "runs/broken [x]", "broken: run.json is damaged"):
        assert words in shown
    entries = {entry["run"]: entry for entry in as_json("runs")}
    assert set(entries) == {"runs/a", "runs/b", "runs/broken [x]"}
    assert entries["runs/a"]["epochs"] == 2
    assert entries["runs/a"]["valid_interval"][0] < entries["runs/a"]["valid_accuracy"]
    ranked = [entry["valid_accuracy"] for entry in as_json("runs", "--sort", "accuracy")]
    assert ranked[0] > ranked[1]
    assert ranked[2] is None


def test_runs_are_compared(striate, as_json, two):
    shown = striate("runs", "runs/a", "runs/b").stdout
    for words in ("fc(32) relu fc(10)", "parameters", "on the same validation images", "noise"):
        assert words in shown
    assert "learning rate" not in shown
    compared = as_json("runs", "runs/a", "runs/b")
    assert compared["differences"]["net"] == ["fc(10)", "fc(32) relu fc(10)"]
    assert compared["verdicts"][0]["same_images"] is True
    same = striate("runs", "runs/a", "runs/a").stdout
    assert "source, data, net and recipe are the same" in same


def test_a_long_net_does_not_make_the_comparison_wider_than_a_terminal_can_show(striate, as_json, two):
    net = " ".join(["fc(32) relu"] * 20) + " fc(classes)"
    out = ("--epochs", 2, "--set", "precision=float32", "--out", "runs/deep")
    assert striate("train", "digits", "--net", net, *out).exit_code == 0
    shown = striate("runs", "runs/a", "runs/deep").stdout
    assert "fc(32) relu fc(32) relu" in shown
    assert "…" in shown
    assert max(map(len, shown.splitlines()[:5])) < 160
    assert len(as_json("runs", "runs/a", "runs/deep")["differences"]["net"][1]) > 200


def test_a_net_that_was_asked_for_by_name_is_called_so(striate, as_json):
    for name, net in (("a", "swift_s"), ("b", "swift_xs(width=0.5)"), ("c", "fc(classes)")):
        out = ("--epochs", 1, "--set", "precision=float32", "--out", f"runs/{name}")
        assert striate("train", "digits", "--net", net, *out).exit_code == 0
    shown = striate("runs").stdout
    for words in ("swift_s: ", "swift_xs(width=0.5): ", " fc(10) "):
        assert words in shown
    assert [entry["named"] for entry in as_json("runs")] == ["swift_s", "swift_xs(width=0.5)", ""]
    assert "swift_s: whiten(" in striate("runs", "runs/a", "runs/c").stdout


def test_simple_methods_tell_how_long_they_took(striate, as_json):
    assert striate("train", "digits", "--net", "majority", "--out", "runs/m").exit_code == 0
    assert as_json("runs")[0]["train_s"] >= 0


def test_uneven_classes_have_their_figures_beside_accuracy(striate, as_json, uneven, two):
    """Where one is four times as frequent as the other, all called `day` would be 80 % right."""
    for name in ("c", "d"):
        assert striate("train", uneven, "--net", "majority", "--out", f"runs/{name}").exit_code == 0
    shown = striate("runs").stdout
    assert shown.count("by class: ") == 2
    assert "runs/c: by class: " in shown
    assert "test balanced accuracy 50.00 %, macro F1 44.44 %" in shown
    told = {entry["run"]: entry["uneven"] for entry in as_json("runs")}
    assert told["runs/a"] == {}
    assert told["runs/c"]["test"] == {"balanced_accuracy": 0.5, "macro_f1": pytest.approx(4 / 9)}
    (line,) = [line for line in striate("runs", "runs/a", "runs/c").stdout.splitlines() if "test, by class" in line]
    assert line.split()[3] == "–"
    assert line.rstrip().endswith("balanced accuracy 50.00 %, macro F1 44.44 %")
    assert "by class" not in striate("runs", "runs/a", "runs/b").stdout
    (two / "c" / "model.striate").write_bytes(b"broken")
    assert striate("runs").exit_code == 0


def test_nothing_and_nonsense(striate, tmp_path):
    result = striate("runs")
    assert result.exit_code == 1
    assert "no folder runs" in result.output
    assert "did you mean 'accuracy'" in striate("runs", "--sort", "acuracy").output
    (tmp_path / "runs").mkdir()
    assert "no runs below runs" in striate("runs").stderr
    assert "at least two runs" in striate("runs", "runs", "runs").output
