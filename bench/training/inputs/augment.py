"""Augment whole batches of tensors, on whatever device they are.

Runs in the child process only: this module imports torch, and nothing that the parent imports imports it.
Every image of a batch gets its own draw. The draws come from a generator on the CPU, so that the same seed gives
the same flips and shifts on every device.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from bench.errors import StudyError, nearest

__all__ = ["KINDS", "AugmentKind", "augment"]

AugmentKind = Literal["none", "light", "full"]
"""``none``; ``light``: flips, quarter turns and small shifts; ``full``: also brightness, contrast and color."""

KINDS: tuple[str, ...] = get_args(AugmentKind)

_SHIFT = 1 / 16  # of the image's width and height
_BRIGHTNESS, _CONTRAST, _COLOR = 0.15, 0.2, 0.1


def augment(batch: Tensor, kind: AugmentKind, generator: torch.Generator) -> Tensor:
    """Return an augmented copy of ``batch``; with ``none`` the batch itself.

    Args:
        batch: B x 3 x H x W; uint8 in 0..255, or floating point in 0..1 (not yet normalized).
        kind: how much.
        generator: decides everything that is random; a generator on the CPU.

    Returns:
        A tensor of the same shape, type and device. Pixels that a shift brings in repeat the edge.

    Raises:
        StudyError: ``kind`` is unknown.
        ValueError: the batch does not have that shape.
    """
    if kind not in KINDS:
        raise StudyError(f"unknown augmentation {kind!r}.{nearest(kind, KINDS)} Choose from {', '.join(KINDS)}")
    if batch.ndim != 4 or batch.shape[1] != 3:
        raise ValueError(f"a batch is B x 3 x H x W, not {tuple(batch.shape)}")
    if kind == "none" or batch.shape[0] == 0:
        return batch
    moved = _turn_and_shift(batch, generator)
    return moved if kind == "light" else _jitter(moved, generator)


def _turn_and_shift(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Flips, quarter turns (square images only) and a shift, random for each image."""
    count, _, height, width = batch.shape
    turn = torch.randint(0, 8 if height == width else 4, (count,), generator=generator)
    reach_y, reach_x = max(1, round(height * _SHIFT)), max(1, round(width * _SHIFT))
    down = torch.randint(-reach_y, reach_y + 1, (count,), generator=generator)
    right = torch.randint(-reach_x, reach_x + 1, (count,), generator=generator)
    if batch.device.type == "cpu" and batch.dtype in (torch.uint8, torch.float32):
        return _move_on_cpu(batch, turn.tolist(), down.tolist(), right.tolist())
    return _move(batch, turn, down, right)


def _move(batch: Tensor, turn: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Move all images at once, with one gather for those that are transposed and one for the others."""
    height, width = batch.shape[2:]
    rows = (torch.arange(height) + down[:, None]).clamp_(0, height - 1)
    columns = (torch.arange(width) + right[:, None]).clamp_(0, width - 1)
    rows = torch.where((turn % 2 == 1)[:, None], height - 1 - rows, rows)
    columns = torch.where((turn // 2 % 2 == 1)[:, None], width - 1 - columns, columns)
    out = torch.empty_like(batch)
    for swapped in (False, True):
        chosen = torch.nonzero((turn >= 4) == swapped).flatten()
        if len(chosen):
            part = _gather(batch, chosen, rows[chosen], columns[chosen])
            out[chosen.to(batch.device)] = part.transpose(2, 3) if swapped else part
    return out


def _gather(batch: Tensor, chosen: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Take ``rows`` and ``columns`` (one list an image) of the chosen images: K x 3 x H x W."""
    device = batch.device
    return batch[
        chosen.to(device)[:, None, None, None],
        torch.arange(3, device=device)[None, :, None, None],
        rows.to(device)[:, None, :, None],
        columns.to(device)[:, None, None, :],
    ]


def _move_on_cpu(batch: Tensor, turn: list[int], down: list[int], right: list[int]) -> Tensor:
    """The same as :func:`_move`, copying strided views: thirty times as fast on a CPU as a gather."""
    moved = torch.empty_like(batch)
    source, target = batch.numpy(), moved.numpy()
    height, width = batch.shape[2:]
    for image, (kind, y, x) in enumerate(zip(turn, down, right, strict=True)):
        seen, out = source[image], target[image]
        if kind & 1:
            seen = seen[:, ::-1]
        if kind & 2:
            seen = seen[:, :, ::-1]
        if kind & 4:
            out = out.transpose(0, 2, 1)
        top, bottom = max(0, -y), height - max(0, y)
        left, end = max(0, -x), width - max(0, x)
        out[:, top:bottom, left:end] = seen[:, top + y : bottom + y, left + x : end + x]
        out[:, :top, left:end] = out[:, top : top + 1, left:end]
        out[:, bottom:, left:end] = out[:, bottom - 1 : bottom, left:end]
        out[:, :, :left] = out[:, :, left : left + 1]
        out[:, :, end:] = out[:, :, end - 1 : end]
    return moved


def _jitter(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Scale the contrast around the image's mean, shift the brightness, and scale each color."""
    count = batch.shape[0]
    draws = (torch.rand((count, 5), generator=generator) * 2 - 1).to(batch.device)
    top = 1.0 if batch.is_floating_point() else 255.0
    mean = batch.mean(dim=(1, 2, 3), dtype=torch.float32)[:, None]
    contrast = 1 + _CONTRAST * draws[:, :1]
    scale = (1 + _COLOR * draws[:, 2:5]) * contrast
    shift = (mean * (1 - contrast) + _BRIGHTNESS * top * draws[:, 1:2]).expand(count, 3)
    if batch.is_floating_point():
        out = batch * scale[:, :, None, None].to(batch.dtype) + shift[:, :, None, None].to(batch.dtype)
        return out.clamp_(0, top)
    # Of 8-bit pixels there are 256: a table for each image and color is all the arithmetic there is.
    levels = torch.arange(256, device=batch.device, dtype=torch.float32)
    table = (levels * scale[:, :, None] + shift[:, :, None]).clamp_(0, top).round_().to(batch.dtype)
    if batch.device.type == "cpu":
        return _look_up_on_cpu(table, batch)
    return table.flatten(0, 1).gather(1, batch.flatten(0, 1).flatten(1).long()).view(batch.shape)


def _look_up_on_cpu(table: Tensor, batch: Tensor) -> Tensor:
    out = torch.empty_like(batch)
    source, target, tables = batch.numpy(), out.numpy(), table.numpy()
    for image in range(batch.shape[0]):
        for color in range(3):
            plane = source[image, color]
            # bytes.translate is the fastest table lookup of 8 bits there is in Python.
            mapped = plane.tobytes().translate(tables[image, color].tobytes())
            target[image, color] = np.frombuffer(mapped, np.uint8).reshape(plane.shape)
    return out
