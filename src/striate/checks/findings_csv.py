"""findings.csv: one line an image and finding, to be looked through in a spreadsheet and given to a training.

    image,kind,severity,leave_out,detail,label,likely,group,split

`striate train SOURCE --without findings.csv` leaves out of training what says leave_out yes; whoever thinks otherwise
of a line changes it to no, or deletes it. What begins as a formula does has an apostrophe before it, which is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from striate.checks.finding import Finding
from striate.data.catalog import Catalog
from striate.system.cells import table_text
from striate.system.files import write_atomically

COLUMNS = ("image", "kind", "severity", "leave_out", "detail", "label", "likely", "group", "split")


def write_findings(findings: Sequence[Finding], catalog: Catalog, path: Path) -> None:
    """Write the images of all findings, in their order, as CSV (UTF-8).

    Raises:
        StorageError: the disk is full or the folder not writable.
    """
    place = {name: i for i, name in enumerate(catalog.names)}
    labels = np.asarray(catalog.labels)

    def of_image(name: str) -> tuple[str, str]:
        i = place.get(name)
        if i is None:
            return "", ""
        return catalog.classes[int(labels[i])] if labels[i] >= 0 else "", str(catalog.splits[i])

    rows: list[Sequence[object]] = [COLUMNS]
    for finding in findings:
        for mark in finding.marks:
            label, split = of_image(mark.image)
            leave_out = "yes" if mark.leave_out else "no"
            rows.append(
                [mark.image, finding.kind, finding.severity, leave_out, mark.detail, label, mark.likely,
                 mark.group or "", split]
            )  # fmt: skip
    write_atomically(path, table_text(rows).encode("utf-8", "surrogateescape"))
