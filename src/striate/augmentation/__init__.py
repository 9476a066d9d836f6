"""Augmentations: pure functions of (batch, generator) on whole batches, named as words in a recipe.

Each takes uint8 (n, c, h, w) and returns the same shape, channels-last in memory; mixup and cutmix also take and
return the targets. All draws come from the generator, so that a step can be repeated to the bit. What an image shows
stays what it is, unless the user asks for more than his classes bear: a mirrored 2 is no digit.
"""

from striate.augmentation.arguments import describe_arguments, describe_ranges
from striate.augmentation.pipeline import AUGMENTATIONS, Augmentation, make_augmentation, with_asked

__all__ = ["AUGMENTATIONS", "Augmentation", "describe_arguments", "describe_ranges", "make_augmentation", "with_asked"]
