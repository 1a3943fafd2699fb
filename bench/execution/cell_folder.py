"""A cell's folder: made ready before the cell runs, and how far it came where the cell was ended."""

from __future__ import annotations

from pathlib import Path

from bench.errors import RunError
from bench.execution.process.tree import end_marked
from bench.results.files import read_regular
from bench.results.read import LARGEST_TEXT

__all__ = ["clear_folder", "finished_epochs"]

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
        for torn in folder.glob(".*.*"):  # what `write_atomic` had not renamed yet
            torn.unlink(missing_ok=True)
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
