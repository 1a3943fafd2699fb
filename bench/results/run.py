"""What a run holds: the results of its cells, predictions, raw samples; read from its folder.

Everything here reads plain files, needs no torch, and is all that `reports` needs to know of a run.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError
from bench.results.arrays import read_array
from bench.results.dataset import DatasetManifest
from bench.results.environment import Environment
from bench.results.history import EpochRecord
from bench.results.migrate import upgrade_environment
from bench.results.plan import FOUND_BATCH, FoundBatchSize, Plan, PlannedCell
from bench.results.predictions import Predictions, TestImages, read_predictions
from bench.results.read import LARGEST_RESULT, LARGEST_TEXT, damaged, parse_json, parse_lines, parse_yaml, read_text
from bench.results.schema import CellResult
from bench.results.scores import check_scores
from bench.results.thumbnails import read_thumbnails
from bench.study.schema import Study

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LARGEST_STUDY", "Run", "load_results"]

LARGEST_STUDY = 2**20
"""Bytes of study.yaml; reading YAML takes seconds a megabyte."""
_LARGEST_DATASET = 2**28
"""Bytes of dataset.json: three million images."""
_MOST_STEPS = 2**25
_STEP_COLUMNS = 5

_AGAIN = "Run the study again in a new folder."
_CELL_AGAIN = "Delete that folder and run the study again."
_PLAN_AGAIN = "Run the study again into that folder: it writes the plan anew and keeps the results."
_BATCH_AGAIN = "Give the number in the study.yaml beside it as train.batch_size."


class Run:
    """A run folder. Opening it reads nothing but the folder's name; each property reads its file when asked.

    Whatever cannot be read raises `RunError`, which names the file, the field and what to do.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's files lie."""
        return self.path / "cells" / cell_id

    @property
    def study(self) -> Study:
        """The study as resolved."""
        path = self.path / "study.yaml"
        return parse_yaml(self._read("study.yaml", _AGAIN, LARGEST_STUDY), path, Study, advice=_AGAIN)

    @property
    def environment(self) -> Environment:
        """Machine, versions, git revision; the command that made the run."""
        text = self._read("environment.json", _AGAIN)
        return parse_json(text, self.path / "environment.json", Environment, upgrade_environment, advice=_AGAIN)

    @property
    def dataset(self) -> DatasetManifest:
        """The images in use, their labels and splits, what the audit found, and where they come from."""
        text = self._read("dataset.json", _AGAIN, _LARGEST_DATASET)
        return DatasetManifest.from_json(text, self.path / "dataset.json")

    @cached_property
    def test_images(self) -> TestImages:
        """The images that every cell was tested on."""
        return test_images(self.dataset)

    @property
    def batch_size(self) -> FoundBatchSize | None:
        """What ``batch_size: auto`` has found; None where the study gives a number."""
        path = self.path / FOUND_BATCH
        if not os.path.lexists(path):
            return None
        return parse_json(read_text(path, advice=_BATCH_AGAIN), path, FoundBatchSize, None, advice=_BATCH_AGAIN)

    def result(self, cell_id: str) -> CellResult | None:
        """The stored result of a cell; None where there is none yet."""
        path = self.cell_folder(cell_id) / "result.json"
        return _result(path) if os.path.lexists(path) else None

    def results(self) -> list[CellResult]:
        """All stored results, in the order of the plan; those outside the plan come last.

        Their scores are computed anew from the stored predictions: `RunError` where these say otherwise.
        """
        found = self._found()
        plan = dict.fromkeys(cell.id for cell in self.plan() if cell.id in found)
        ordered = [*plan, *sorted(set(found) - set(plan))]
        results = [_result(found[cell_id]) for cell_id in ordered]
        for cell_id, result in zip(ordered, results, strict=True):
            if result.id != cell_id:
                raise damaged(found[cell_id], f"id: it is of cell {result.id[:40]!r}", _CELL_AGAIN)
            predictions = self.predictions(cell_id) if result.metrics else None
            check_scores(result, predictions, found[cell_id])
        return results

    def _found(self) -> dict[str, Path]:
        """The result files by the name of their folder."""
        folder = self.path / "cells"
        try:
            names = [entry.name for entry in os.scandir(folder)] if os.path.lexists(folder) else []
        except OSError as error:
            raise RunError(f"{folder} cannot be read: {error.strerror or error}. Make it readable to you.") from error
        paths = {name: folder / name / "result.json" for name in sorted(names)}
        return {name: path for name, path in paths.items() if os.path.lexists(path)}

    def plan(self) -> tuple[PlannedCell, ...]:
        """The cells that the study asks for; empty where no plan is stored."""
        path = self.path / "plan.json"
        if not os.path.lexists(path):
            return ()
        return parse_json(read_text(path, advice=_PLAN_AGAIN), path, Plan, None, advice=_PLAN_AGAIN).cells

    def missing(self) -> list[PlannedCell]:
        """Planned cells without a result."""
        return [cell for cell in self.plan() if not (self.cell_folder(cell.id) / "result.json").is_file()]

    def history(self, cell_id: str) -> list[EpochRecord]:
        """The finished epochs of a cell; a last line that was cut short by a kill is left out."""
        path = self.cell_folder(cell_id) / "history.jsonl"
        if not os.path.lexists(path):
            return []
        return parse_lines(read_text(path, advice=_CELL_AGAIN), path, EpochRecord, advice=_CELL_AGAIN)

    def predictions(self, cell_id: str) -> Predictions | None:
        """The predictions of a cell on the test images; None where none are stored."""
        return read_predictions(self.cell_folder(cell_id) / "predictions.parquet", self.test_images)

    def validation(self, cell_id: str, images: int) -> np.ndarray | None:
        """The probabilities of a cell on validation images, (n, classes) float32; None where none are stored.

        They are those of the validation split in its order, but where a head was chosen by cross-validation. images:
        how many there are in the run.
        """
        return _array(self.cell_folder(cell_id) / "validation.npy", len(self.test_images.classes), images)

    def steps(self, cell_id: str) -> np.ndarray | None:
        """Raw samples of a cell's timed training steps, (n, 5) float32; None where none are stored.

        Columns: epoch, then the seconds of data, forward, backward and optimizer; not a number where a part did not
        happen in a step.
        """
        return _array(self.cell_folder(cell_id) / "steps.npy", _STEP_COLUMNS, _MOST_STEPS)

    def thumbnails(self) -> dict[str, bytes]:
        """Small JPEG images of the test set by name; empty where none are stored."""
        return read_thumbnails(self.path / "thumbnails.parquet", len(self.test_images.names))

    def _read(self, name: str, advice: str, largest: int = LARGEST_TEXT) -> str:
        """The text of a file that every run has."""
        path = self.path / name
        if not os.path.lexists(path):  # False, where Path.exists raises, for a name that is too long
            raise RunError(
                f"{self.path} is not a run folder: it holds no {name}. Give the folder that 'patchbench run' printed."
            )
        return read_text(path, advice=advice, largest=largest)


def _result(path: Path) -> CellResult:
    return CellResult.from_json(read_text(path, advice=_CELL_AGAIN, largest=LARGEST_RESULT), str(path))


def _array(path: Path, columns: int, most_rows: int) -> np.ndarray | None:
    if not os.path.lexists(path):
        return None
    try:
        return read_array(path, columns, most_rows)
    except (ValueError, OSError) as error:
        raise damaged(path, str(error), _CELL_AGAIN) from error


def test_images(dataset: DatasetManifest) -> TestImages:
    """The test images of a data set in the order of every cell's predictions."""
    import numpy as np

    rows = dataset.rows("test")
    labels = np.array([dataset.labels[row] for row in rows], dtype=np.int64)
    return TestImages([dataset.names[row] for row in rows], labels, dataset.classes)


def load_results(path: str | Path) -> Run:
    """Open a run folder for reading; `RunError` when it is not one."""
    run = Run(Path(path))
    _ = run.study
    return run
