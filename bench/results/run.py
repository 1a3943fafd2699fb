"""What a run holds: the results of its cells, predictions, raw samples; read from its folder.

Everything here reads plain files, needs no torch, and is all that `reports` needs to know of a run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import RunError
from bench.results.dataset import DatasetManifest
from bench.results.environment import Environment
from bench.results.files import read_json_lines
from bench.results.history import EpochRecord
from bench.results.migrate import upgrade_environment
from bench.results.plan import FOUND_BATCH, FoundBatchSize, Plan, PlannedCell
from bench.results.predictions import Predictions, read_predictions
from bench.results.read import parse_json, parse_mapping, parse_yaml, read_text
from bench.results.schema import CellResult
from bench.results.thumbnails import read_thumbnails
from bench.study.schema import Study

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Run", "load_results"]

_LARGEST_STUDY = 2**22
"""Reading YAML takes seconds a megabyte."""

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
        return parse_yaml(self._read("study.yaml", _AGAIN, _LARGEST_STUDY), path, Study, advice=_AGAIN)

    @property
    def environment(self) -> Environment:
        """Machine, versions, git revision; the command that made the run."""
        text = self._read("environment.json", _AGAIN)
        return parse_json(text, self.path / "environment.json", Environment, upgrade_environment, advice=_AGAIN)

    @property
    def dataset(self) -> DatasetManifest:
        """The images in use, their labels and splits, what the audit found, and where they come from."""
        return DatasetManifest.from_json(self._read("dataset.json", _AGAIN), self.path / "dataset.json")

    @property
    def batch_size(self) -> FoundBatchSize | None:
        """What ``batch_size: auto`` has found; None where the study gives a number."""
        path = self.path / FOUND_BATCH
        if not path.is_file():
            return None
        return parse_json(read_text(path, advice=_BATCH_AGAIN), path, FoundBatchSize, None, advice=_BATCH_AGAIN)

    def result(self, cell_id: str) -> CellResult | None:
        """The stored result of a cell; None where there is none yet."""
        path = self.cell_folder(cell_id) / "result.json"
        if not path.is_file():
            return None
        return CellResult.from_json(read_text(path, advice=_CELL_AGAIN), str(path))

    def results(self) -> list[CellResult]:
        """All stored results, in the order of the plan; those outside the plan come last."""
        folder = self.path / "cells"
        found = {p.parent.name: p for p in folder.glob("*/result.json")} if folder.is_dir() else {}
        plan = [cell.id for cell in self.plan() if cell.id in found]
        ordered = plan + sorted(set(found) - set(plan))
        results = [CellResult.from_json(read_text(found[i], advice=_CELL_AGAIN), str(found[i])) for i in ordered]
        for folder_name, result in zip(ordered, results, strict=True):
            if result.id != folder_name:
                raise RunError(f"{found[folder_name]} is damaged (id: it is of cell {result.id[:40]!r}). {_CELL_AGAIN}")
        return results

    def plan(self) -> tuple[PlannedCell, ...]:
        """The cells that the study asks for; empty where no plan is stored."""
        path = self.path / "plan.json"
        if not path.is_file():
            return ()
        return parse_json(read_text(path, advice=_PLAN_AGAIN), path, Plan, None, advice=_PLAN_AGAIN).cells

    def missing(self) -> list[PlannedCell]:
        """Planned cells without a result."""
        return [cell for cell in self.plan() if not (self.cell_folder(cell.id) / "result.json").is_file()]

    def history(self, cell_id: str) -> list[EpochRecord]:
        """The finished epochs of a cell; a last line that was cut short by a kill is left out."""
        path = self.cell_folder(cell_id) / "history.jsonl"
        if not path.is_file():
            return []
        lines = enumerate(read_json_lines(path), start=1)
        return [
            parse_mapping(line, f"{path}, line {number}", EpochRecord, None, advice=_CELL_AGAIN)
            for number, line in lines
        ]

    def predictions(self, cell_id: str) -> Predictions | None:
        """The predictions of a cell on the test images; None where none are stored."""
        return read_predictions(self.cell_folder(cell_id) / "predictions.parquet")

    def steps(self, cell_id: str) -> np.ndarray | None:
        """Raw samples of a cell's timed training steps, (n, 5) float32; None where none are stored.

        Columns: epoch, then the seconds of data, forward, backward and optimizer; not a number where a part did not
        happen in a step.
        """
        path = self.cell_folder(cell_id) / "steps.npy"
        if not path.is_file():
            return None
        import numpy as np

        try:
            found: np.ndarray = np.load(path, allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise RunError(
                f"{path} is damaged ({error}). Delete that cell's folder and run the study again."
            ) from error
        return found

    def thumbnails(self) -> dict[str, bytes]:
        """Small JPEG images of the test set by name; empty where none are stored."""
        return read_thumbnails(self.path / "thumbnails.parquet")

    def _read(self, name: str, advice: str, largest: int | None = None) -> str:
        """The text of a file that every run has."""
        path = self.path / name
        if not os.path.exists(path):  # noqa: PTH110 - False, where Path.exists raises, for a name that is too long
            raise RunError(
                f"{self.path} is not a run folder: it holds no {name}. Give the folder that 'patchbench run' printed."
            )
        return read_text(path, advice=advice) if largest is None else read_text(path, advice=advice, largest=largest)


def load_results(path: str | Path) -> Run:
    """Open a run folder for reading; `RunError` when it is not one."""
    run = Run(Path(path))
    _ = run.study
    return run
