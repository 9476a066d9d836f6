"""JSON of annotation tools: COCO and Label Studio, where an image has one class."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from striate.data.catalog import Catalog
from striate.data.ledger import Entry, Ledger
from striate.data.readers.assembling import displayable
from striate.data.readers.layout import decode_text
from striate.data.readers.records import load_json, text_of
from striate.data.readers.tables import read_table
from striate.data.readers.text_table import TextTable
from striate.errors import DataError
from striate.observer import Progress, silent
from striate.units import say_bytes, say_count

_LARGEST_BYTES = 1 << 30
# Label Studio puts eight hexadecimal digits before the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)", re.DOTALL)
# What Label Studio's JSON-MIN says of each task beside its data and choices, and by which keys it is told.
_MINIMAL_FIELDS = frozenset({
    "annotator", "annotation_id", "lead_time", "id", "created_at", "updated_at", "agreement",
})  # fmt: skip
_MINIMAL_MARKS = ({"annotation_id"}, {"lead_time"}, {"choice", "annotator"})

Labelled = dict[str, set[str]]


def is_annotations(text: str) -> bool:
    """Return whether a JSON text begins as COCO's or Label Studio's may: an object, or a list of objects.

    Other lists of records and JSON lines are tables.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("["):
        marks = ({"annotations"}, {"completions"}, *_MINIMAL_MARKS)
        return any(all(f'"{key}"' in start for key in keys) for keys in marks)
    return start.startswith("{") and '"images"' in start and '"annotations"' in start


def read_annotations(path: Path, *, images: Path | None = None, progress: Progress = silent) -> Catalog:
    """Read the images that a JSON file of COCO or Label Studio gives one class each.

    Arguments:
        path: the file.
        images: the folder of the images; by default the file's own, or the only one below it that holds them.
        progress: told how many images were looked up.

    Returns:
        A catalog; images without a class or with several are set aside in its ledger.

    Raises:
        DataError: damaged, neither form, or no image has exactly one class.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        raise DataError(
            f"{path} must be JSON of at most {say_bytes(_LARGEST_BYTES)}; got {say_bytes(path.stat().st_size)}. "
            "Give a table (CSV) that names the images and their classes"
        )
    values = load_json(str(path), decode_text(path.read_bytes()))
    if isinstance(values, dict) and isinstance(values.get("images"), list) and "annotations" in values:
        form, (found, told) = "coco", _coco(path, values)
    elif isinstance(values, list) and values and all(isinstance(task, dict) for task in values):
        form, found, told = "labelstudio", _label_studio(values), ()
    else:
        raise DataError(
            f"{path} must be JSON of COCO (images, annotations, categories) or Label Studio (a list of tasks); "
            f"{_shown(values)}. Give a table (CSV) that names the images and their classes"
        )
    single = {name: next(iter(classes)) for name, classes in found.items() if len(classes) == 1}
    if not single:
        several = sum(len(classes) > 1 for classes in found.values())
        raise DataError(
            f"{path} must give images one class each; got {several:,} with several classes and "
            f"{len(found) - several:,} with none. Give a table (CSV) with one class for each image"
        )
    table = TextTable(("file_name", "label"), [(i + 1, [name, single[name]]) for i, name in enumerate(single)])
    catalog = read_table(
        path, table=table, images=images, image_column="file_name", label_column="label", progress=progress
    )
    ledger = _with_others(catalog.ledger, found)
    return replace(catalog, format=form, columns={}, ledger=ledger, notes=(*catalog.notes, *told))


def _shown(values: Any) -> str:
    if isinstance(values, dict):
        return f"it has the keys {', '.join(str(key)[:40] for key in list(values)[:8]) or 'none'}"
    return f"it is a {type(values).__name__}"


def _with_others(ledger: Ledger, found: Labelled) -> Ledger:
    """Return the ledger with the images that have no class or several."""
    entries = []
    for name, classes in found.items():
        if len(classes) > 1:
            listed = ", ".join(sorted(classes)[:4]) + ("…" if len(classes) > 4 else "")
            entries.append(Entry(displayable(name), "skipped", f"several classes: {listed}"))
        elif not classes:
            entries.append(Entry(displayable(name), "skipped", "no class"))
    return ledger.revised(entries)


def _coco(path: Path, values: Mapping[str, Any]) -> tuple[Labelled, tuple[str, ...]]:
    """Return {file: classes}, and what is to be said."""
    names = {
        _key(one.get("id")): text_of(one.get("name")) or text_of(one.get("id"))
        for one in _objects(values, "categories")
    }
    files: dict[str, str] = {}
    for one in _objects(values, "images"):
        if name := text_of(one.get("file_name")):
            before = files.setdefault(_key(one.get("id")), name)
            if before != name:
                raise DataError(
                    f"{path}: {displayable(before)} and {displayable(name)} have the same id, {_key(one.get('id'))}: "
                    "an annotation may be of either. Give each image an id of its own"
                )
    found: Labelled = {name: set() for name in files.values()}
    lost = 0
    for one in _objects(values, "annotations"):
        name, category = files.get(_key(one.get("image_id"))), _key(one.get("category_id"))
        if name is None:
            lost += 1
            continue
        if category not in names and names:
            raise DataError(
                f"{path}: an annotation of {displayable(name)} has the category {category}, which has no name. "
                "Name it below categories"
            )
        found[name].add(names.get(category, category))
    return found, (
        f"{say_count(lost, 'annotation is', 'annotations are')} left out: of images that it does not list",
    ) if lost else ()


def _objects(values: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    listed = values.get(key)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _key(value: Any) -> str:
    return text_of(value)


def _label_studio(tasks: Iterable[Mapping[str, Any]]) -> Labelled:
    """Return {file: classes} of tasks as exported: JSON (annotations with results) or JSON-MIN (plain fields)."""
    found: Labelled = {}
    for task in tasks:
        inner = task.get("data")
        data = inner if isinstance(inner, dict) else task
        name = next((file for value in data.values() if (file := _file_of(value))), "")
        if name:
            found.setdefault(name, set()).update(_choices(task))
    return found


def _file_of(value: Any) -> str:
    """Return the name of an image in a task's data: an upload, a local file, a URL's last part; else ""."""
    if not isinstance(value, str) or len(value) > 4096:
        return ""
    try:
        url = urlsplit(value)
    except ValueError:
        return ""
    local = parse_qs(url.query).get("d", [""])[0]  # /data/local-files/?d=photos/1.jpg
    name = local or unquote(url.path)
    if not os.path.splitext(name)[1] or (" " in value and not url.scheme and "/" not in value and "." not in value):
        return ""
    if not local and "/upload/" in name:
        name = name.rpartition("/")[2]
        return uploaded[1] if (uploaded := _UPLOADED.fullmatch(name)) else name
    return name.rpartition("/")[2] if url.scheme else name.lstrip("/")


def _choices(task: Mapping[str, Any]) -> set[str]:
    """Return the classes that annotators chose, those of cancelled annotations left out."""
    chosen: set[str] = set()
    annotations = task.get("annotations", task.get("completions"))
    for annotation in annotations if isinstance(annotations, list) else []:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        for result in _objects(annotation, "result"):
            value = result.get("value")
            for key, values in value.items() if isinstance(value, dict) else ():
                if key == "choices" or key.endswith("labels"):
                    chosen.update(filter(None, map(text_of, values if isinstance(values, list) else [values])))
    if not isinstance(annotations, list):
        choice = _minimal_choice(task)
        choice = choice.get("choices") if isinstance(choice, dict) and "choices" in choice else choice
        values = choice if isinstance(choice, list) else [choice]
        chosen.update(filter(None, (_minimal(value) for value in values)))
    return chosen


def _minimal_choice(task: Mapping[str, Any]) -> Any:
    """Return what was chosen in a task of JSON-MIN: `choice` or `label`, else its only field that is no image."""
    named = next((task[key] for key in ("choice", "label") if key in task), None)
    others = [value for key, value in task.items() if key not in _MINIMAL_FIELDS and not _file_of(value)]
    return others[0] if named is None and len(others) == 1 else named


def _minimal(value: Any) -> str:
    """Return a class of JSON-MIN: text, or a region with its labels."""
    if isinstance(value, dict):
        labels = next((values for key, values in value.items() if key.endswith("labels")), None)
        return text_of(labels)
    return text_of(value)
