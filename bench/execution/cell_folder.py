"""A cell's folder: made ready before the cell runs, and how far it came where the cell was ended."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RunError
from bench.execution.process.tree import end_marked
from bench.results.files import read_regular
from bench.results.read import LARGEST_TEXT

__all__ = ["clear_folder", "finished_epochs", "remove_torn", "unwritable"]

_LEFT_BY_A_CELL = (
    *("outcome.json", "history.jsonl", "progress.json"),
    *("probabilities.npy", "predictions.parquet", "validation.npy", "steps.npy", "model.safetensors"),
)


def clear_folder(folder: Path) -> None:
    """Make a cell's folder ready: end what an earlier, killed run may have left running there, remove its files.

    Raises `RunError` when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "job.json").exists():
            end_marked(str(folder))
        for stale in _LEFT_BY_A_CELL:
            (folder / stale).unlink(missing_ok=True)
        remove_torn(folder)
    except OSError as error:
        raise RunError(
            f"cannot write {folder}: {error.strerror or error}. What was stored before is intact; "
            f"give a folder that can be written (--out), then run the same command again."
        ) from error


def finished_epochs(folder: Path) -> int:
    """Epochs that a cell has finished, by the lines of its history."""
    try:
        return read_regular(folder / "history.jsonl", LARGEST_TEXT).count(b"\n")
    except OSError:  # none yet
        return 0


def remove_torn(folder: Path) -> None:
    """Remove what a process that was killed was about to write: a checkpoint can fill a disk. Raises OSError."""
    for torn in folder.glob(".*.*"):  # as `atomic_path` names them
        torn.unlink(missing_ok=True)


def unwritable(title: str, folder: Path, reason: str) -> RunError:
    """The error of a cell that could not write its files; it stays due."""
    return RunError(
        f"{title} could not write its files ({reason or 'nor the reason'}) in {folder}. "
        f"What was stored before is intact; make room, then run the same command again."
    )
