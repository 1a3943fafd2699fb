"""What a run holds: the results of its cells (their schema is in `bench.results.schema`), predictions, the table of all.

Everything here reads and writes plain files, needs no torch, and is all that `reports` needs to know of a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
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
    import pandas as pd

__all__ = [
    "COLUMNS",
    "SCHEMA_VERSION",
    "BatchTiming",
    "CellResult",
    "Energy",
    "Failure",
    "InferenceProfile",
    "Memory",
    "ModelFacts",
    "Predictions",
    "Reached",
    "Round",
    "Run",
    "Status",
    "Timings",
    "load_results",
    "reach",
    "to_frame",
    "validated",
    "write_atomic",
    "write_predictions",
]

COLUMNS = (
    *("cell", "model", "family", "regime", "device", "precision", "seed", "status"),
    *("accuracy", "balanced_accuracy", "kappa"),
    *("train_seconds", "evaluate_seconds", "total_seconds", "peak_ram_mib", "peak_vram_mib"),
    *("parameters", "flops", "latency_p50_ms", "latency_p99_ms", "throughput_img_s", "energy_j", "cost_usd"),
)
"""The first columns of every export, in this order."""


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


def write_predictions(
    path: Path, images: list[str], labels: np.ndarray, probabilities: np.ndarray, classes: list[str]
) -> None:
    """Store predictions: image, label (name), label_index, and p_<class> for each class, in the classes' order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "image": pa.array(images, pa.string()),
        "label": pa.array([classes[i] for i in labels], pa.string()),
        "label_index": pa.array(labels, pa.int32()),
    }
    for index, name in enumerate(classes):
        columns[f"p_{name}"] = pa.array(probabilities[:, index], pa.float32())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def load_results(path: str | Path) -> Run:
    """Open a run folder for reading; `RunError` when it is none."""
    run = Run(Path(path))
    _ = run.study
    return run


def to_frame(results: list[CellResult]) -> pd.DataFrame:
    """One row a cell, columns `COLUMNS`; what was not measured is missing (None/NaN), never 0."""
    import pandas as pd

    rows = [_row(result) for result in results]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(("seed", "parameters", "flops"), "Int64"))


def _row(result: CellResult) -> dict[str, Any]:
    measured: Mapping[str, float | None] = result.metrics
    row: dict[str, Any] = {
        "cell": result.id,
        "model": result.label,
        "family": result.model.family,
        **{key: result.cell.get(key) for key in ("regime", "device", "precision", "seed")},
        "status": result.status.value,
        **{key: measured.get(key) for key in ("accuracy", "balanced_accuracy", "kappa")},
        **{key: getattr(result.timings, key) for key in ("train_seconds", "evaluate_seconds", "total_seconds")},
        "peak_ram_mib": result.memory.peak_ram_mib,
        "peak_vram_mib": result.memory.peak_vram_mib,
        "parameters": result.model.parameters,
        "flops": result.model.flops,
        **{key: result.inference.get(key) for key in ("latency_p50_ms", "latency_p99_ms", "throughput_img_s")},
        "energy_j": result.energy.joules,
        "cost_usd": result.cost_usd,
    }
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}


@dataclass(frozen=True)
class Reached:
    """What training took until a validation accuracy was first reached."""

    epoch: int
    seconds: float
    """Training and validation up to the end of that epoch, and what came before the first (a features' pass)."""
    cost_usd: float | None
    """Those seconds at the study's price; None without one."""
    joules: float | None
    """The training's measured energy in the share of those seconds, as if its power had been even; None unmeasured."""


def reach(result: CellResult, history: list[dict[str, Any]], accuracy: float) -> Reached | None:
    """Return when the cell's validation accuracy was first at least ``accuracy``; None when it never was.

    history: the cell's epochs, as `Run.history` returns them; one that was not validated takes its time and reaches
    nothing. accuracy: a fraction.
    """
    spent = [sum(float(line.get(f"{part}_seconds") or 0.0) for part in ("train", "validation")) for line in history]
    whole = result.timings.train_seconds
    before = max(0.0, whole - sum(spent)) if whole is not None else 0.0
    for index, line in enumerate(history):
        score = validated(line)
        if score is not None and score >= accuracy:
            seconds = before + sum(spent[: index + 1])
            price, energy = result.price_per_hour, result.energy.by_phase.get("train")
            return Reached(
                epoch=int(line["epoch"]),
                seconds=seconds,
                cost_usd=None if price is None else seconds / 3600 * price,
                joules=None if energy is None or not whole else energy * min(1.0, seconds / whole),
            )
    return None


def validated(line: Mapping[str, Any]) -> float | None:
    """The validation accuracy of an epoch of `Run.history`, a fraction; None where it was not validated."""
    score = (line.get("validation") or {}).get("accuracy")
    return float(score) if isinstance(score, int | float) else None
