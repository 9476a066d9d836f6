"""The docs: Python in them runs, commands exist, links lead somewhere, figures are those of the records."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from striate.augmentation import AUGMENTATIONS
from striate.cli import app
from striate.nets import ZOO
from striate.nets.notation import WORDS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if not {"_build", "reference"} & set(page.parts)]
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
SITE = (
    importlib.util.find_spec("sphinx") and importlib.util.find_spec("myst_parser") and importlib.util.find_spec("furo")
)


def ids(page):
    return page.relative_to(DOCS).as_posix()


def without_blocks(text):
    return re.sub(r"^ {4}.*$|^```.*?^```", "", text, flags=re.M | re.S)


@pytest.mark.parametrize("page", [p for p in PAGES if "```python" in p.read_text("utf-8")], ids=ids)
def test_python_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        exec(compile(block, str(page), "exec"), names)
    assert capsys.readouterr().out


def commands(text):
    """Yield the words of each `striate …` line of the blocks, without comments."""
    for line in re.findall(r"^ {4}(striate .*)$", text, re.M):
        words = shlex.split(line, comments=True)
        yield from (list(part) for part in split(words, "|") if part[:1] == ["striate"])


def split(words, sign):
    parts = [[]]
    for word in words:
        parts.append([]) if word == sign else parts[-1].append(word)
    return parts


def unknown_words(words):
    """Return what a command does not know: its own name, or options."""
    if len(words) < 2 or words[1] not in COMMANDS:
        return [] if words[1:2] and words[1].startswith("-") else words[:2]
    known = {name for parameter in COMMANDS[words[1]].params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = [word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z]", word)]
    return [word for word in given if word not in known | {"--help", "-h"}]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_exist(page):
    for words in commands(page.read_text("utf-8")):
        assert unknown_words(words) == [], " ".join(words)


def test_the_check_of_commands_can_fail():
    (words,) = commands("    striate train photos/ --bugdet 5m   # within five minutes\n")
    assert unknown_words(words) == ["--bugdet"]
    assert unknown_words(["striate", "trian"]) == ["striate", "trian"]


def slug(title):
    """Return the anchor of a heading as code hosts and the site make it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).strip().lower()).replace(" ", "-")


def dead_links(page, text):
    found = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", without_blocks(text)):
        path = (page.parent / target).resolve() if target else page
        if not path.exists():
            found.append(target)
        elif anchor and path.suffix == ".md" and not re.match(r"L\d+$", anchor):
            titles = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.M)
            found += [f"{target}#{anchor}"] * (anchor not in map(slug, titles))
    return found


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page):
    assert dead_links(page, page.read_text("utf-8")) == []


def test_the_check_of_links_can_fail():
    text = "[a](gone.md) [b](speed.md#no-such) [c](speed.md#growing) [d](../src/striate/calls.py#L1)"
    assert dead_links(DOCS / "index.md", text) == ["gone.md", "speed.md#no-such"]


def record(name, *path):
    value = json.loads((ROOT / "bench" / "records" / f"{name}.json").read_text("utf-8"))
    for key in path:
        value = value[key]
    return value["mean"] if isinstance(value, dict) and "mean" in value else value


def test_figures_of_the_speed_are_those_of_the_records():
    text = re.sub(r"\s+", " ", (DOCS / "fast.md").read_text("utf-8"))
    small, whole = (record("growing", "settings", name) for name in ("as it is", "whole images"))
    share = record("share", "steps")
    threads = {name: round(record("threads", "images_per_s", name)) for name in (
        "default_alone", "default_beside_another", "spin_3000_beside_another")}  # fmt: skip
    memory = record("memory", "images_per_s")
    gains = [
        memory[f"{kind}_swift_s_kept"]["mean"] / memory[f"{kind}_swift_s_plain"]["mean"]
        for kind in ("train", "predict")
    ]
    for said in (
        f"{small['train_s']['mean']:.1f} s instead of {whole['train_s']['mean']:.1f} s",
        f"{small['valid_accuracy']['mean']:.1%} instead of {whole['valid_accuracy']['mean']:.1%}".replace("%", " %"),
        f"{share['float32 32×32']['data_share']['mean']:.1%} of a step on whole images".replace("%", " %"),
        f"{share['float32 16×16']['data_share']['mean']:.1%} on small ones".replace("%", " %"),
        f"{share['float32 32×32']['share_of_limit']['mean']:.0%} of the speed".replace("%", " %"),
        f"{threads['default_beside_another']} of {threads['default_alone']:,} images a second",
        f"With a short spin it is {threads['spin_3000_beside_another']}",
        f"{gains[0]:.2f} times the images a second in training",
        f"{gains[1]:.2f} times in predicting",
        f"{record('checkpoint', 'share'):.1%} of an epoch".replace("%", " %"),
        f"answers in {record('start', 'help_s'):.2f} s",
    ):
        assert said in text


@pytest.fixture
def building(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))


def test_reproductions_are_up_to_date(building):
    from building.reproductions import PAGE, arithmetic, classifiers, make_page, trust
    from tests.test_examples import PROMISED

    assert PAGE.read_text("utf-8") == make_page(), "python docs/building/reproductions.py writes the page anew"
    rows = [*arithmetic(), *classifiers(), *trust()]
    assert [row.id for row in rows] == [f"S{n:02}" for n in range(1, 29)]
    for row in rows:
        assert row.held
        assert [path for path in row.held if not (ROOT / path).is_file()] == []
        if row.command.startswith("striate"):
            assert unknown_words(shlex.split(row.command)) == []
            runs = f'"{row.command.split()[1]}"'  # a test types the command, or a bench measures what it does
            tests = [(ROOT / path).read_text("utf-8") for path in row.held if path.endswith(".py")]
            assert any(runs in text for text in tests) or any(path.endswith(".json") for path in row.held), row.id
        elif row.command.startswith("python"):
            assert row.command.split()[1].removeprefix("examples/") in PROMISED
            assert "tests/test_examples.py" in row.held
        else:
            raise AssertionError(f"{row.id}: nobody knows how to run {row.command}")


def test_references_name_everything(building):
    from building.api import api_pages
    from building.commands import command_pages
    from building.settings import settings_pages
    from building.words import word_pages

    import striate

    pages, words, python = command_pages(), word_pages(), api_pages()
    for name, command in COMMANDS.items():
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        assert [o.opts[0] for o in options if not o.hidden and f"`{o.opts[0]}`" not in pages[f"cli/{name}.md"]] == []
    assert [word for word in WORDS if f"### `{word}" not in words["notation.md"]] == []
    assert [name for name in ZOO if f"`{name}`" not in words["zoo.md"]] == []
    assert [name for name in AUGMENTATIONS if f"## `{name}" not in settings_pages()["augmentations.md"]] == []
    assert [name for name in striate.__all__ if name[0] != "_" and f"api/{name}.md" not in python] == []


@pytest.mark.slow
@pytest.mark.skipif(not SITE, reason="needs Sphinx, MyST and furo: pip install '.[docs]'")
def test_the_site_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-d", tmp_path / "trees"]
    done = subprocess.run([*command, DOCS, tmp_path / "html"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "html" / "tour.html").read_text("utf-8")
    links = re.findall(r'href="(source/[^"#]+)#(L\d+)"', html)
    assert len(links) > 30
    for target, line in links:
        assert f'id="{line}"' in (tmp_path / "html" / target).read_text("utf-8")
    course = (tmp_path / "html" / "course" / "x-or-o.html").read_text("utf-8")
    assert "1 5/9 5/9 1 · 1 5/9 5/9 5/9 · 5/9 1 1 5/9" in course.split("prints")[1]
    outside = re.compile(r'(?:<script[^>]+src|<link rel="stylesheet"[^>]+href|<img[^>]+src)="(?:https?:)?//')
    assert [page.name for page in (tmp_path / "html").rglob("*.html") if outside.search(page.read_text("utf-8"))] == []
