"""Batches are the same wherever the pixels lie, and every image comes once an epoch."""

import numpy as np
import pytest
import torch

import striate
from striate.data import tensors
from striate.data.tensors import Pixels
from striate.system.processes import Processes
from striate.training.engine.batches import training_batches
from striate.training.recipe import Recipe

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def images():
    whole = striate.prepare(striate.read("digits"))
    return whole.subset(np.arange(3, len(whole), 2))


def test_resident_pixels_give_the_same_batches(images, monkeypatch):
    monkeypatch.setattr(tensors, "_BLOCK", 100)
    recipe = Recipe(batch_size=64)
    brought, kept = (list(training_batches(Pixels(images, CPU, where), recipe, 1, 2)) for where in (False, True))
    assert len(brought) == len(kept) == -(-len(images) // 64) - 2
    for one, other in zip(brought, kept, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert one.pixels.dtype == torch.uint8
        assert other.pixels.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.indices, other.indices)


def test_processes_share_each_batch(images):
    recipe, source = Recipe(batch_size=100), Pixels(images, CPU)
    seen = []
    for rank in range(3):
        shares = list(training_batches(source, recipe, 0, 0, Processes(rank, 3)))
        assert all(batch.total in (99, 100) for batch in shares)
        seen += [index for batch in shares for index in batch.indices.tolist()]
    assert sorted(seen) == list(range(len(images)))


@pytest.mark.parametrize(("free", "fits"), [(0, False), (299, False), (301, True)])
def test_a_third_of_a_gpu_is_for_images(monkeypatch, free, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    assert tensors._fit_on(CUDA, 100) == fits
    assert not tensors._fit_on(CPU, 1)
