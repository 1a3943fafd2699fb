"""Batches of one image, which batch normalization refuses where an image is down to one value a channel."""

from __future__ import annotations

from collections.abc import Iterable

from bench.errors import BenchError, StudyError
from bench.isolated import call_isolated
from bench.study.schema import Cell
from bench.study.train import TrainSpec

__all__ = ["refuse_single_images", "smallest_part"]


def smallest_part(images: int, spec: TrainSpec) -> int:
    """The fewest training images that pass through a model at once, of ``images`` in an epoch.

    As `bench.training.inputs.batches` cuts them: one image left over joins the batch before it.
    """
    batch, micro = spec.step_images, spec.micro_batch
    before, last = divmod(images - 1, batch)
    sizes = [last + 1]
    if last == 0 and before:
        before, sizes = before - 1, [batch + 1]
    if before:
        sizes.append(batch)
    if micro is None:
        return min(sizes)
    return min(size if size <= micro else size // -(-size // micro) for size in sizes)


def refuse_single_images(cells: Iterable[Cell], *, images: int, classes: int) -> None:
    """Raise `StudyError` where a model would get one image at a time in training and cannot learn from one.

    images: for training. What torch is needed for is asked in a process of its own, and only where it matters.
    """
    learning = [cell for cell in cells if cell.training and cell.regime != "frozen"]
    if not learning or smallest_part(images, learning[0].train) > 1:
        return
    for cell in {(cell.model, cell.regime): cell for cell in learning}.values():
        try:
            can = call_isolated(
                "bench.training.optim.single_image_worker:learns_from_one", cell.model_dump_json(), classes
            )
        except BenchError:  # the model cannot be built, which its cell reports
            continue
        if not can:
            raise StudyError(
                f"{_setting(images, cell.train)} {cell.model.shown} one training image at a time, and at "
                f"{cell.model.image_size} px its batch normalization gets one value per channel, from which it cannot "
                f"learn. Set {_cure(images, cell.train)}, or take larger images (dataset.image_size)."
            )


def _setting(images: int, spec: TrainSpec) -> str:
    if images == 1:
        return "the training split has one image, which gives"
    if spec.micro_batch is not None and spec.step_images > 1:
        return f"train.batch_size {spec.step_images} with train.micro_batch {spec.micro_batch} gives"
    return f"train.batch_size {spec.step_images} gives"


def _cure(images: int, spec: TrainSpec) -> str:
    if images == 1:
        return "a smaller split.test and split.validation"
    if spec.micro_batch is not None and spec.step_images > 1:
        return "train.micro_batch to 2 or more, and train.batch_size to a multiple of it"
    return "train.batch_size to 2 or more"
