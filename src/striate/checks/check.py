"""`check`: what is wrong with labelled images, before anything is trained on them. The way of it:

read, prepare      data/, pool.py          as a training does; what cannot be read is in the ledger
look               look.py, pictures.py    each image once, judged against the others of the set
copies             copies.py               within splits, across them, under different labels
labels             evidence.py, suspects.py, odd_ones.py, unlabelled.py    the slow part
classes, shifts    classes.py, shift.py, files_told.py
rank, tell         finding.py, page.py, findings_csv.py
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.checks.checkup import Checkup
from striate.checks.classes import find_small_classes, find_untrainable
from striate.checks.copies import Copies, find_copies_in
from striate.checks.doubtful import Wanted, describe_odd_ones, describe_suspects, describe_wanted
from striate.checks.duplicates import describe_copies
from striate.checks.examined import Examined
from striate.checks.files_told import find_enlarged, find_mixed_files, find_shortcuts, tell_files
from striate.checks.finding import Finding, ranked
from striate.checks.ledgers import find_unreadable
from striate.checks.look import look_at_images
from striate.checks.pictures import find_odd_pictures
from striate.checks.pool import prepare_pool, read_pool
from striate.checks.shift import find_shifts
from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions, find_groups, grouped
from striate.data.decoding.decode import WAYS, decode
from striate.data.decoding.paging import file_and_page
from striate.data.grouping.choice import parse_groups
from striate.data.grouping.groups import Groups, groups_of_copies
from striate.data.imageset import ImageSet
from striate.data.ledger import Entry
from striate.data.preparing.prepare import prepare
from striate.data.reading import read
from striate.data.splitting import unit_keys
from striate.errors import DataError, DecodingError
from striate.observer import Observer

if TYPE_CHECKING:
    from striate.classifier.classifier import Classifier


@dataclass(frozen=True, eq=False)
class CheckOptions:
    """What is looked for beside what costs little.

    Arguments:
        labels: whether labels are doubted, which takes features of every image: minutes for tens of thousands.
        model: whose features are used for it; None takes the best backbone at hand.
        unlabelled: images without labels, of which those are named whose labels would teach most.
        seed: of the folds in which labels are doubted.
    """

    labels: bool = True
    model: Classifier | None = None
    unlabelled: Any = None
    seed: int = 0


def check(
    source: Any,
    options: CheckOptions | None = None,
    data: DataOptions | None = None,
    observer: Observer | None = None,
) -> Checkup:
    """Return what is wrong with a source of images. Nothing of the source is changed.

    Arguments:
        source: a catalog, or anything that `striate.read` takes.
        options: what is looked for.
        data: how the source is read, brought to one size and grouped.
        observer: hears how far it is.

    Raises:
        DataError, SourceNotFoundError: the source cannot be read at all, or holds no images.

    >>> import striate
    >>> checkup = striate.check("xo", CheckOptions(labels=False))
    >>> checkup.serious
    False
    """
    options, data, observer = options or CheckOptions(), data or DataOptions(), observer or Observer()
    catalog = source if isinstance(source, Catalog) else read(source, **data.reading, progress=observer.prepare)
    if not len(catalog):
        raise DataError(f"nothing to check: {catalog.source} holds no images ({catalog.ledger.summary()})")
    pool = read_pool(options.unlabelled, observer.prepare)  # first: a wrong name should cost nobody the time of looking
    try:
        images = prepare(catalog, data.size, data.fit, progress=observer.prepare)
    except DataError:
        return _nothing_readable(catalog)
    if options.model is not None:
        from striate.checks.evidence import check_bands

        check_bands(images, options.model)
    unlabelled, of_pool = prepare_pool(pool, images, observer.prepare)
    copies = find_copies_in(images, catalog, observer.prepare)
    groups = _belonging(images, catalog, data.groups, copies, observer)
    images = grouped(images, groups)
    examined = Examined(catalog, images, look_at_images(catalog, images, observer.prepare))
    findings = [*find_unreadable(images.ledger), *_cheap(examined), *describe_copies(examined, copies)]
    alike = _alike(images, groups, copies)
    more, wanted, unlabelled, notes = _doubts(replace(images, groups=alike), options, unlabelled, observer)
    return Checkup(
        catalog.source, ranked([*findings, *more]), catalog, images, tell_files(examined.appearance), images.ledger,
        wanted, unlabelled, (*catalog.notes, *images.notes, *groups.notes, *notes, *of_pool),
    )  # fmt: skip


def _nothing_readable(catalog: Catalog) -> Checkup:
    """Return what is left to say where no image can be decoded: why, of each."""

    def why(i: int) -> str:
        try:
            file, page = (
                file_and_page(catalog.images[i]) if isinstance(catalog.images[i], WAYS) else (catalog.images[i], 0)
            )
            decode(file, page=page)
        except DecodingError as error:
            return str(error)
        return "cannot be brought to one size with the others"

    entries = [Entry(str(name), "skipped", why(i)) for i, name in enumerate(catalog.names)]
    ledger = catalog.ledger.revised(entries)
    findings = [*find_unreadable(ledger), *find_untrainable(catalog)]
    return Checkup(catalog.source, ranked(findings), catalog, None, {}, ledger, notes=catalog.notes)


def _cheap(examined: Examined) -> list[Finding]:
    """Return what figures of single images, classes and files tell."""
    return [
        *find_untrainable(examined.catalog),
        *find_odd_pictures(examined),
        *find_small_classes(examined),
        *find_shifts(examined),
        *find_shortcuts(examined),
        *find_enlarged(examined),
        *find_mixed_files(examined),
    ]


def _belonging(images: ImageSet, catalog: Catalog, by: str | None, copies: Copies, observer: Observer) -> Groups:
    """Return which images belong together, as splits have it: the copies are found already."""
    if parse_groups(by, catalog.columns).kind != "auto":
        return find_groups(images, catalog, by, observer.prepare)
    groups = groups_of_copies(images, copies.upright_ids, copies.sketches)
    if not catalog.together:
        return groups
    known = dict(zip(catalog.names, catalog.together, strict=True))
    return groups.with_known([known[name] for name in images.names])


def _alike(images: ImageSet, groups: Groups, copies: Copies) -> np.ndarray:
    """Return int (n,), equal for images of which none may teach what is asked of another.

    A label would vouch for itself. Beside the groups of splits these are copies however they lie, and what resembles
    others, whatever the user said of groups.
    """
    found = groups_of_copies(images, copies.alike_ids, copies.sketches)
    return np.unique(unit_keys(groups.ids.astype(np.uint64), found.ids), return_inverse=True)[1]


def _doubts(
    images: ImageSet, options: CheckOptions, pool: ImageSet | None, observer: Observer
) -> tuple[list[Finding], tuple[Wanted, ...], ImageSet | None, tuple[str, ...]]:
    """Return the findings on labels and odd ones, the pictures of the pool to label, the pool, and notes.

    Arguments:
        images: with groups of which no image is judged by another.
    """
    if not (options.labels or options.unlabelled is not None):
        return [], (), None, ()
    if len(np.unique(images.labels[images.labels >= 0])) < 2:
        what = "labels were not doubted" if options.unlabelled is None else "nothing was chosen to be labelled"
        return [], (), None, (f"{what}: that takes images of two classes",)
    from striate.checks.evidence import gather_evidence
    from striate.checks.odd_ones import find_odd_ones
    from striate.checks.suspects import find_suspects
    from striate.checks.unlabelled import choose_to_label

    evidence = gather_evidence(images, options.model, observer, options.seed)
    findings, notes = [], (f"labels were judged by {evidence.how}", *evidence.notes)
    if options.labels:
        suspects = find_suspects(evidence, options.seed, observer.prepare)
        odd = find_odd_ones(evidence)
        findings = [*describe_suspects(images, suspects), *describe_odd_ones(images, odd)]
        notes += (*suspects.notes, *odd.notes)
    if pool is None:
        return findings, (), None, notes
    chosen = choose_to_label(evidence, pool, progress=observer.prepare)
    wanted = describe_wanted(pool, chosen, evidence.images.classes)
    return findings, wanted, pool, (*notes, chosen.sentence)
