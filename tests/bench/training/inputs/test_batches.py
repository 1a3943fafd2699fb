"""Batches: which images, in which order, as which numbers."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DataError
from bench.training.inputs.batches import FeatureBatches, PixelBatches, make_batches, split_microbatches
from bench.training.inputs.pixel_file import PixelFile
from tests.bench.training.fixtures import Images


@given(st.integers(1, 300), st.integers(1, 70), st.booleans())
def test_cutting_loses_nothing_and_keeps_the_order(count: int, size: int, training: bool) -> None:
    order = np.random.default_rng(count).permutation(count)
    batches = make_batches(order, size, training=training)
    assert np.concatenate(batches).tolist() == order.tolist()
    assert all(len(batch) in (size, size + 1) for batch in batches[:-1])


@given(st.integers(2, 300), st.integers(2, 70))
def test_no_training_batch_is_a_single_image(count: int, size: int) -> None:
    assert min(len(batch) for batch in make_batches(np.arange(count), size, training=True)) >= 2


@given(st.integers(1, 300), st.integers(1, 70))
def test_micro_batches_are_few_and_of_equal_length(count: int, micro: int) -> None:
    found = split_microbatches(np.arange(count), micro)
    sizes = [len(one) for one in found]
    assert np.concatenate(found).tolist() == list(range(count))
    assert len(found) == -(-count // micro)
    assert max(sizes) <= micro
    assert max(sizes) - min(sizes) <= 1


def test_rows_read_from_the_file_equal_the_mapped_ones(images: Images) -> None:
    positions = np.array([95, 0, 17, 17])
    read = PixelFile(images.path).rows(positions)
    assert np.array_equal(read, np.load(images.path, mmap_mode="r")[positions])


def test_a_file_that_was_cut_short_is_reported(images: Images, tmp_path: Path) -> None:
    path = tmp_path / "short.npy"
    path.write_bytes(images.path.read_bytes())
    file = PixelFile(path)
    with path.open("r+b") as handle:
        handle.truncate(path.stat().st_size - 10)
    with pytest.raises(DataError, match="cut short"):
        file.rows(np.array([95]))


@pytest.mark.parametrize("channels_last", [False, True])
def test_pixels_are_normalized(images: Images, channels_last: bool) -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    batches = images.batches(10, 40, mean=mean, std=std, channels_last=channels_last)
    inputs, labels = next(batches([np.array([3, 0])]))
    expected = (images.pixels[[13, 10]] / 255 - mean) / std
    assert inputs.shape == (2, 3, 32, 32)
    assert np.allclose(inputs.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)
    assert labels.tolist() == images.labels[[13, 10]].tolist()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_both_memory_formats_hold_the_same_numbers(images: Images, count: int) -> None:
    chunk = [np.arange(count)]
    (first, _), (second, _) = (next(images.batches(0, 8, channels_last=last)(chunk)) for last in (False, True))
    assert torch.equal(first, second)


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_memory_format_is_the_one_asked_for(images: Images, channels_last: bool) -> None:
    inputs, _ = next(images.batches(0, 8, channels_last=channels_last)([np.arange(4)]))
    assert inputs.is_contiguous(memory_format=torch.channels_last) is channels_last


def _chunks() -> Iterator[np.ndarray]:
    return iter(np.array_split(np.random.default_rng(1).permutation(60), 7))


def _all(batches: PixelBatches, epoch: int | None) -> torch.Tensor:
    return torch.cat([inputs for inputs, _ in batches(_chunks(), epoch)])


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_reading_ahead_changes_nothing(images: Images, workers: int) -> None:
    alone = images.batches(0, 60, augmentation="full", seed=5)
    ahead = images.batches(0, 60, augmentation="full", seed=5, workers=workers)
    assert torch.equal(_all(alone, 2), _all(ahead, 2))


def test_reading_ahead_can_be_left_early(images: Images) -> None:
    inputs = images.batches(0, 60, workers=2)(_chunks())
    assert isinstance(inputs, Generator)
    next(inputs)
    inputs.close()


def test_augmentation_depends_on_seed_and_epoch_alone(images: Images) -> None:
    one, same = (images.batches(0, 60, augmentation="light", seed=3) for _ in range(2))
    list(one(_chunks(), 1))  # what was sampled before does not matter
    assert torch.equal(_all(one, 4), _all(same, 4))
    assert not torch.equal(_all(one, 4), _all(one, 5))
    assert not torch.equal(_all(one, 4), _all(images.batches(0, 60, augmentation="light", seed=4), 4))


def test_images_are_augmented_in_training_only(images: Images) -> None:
    plain, augmented = images.batches(0, 60), images.batches(0, 60, augmentation="full")
    assert torch.equal(_all(plain, None), _all(augmented, None))
    assert not torch.equal(_all(plain, None), _all(augmented, 1))


def test_epochs_take_turns_with_the_views() -> None:
    features = torch.arange(12.0).view(2, 3, 2)
    batches = FeatureBatches(features, np.array([0, 1, 2]), torch.device("cpu"))
    seen = [next(batches([np.array([2, 0])], epoch)) for epoch in (1, 2, 3, None)]
    assert [inputs.tolist() for inputs, _ in seen] == [features[v, [2, 0]].tolist() for v in (0, 1, 0, 0)]
    assert seen[0][1].tolist() == [2, 0]
