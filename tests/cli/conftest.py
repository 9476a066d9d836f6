"""What the tests of the commands share: running one, and a small folder of photographs."""

import json

import pytest
from tests.data.oddities import encoded, photo
from typer.testing import CliRunner

from striate.cli import app


@pytest.fixture
def striate(tmp_path, monkeypatch):
    """Run a command in an empty folder and return the result: exit_code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, stdin=None):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def as_json(striate):
    """Run a command with --json, which must succeed, and return the value that stdout is."""

    def run(*arguments):
        result = striate(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of two class folders with twelve small images each; one class darkened, so that it can be learnt."""
    root = tmp_path_factory.mktemp("data") / "photos"
    for c, name in enumerate(("day", "night")):
        (root / name).mkdir(parents=True)
        for i in range(12):
            (root / name / f"{i}.png").write_bytes(encoded(photo(12, 12, seed=100 * c + i) // (1 + 3 * c)))
    return root


@pytest.fixture(scope="session")
def uneven(tmp_path_factory):
    """A folder with its own train and test: four times as many images of the one class as of the other."""
    root = tmp_path_factory.mktemp("data") / "uneven"
    for s, split in enumerate(("train", "test")):
        for c, (name, count) in enumerate((("day", 32), ("night", 8))):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = photo(12, 12, seed=1000 * s + 100 * c + i) // (1 + 3 * c)
                (root / split / name / f"{i}.png").write_bytes(encoded(pixels))
    return root
