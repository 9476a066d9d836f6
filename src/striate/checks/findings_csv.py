"""findings.csv: one line an image and finding, to be looked through in a spreadsheet and given to a training.

    image,kind,severity,leave_out,detail,label,likely,group,split,pixels

`striate train SOURCE --without findings.csv` leaves out of training what says leave_out yes. All lines of an image say
the same: yes; no, where it judges and stays whatever is said; nothing, where it stays unless somebody writes yes. One
no keeps an image. By label, split and pixels (a digest) a training knows whether the table is of its images. What
begins as a formula does has an apostrophe before it, which is not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from striate.checks.checkup import Checkup
from striate.data.without import fingerprints
from striate.system.cells import table_text
from striate.system.files import write_atomically

COLUMNS = ("image", "kind", "severity", "leave_out", "detail", "label", "likely", "group", "split", "pixels")


def write_findings(checkup: Checkup, path: Path) -> None:
    """Write the images of all findings, in their order, as CSV (UTF-8).

    Raises:
        StorageError: the disk is full or the folder not writable.
    """
    known = fingerprints(checkup.catalog, checkup.images)
    left_out, judging = checkup.left_out, checkup.judging
    rows: list[Sequence[object]] = [COLUMNS]
    for finding in checkup.findings:
        for mark in finding.marks:
            leave_out = "yes" if mark.image in left_out else "no" if mark.image in judging else ""
            of = known.get(mark.image, {})
            rows.append(
                [mark.image, finding.kind, finding.severity, leave_out, mark.detail, of.get("label"), mark.likely,
                 mark.group or "", of.get("split"), of.get("pixels")]
            )  # fmt: skip
    write_atomically(path, table_text(rows).encode("utf-8", "surrogateescape"))
