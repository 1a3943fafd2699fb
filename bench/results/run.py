"""What a run holds: the results of its cells, predictions, raw samples; read from its folder.

Everything here reads and writes plain files, needs no torch, and is all that `reports` needs to know of a run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from bench.errors import RunError
from bench.results.files import read_json_lines, write_atomic
from bench.results.schema import (
    SCHEMA_VERSION,
    BatchTiming,
    CellResult,
    Energy,
    Failure,
    InferenceProfile,
    Memory,
    ModelFacts,
    Round,
    Status,
    Timings,
)

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "SCHEMA_VERSION",
    "BatchTiming",
    "CellResult",
    "Energy",
    "Failure",
    "InferenceProfile",
    "Memory",
    "ModelFacts",
    "Predictions",
    "Round",
    "Run",
    "Status",
    "Timings",
    "load_results",
    "write_atomic",
]


class Predictions:
    """The stored predictions of one cell on every test image.

    images: names, n; labels: true class indices, (n,) int64; probabilities: (n, classes) float32, rows sum to 1.
    """

    def __init__(self, images: list[str], labels: np.ndarray, probabilities: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.probabilities = probabilities

    @property
    def predicted(self) -> np.ndarray:
        """The class of highest probability, (n,) int64."""
        import numpy as np

        return np.asarray(self.probabilities.argmax(axis=1))


class Run:
    """A run folder. Opening it reads nothing but the folder's name; each property reads its file when asked."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's files lie."""
        return self.path / "cells" / cell_id

    @property
    def study(self) -> dict[str, Any]:
        """The study as resolved."""
        text = self._read("study.yaml")
        try:
            loaded = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 40th of a month
            raise RunError(f"{self.path / 'study.yaml'} is damaged: {error}") from error
        return loaded if isinstance(loaded, dict) else {}

    @property
    def environment(self) -> dict[str, Any]:
        """Machine, versions, git revision, threads; the command that made the run."""
        return self._read_json("environment.json")

    @property
    def dataset(self) -> dict[str, Any]:
        """Fingerprint, classes, names, labels, splits, audit, card, warnings."""
        return self._read_json("dataset.json")

    def result(self, cell_id: str) -> CellResult | None:
        """The stored result of a cell; None where there is none yet."""
        path = self.cell_folder(cell_id) / "result.json"
        if not path.is_file():
            return None
        return _read_result(path)

    def results(self) -> list[CellResult]:
        """All stored results, in the order of the plan; those outside the plan come last."""
        folder = self.path / "cells"
        found = {p.parent.name: p for p in folder.glob("*/result.json")} if folder.is_dir() else {}
        plan = [cell["id"] for cell in self.plan() if cell["id"] in found]
        ordered = plan + sorted(set(found) - set(plan))
        results = [_read_result(found[i]) for i in ordered]
        for folder_name, result in zip(ordered, results, strict=True):
            if result.id != folder_name:
                raise RunError(
                    f"{found[folder_name]} is damaged: it says that it is of cell {result.id[:40]!r}. "
                    f"Delete that folder and run the study again."
                )
        return results

    def plan(self) -> list[dict[str, Any]]:
        """The cells that the study asks for: id, label, regime, device, precision, seed."""
        if not (self.path / "plan.json").is_file():
            return []
        cells = self._read_json("plan.json").get("cells", [])
        if not isinstance(cells, list) or not all(isinstance(c, dict) and isinstance(c.get("id"), str) for c in cells):
            raise RunError(
                f"{self.path / 'plan.json'} is damaged: its cells are no list of mappings, each with an id that is a "
                f"text. Run the study again into that folder: it writes the plan anew and keeps the results."
            )
        return cells

    def missing(self) -> list[dict[str, Any]]:
        """Planned cells without a result."""
        return [cell for cell in self.plan() if not (self.cell_folder(cell["id"]) / "result.json").is_file()]

    def history(self, cell_id: str) -> list[dict[str, Any]]:
        """The finished epochs of a cell; a last line that was cut short by a kill is left out."""
        path = self.cell_folder(cell_id) / "history.jsonl"
        return list(read_json_lines(path)) if path.is_file() else []

    def predictions(self, cell_id: str) -> Predictions | None:
        """The predictions of a cell on the test images; None where none are stored."""
        path = self.cell_folder(cell_id) / "predictions.parquet"
        if not path.is_file():
            return None
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
            labels = table["label_index"].to_numpy().astype(np.int64)
            columns = [name for name in table.column_names if name.startswith("p_")]
            probabilities = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float32)
            return Predictions(table["image"].to_pylist(), labels, probabilities)
        except (pa.ArrowException, KeyError, ValueError, OSError) as error:
            raise RunError(
                f"{path} is damaged ({error}). Delete that cell's folder and run the study again."
            ) from error

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
        """Small JPEG pictures of the test images by name; empty where none are stored."""
        path = self.path / "thumbnails.parquet"
        if not path.is_file():
            return {}
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path, columns=["name", "jpeg"])
            names, pictures = table["name"].cast(pa.string()), table["jpeg"].cast(pa.binary())
        except (pa.ArrowException, KeyError, OSError) as error:
            raise RunError(
                f"{path} is damaged ({error}). Delete it: a report does without the pictures, and running the study "
                f"again into that folder makes them anew."
            ) from error
        return dict(zip(names.to_pylist(), pictures.to_pylist(), strict=True))

    def _read(self, name: str) -> str:
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RunError(f"{path} is damaged: byte {error.start} is not UTF-8") from error
        except OSError as error:
            raise RunError(
                f"{self.path} is no run folder: {name} cannot be read ({error.strerror}). "
                f"Give the folder that 'patchbench run' printed."
            ) from error

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            loaded = json.loads(self._read(name))
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self.path / name} is damaged: {error}") from error
        if not isinstance(loaded, dict):
            raise RunError(f"{self.path / name} is damaged: it holds no mapping")
        return loaded


def _read_result(path: Path) -> CellResult:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RunError(
            f"{path} is damaged (byte {error.start} is not UTF-8). Delete that folder and run the study again."
        ) from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}. Make it readable to you.") from error
    return CellResult.from_json(text, str(path))


def load_results(path: str | Path) -> Run:
    """Open a run folder for reading; `RunError` when it is none."""
    run = Run(Path(path))
    _ = run.study
    return run
