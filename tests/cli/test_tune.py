"""`striate tune`: what it prints for people and programs, going on with a study, what it refuses."""

import pytest

QUICK = ("tune", "xo:120", "--net", "fc(classes)", "--epochs", 2, "--set", "precision=float32")


def test_words_name_the_best_and_the_command_that_trains_it(striate, tmp_path):
    result = striate(*QUICK, "--trials", 3, "--out", "my study")
    assert result.exit_code == 0, result.output
    for words in ("Accuracy on validation set: ", "Accuracy on test set: ", "looks better than it is"):
        assert words in result.stdout
    assert result.stdout.splitlines()[-1] == "  striate train xo:120 --recipe 'my study/best.toml'"
    assert "    0  " in result.stderr
    present = {path.name for path in (tmp_path / "my study").iterdir()} - {".lock"}
    assert present == {
        "study.db",
        "best.toml",
        "model.striate",
        "result.json",
        "history.png",
        "tuning.html",
        "report.html",
    }
    trained = striate("train", "xo:120", "--recipe", "my study/best.toml", "--out", "run")
    assert trained.exit_code == 0, trained.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("Accuracy on test"))
    assert line in trained.stdout
    listed = striate("runs", ".").stdout
    assert "finished: the best of 3 trials" in listed


def test_json_and_going_on_with_the_same_command(as_json):
    first = as_json(*QUICK, "--trials", 2)
    assert first["study"] == "runs/tune-xo-120"
    assert {"recipe", "model", "net", "valid_accuracy", "valid_interval", "test_accuracy", "baseline_accuracy"} < set(
        first
    )
    second = as_json(*QUICK, "--trials", 3)
    assert [trial["trial"] for trial in second["trials"]] == [0, 1, 2]
    assert second["trials"][:2] == first["trials"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "soon"], "a time must be as 90s"),
        (["--set", "epochs=3"], "give --epochs instead"),
        (["--set", "foo=3"], "unknown recipe setting 'foo'"),
        (["--net", "lennet"], "did you mean 'lenet'"),
        (["--storage", "nosuch://x"], "cannot open the study's database nosuch://x"),
        (["--trials", "0"], "--trials"),
    ],
)
def test_nonsense_is_refused_in_words(striate, arguments, message):
    result = striate("tune", "xo:40", *arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output


def test_a_metric_is_searched_the_most_of(striate, as_json, uneven):
    asked = ("tune", uneven, "--net", "fc(classes)", "--epochs", 2, "--set", "precision=float32", "--trials", 3)
    found = as_json(*asked, "--metric", "macro-f1", "--balance", "loss", "--out", "study")
    assert found["metric"] == "macro-f1"
    assert found["score"] == max(trial["score"] for trial in found["trials"])
    assert all(trial["recipe"]["balance"] == "loss" for trial in found["trials"])
    words = striate(*asked, "--metric", "macro-f1", "--balance", "loss", "--out", "study")
    assert "  chosen by its macro F1 there, " in words.stdout
    other = striate(*asked, "--metric", "accuracy", "--out", "study")
    assert other.exit_code == 1
    assert "searches something else" in other.stderr
