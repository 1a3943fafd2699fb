from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.errors import StudyError
from bench.training.inputs import augment as module
from bench.training.inputs.augment import augment


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch(count: int = 16, height: int = 32, width: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=_generator(9))


@pytest.mark.parametrize("kind", ["none", "light", "full"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_seed_decides(kind: Any, dtype: torch.dtype) -> None:
    batch = _batch() if dtype == torch.uint8 else _batch().float() / 255
    before = batch.clone()
    one, two, other = (augment(batch, kind, _generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert torch.equal(one, other) == (kind == "none")
    assert torch.equal(batch, before)
    assert one.shape == batch.shape
    assert one.dtype == dtype
    assert one.max() <= (255 if dtype == torch.uint8 else 1)
    assert one.min() >= 0


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_fast_way_on_a_cpu_is_the_same_as_the_gather(size: tuple[int, int], channels_last: bool) -> None:
    batch = _batch(64, *size)
    if channels_last:
        batch = batch.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    turn = torch.arange(64) % (8 if size[0] == size[1] else 4)
    down, right = torch.randint(-3, 4, (64,)), torch.randint(-3, 4, (64,))
    slow = module._move(batch, turn, down, right)
    fast = module._move_on_cpu(batch, turn.tolist(), down.tolist(), right.tolist())
    assert torch.equal(slow, fast)


def test_light_moves_pixels_and_changes_none() -> None:
    seen = set()
    for seed in range(40):
        out = augment(
            torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(1, 3, 8, 8), "light", _generator(seed)
        )
        assert torch.equal(out[0, 0], out[0, 1])
        inner = out[0, 0, 2:6, 2:6].int()
        steps = {abs(int(inner[0, 0] - inner[0, 1])), abs(int(inner[0, 0] - inner[1, 0]))}
        assert steps == {1, 8}
        seen.add(tuple(out.flatten().tolist()))
    assert len(seen) > 25


def test_full_changes_the_light_within_bounds() -> None:
    flat = torch.full((200, 3, 8, 8), 128, dtype=torch.uint8)
    out = augment(flat, "full", _generator()).float()
    assert torch.equal(out.amin(dim=(2, 3)), out.amax(dim=(2, 3)))
    means = out.mean(dim=(1, 2, 3))
    assert 128 * 0.9 - 39 <= means.min() < 110
    assert 145 < means.max() <= 128 * 1.1 + 39
    assert (out[:, 0] != out[:, 2]).any()


def test_eight_bits_and_floats_agree() -> None:
    batch = _batch(8)
    whole = augment(batch, "full", _generator(3)).float()
    real = augment(batch.float() / 255, "full", _generator(3)) * 255
    assert (whole - real).abs().max() < 0.51


def test_half_precision_is_taken() -> None:
    batch = (_batch(4).float() / 255).bfloat16()
    assert augment(batch, "full", _generator()).dtype == torch.bfloat16


def test_wrong_use_is_reported() -> None:
    with pytest.raises(StudyError, match="Did you mean 'light'"):
        augment(_batch(), "ligth", _generator())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="B x 3 x H x W"):
        augment(_batch()[0], "light", _generator())
    assert augment(_batch(0), "full", _generator()).shape[0] == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("kind", ["light", "full"])
def test_a_gpu_draws_the_same(kind: Any) -> None:
    batch = _batch()
    here = augment(batch, kind, _generator(5))
    there = augment(batch.cuda(), kind, _generator(5))
    assert there.is_cuda
    assert (here.int() - there.cpu().int()).abs().max() <= 1
