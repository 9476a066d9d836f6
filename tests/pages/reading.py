"""Reads a page as a browser and a reader of screens would, and says what is wrong with it."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "img", "br", "link", "input", "hr", "col"}
NAMED = {"svg": ("aria-label",), "img": ("alt",)}


class Outline(HTMLParser):
    """The headings, links, names and words of a page, and the faults that were found in it."""

    def __init__(self, page: str):
        super().__init__()
        self.headings: list[tuple[int, str]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.faults: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self._judge()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append(tag)
        if tag not in VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "action", "poster", "data") and not (value or "").startswith(
                ("#", "data:image/")
            ):
                self.faults.append(f"<{tag} {name}={value!r}> leads out of the page")
            if name.startswith("on"):
                self.faults.append(f"<{tag} {name}> runs code")
        if tag in ("script", "iframe", "link", "object", "embed"):
            self.faults.append(f"<{tag}> is in the page")
        for name in NAMED.get(tag, ()):
            if not told.get(name):
                self.faults.append(f"<{tag}> has no {name}")
        if tag == "th" and told.get("scope") not in ("col", "row"):
            self.faults.append("<th> has no scope")
        if "id" in told:
            self.ids.append(told["id"] or "")
        if tag == "a":
            self.links.append(told.get("href") or "")
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:] or 'nothing'}")
            return
        self._open.pop()

    def handle_data(self, data):
        if "style" in self._open:
            if "url(" in data or "@import" in data:
                self.faults.append("the style fetches something")
            return
        self.words += data
        if self._open and self._open[-1] in ("h1", "h2", "h3", "h4"):
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data

    def _judge(self):
        if self._open:
            self.faults.append(f"{self._open} are never closed")
        levels = [level for level, _ in self.headings]
        if levels.count(1) != 1 or levels[:1] != [1]:
            self.faults.append(f"headings must begin with the only h1; got {levels}")
        self.faults += [f"h{b} follows h{a}" for a, b in pairwise(levels) if b > a + 1]
        self.faults += [f"heading {text!r} is empty" for _, text in self.headings if not text.strip()]
        self.faults += [f"two of id {one}" for one in set(self.ids) if self.ids.count(one) > 1]
        self.faults += [f"{link} leads nowhere" for link in self.links if link[:1] == "#" and link[1:] not in self.ids]
