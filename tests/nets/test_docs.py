"""docs/notation.md lists every word of the notation; `python tests/nets/test_docs.py` writes its table anew."""

import dataclasses
import re
from pathlib import Path

from striate.nets import parse
from striate.nets.notation import WORDS

PAGE = Path(__file__).parents[2] / "docs" / "notation.md"
MARK = "<!-- words -->\n"


def usage(word, kind):
    parts = []
    for entry in dataclasses.fields(kind):
        if entry.default is dataclasses.MISSING:
            parts.append(entry.name)
        elif entry.default is None:
            parts.append(f"{entry.name}=…")
        else:
            parts.append(f"{entry.name}={str(entry.default).lower()}")
    return f"{word}({', '.join(parts)})" if parts else word


def table():
    rows = []
    for word, kind in sorted(WORDS.items()):
        said = re.sub(r"\s+", " ", kind.__doc__.split("\n\n")[0]).replace("|", "\\|")
        rows.append(f"| `{usage(word, kind)}` | {said} |\n")
    return "| word | what it does |\n|---|---|\n" + "".join(rows)


def test_the_table_of_words_is_up_to_date():
    assert PAGE.read_text("utf-8").split(MARK)[1] == table()


def test_the_examples_can_be_read():
    text = PAGE.read_text("utf-8").split(MARK)[0]
    sentences = [line.strip() for block in re.findall(r"(?:^    .*\n)+", text, re.M) for line in block.splitlines()]
    assert len(sentences) >= 5
    for sentence in sentences:
        if not sentence.startswith("striate"):
            parse(sentence, classes=10)


def test_the_python_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    exec(compile(block, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out
    assert "sum of 25 products" in printed
    assert printed.count("conv(6, 5, pad=2)") == 3


if __name__ == "__main__":
    head = PAGE.read_text("utf-8").split(MARK)[0]
    PAGE.write_text(head + MARK + table(), "utf-8")
