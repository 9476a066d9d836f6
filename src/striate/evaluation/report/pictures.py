"""The worst mistakes in a report, each with its picture and, where a training image is its likely cause, that one's."""

from __future__ import annotations

from dataclasses import dataclass

from striate.data.imageset import ImageSet
from striate.evaluation.mistakes import Mistake
from striate.evaluation.report.contents import ReportContents
from striate.pages.thumbnails import Thumbnail, thumbnail


@dataclass(frozen=True)
class PicturedMistake:
    """A mistake, the picture of the image, and of the training image that it is like; None where there is none."""

    mistake: Mistake
    picture: Thumbnail
    like: Thumbnail | None


def picture_mistakes(contents: ReportContents) -> list[PicturedMistake]:
    """Return the mistakes of a report with their pictures, in their order."""
    images, train = contents.judged_images, contents.splits.train
    wanted = {one.like for one in contents.mistakes if one.like}
    places = {name: i for i, name in enumerate(train.names) if name in wanted} if wanted else {}
    return [
        PicturedMistake(one, _shown(images, one.index), _shown(train, places[one.like]) if one.like in places else None)
        for one in contents.mistakes
    ]


def _shown(images: ImageSet, place: int) -> Thumbnail:
    return thumbnail(images.pixels[images.rows[place]])
