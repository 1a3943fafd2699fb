"""What a report is made from: the entries of one run, or of several that hold the same test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bench.errors import RunError
from bench.results.run import Predictions, Run, load_results
from bench.results.schema import CellResult, Status
from reports.text.formatting import visible
from reports.text.i18n import N_

__all__ = ["DETAILED", "NOT_RUN", "Entry", "ReportData", "detailed", "load_report_data"]

Purpose = Literal["report", "comparison"]
_REFUSALS: dict[Purpose, tuple[str, str]] = {
    "report": ("cannot share a report", "can be joined; write a report for each run."),
    "comparison": ("cannot be compared", "can be compared; name two runs of one data set and one split."),
}

NOT_RUN = "not_run"
"""The status of a cell that the study plans and that has no result."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One cell as the report shows it; ``result`` is None where the study plans it and nothing is stored."""

    key: str
    """Unique in the page; safe as an id in HTML."""
    run: Run
    run_name: str
    planned: dict[str, Any]
    result: CellResult | None

    @property
    def cell_id(self) -> str:
        """The id of the cell in its run."""
        return self.result.id if self.result else str(self.planned.get("id", ""))

    @property
    def label(self) -> str:
        """The model's name in every table."""
        planned = str(self.planned.get("label") or self.planned.get("model") or "?")
        return visible(self.result.label if self.result else planned)

    def _spec(self, key: str) -> Any:
        return (self.result.cell if self.result else self.planned).get(key)

    @property
    def regime(self) -> str:
        """How the model met the data: scratch, finetune or frozen."""
        return str(self._spec("regime") or "")

    @property
    def device(self) -> str:
        """The device asked for: cpu, cuda."""
        return str(self._spec("device") or "")

    @property
    def precision(self) -> str:
        """The number format of the arithmetic: fp32, bf16, fp16."""
        return str(self._spec("precision") or "")

    @property
    def seed(self) -> int | None:
        """The seed of the training."""
        seed = self._spec("seed")
        return seed if isinstance(seed, int) else None

    @property
    def family(self) -> str:
        """The model's family as the run stored it; empty where it is unknown."""
        stored = self.result.model.family if self.result else None
        return stored or str(self.planned.get("family") or "")

    @property
    def group(self) -> str:
        """The kind of model by which figures are colored: vit, cnn or other."""
        family = self.family.lower()
        return next((kind for kind in ("vit", "cnn") if family.startswith(kind)), "other")

    @property
    def start(self) -> str:
        """The weights that training started from: ``random``, a file's name or where they came from; empty: unknown."""
        spec = self._spec("model")
        asked = spec.get("weights") if isinstance(spec, dict) else None
        stored = self.result.model.weights if self.result else {}
        found = stored.get("source") or stored.get("weights") or asked
        if self.regime == "scratch" or found == "none":
            return "random"
        return str(found).replace("\\", "/").rsplit("/", 1)[-1] if found else ""

    @property
    def has_random_frozen_backbone(self) -> bool:
        """Whether the backbone was frozen with random weights, so that the scores say nothing about the model."""
        return self.regime == "frozen" and self.start == "random"

    @property
    def status(self) -> str:
        """How the cell ended, or `NOT_RUN`."""
        return self.result.status.value if self.result else NOT_RUN

    @property
    def is_ok(self) -> bool:
        """Whether the cell was measured to its end."""
        return self.result is not None and self.result.status is Status.OK

    @property
    def reason(self) -> str:
        """Why there are no scores, in one sentence; empty for a cell that is ok."""
        if self.result is None:
            return N_("planned, but no result is stored")
        if self.is_ok:
            return ""
        return self.result.error.message if self.result.error else N_("no reason was stored")

    @property
    def configuration(self) -> tuple[str, str, str, str]:
        """What seeds repeat: label, regime, device, precision."""
        return (self.label, self.regime, self.device, self.precision)

    @cached_property
    def predictions(self) -> Predictions | None:
        """The stored predictions on the test images."""
        return self.run.predictions(self.result.id) if self.result else None

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """The finished epochs."""
        return self.run.history(self.result.id) if self.result else []


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the page is made from."""

    runs: tuple[Run, ...]
    run_names: tuple[str, ...]
    studies: tuple[dict[str, Any], ...]
    environments: tuple[dict[str, Any], ...]
    dataset: dict[str, Any]
    entries: tuple[Entry, ...]
    """In the order of the plans."""

    @property
    def study(self) -> dict[str, Any]:
        """The study of the first run."""
        return self.studies[0]

    @property
    def name(self) -> str:
        """The study's name; names of several differing studies are joined."""
        return " + ".join(dict.fromkeys(str(study.get("name") or "study") for study in self.studies))

    @cached_property
    def ok(self) -> list[Entry]:
        """Entries with scores, best accuracy first; of equals the first planned goes first."""
        found = [entry for entry in self.entries if entry.is_ok]
        return sorted(found, key=lambda e: -_score(e))

    @cached_property
    def leading(self) -> list[Entry]:
        """Of `ok` the first seed of each configuration in each run, in the same order."""
        first: dict[tuple[str, ...], Entry] = {}
        for entry in sorted(self.ok, key=lambda e: (e.seed is None, e.seed or 0)):
            first.setdefault((*entry.configuration, entry.run_name), entry)
        chosen = set(map(id, first.values()))
        return [entry for entry in self.ok if id(entry) in chosen]

    @property
    def not_ok(self) -> list[Entry]:
        """Entries without scores, in the order of the plan."""
        return [entry for entry in self.entries if not entry.is_ok]

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes in their order; numbers where the data set's file does not name them."""
        named = self.dataset.get("classes")
        if isinstance(named, list) and named:
            return [str(name) for name in named]
        size = max((len(e.result.confusion) for e in self.ok if e.result), default=0)
        return [str(index) for index in range(size)]

    @cached_property
    def test_images(self) -> int | None:
        """How many images the scores are computed on; None where no cell has scores."""
        for entry in self.ok:
            if entry.result and entry.result.confusion:
                return sum(map(sum, entry.result.confusion))
        return None

    @property
    def is_synthetic(self) -> bool:
        """Whether the images were drawn by a program."""
        return bool(self.dataset.get("synthetic")) or self.dataset.get("source") == "synthetic"

    @cached_property
    def published(self) -> list[dict[str, Any]]:
        """Rows that others reported, each once."""
        rows = [row for study in self.studies for row in study.get("published") or [] if isinstance(row, dict)]
        return [row for index, row in enumerate(rows) if row not in rows[:index]]

    @cached_property
    def thumbnails(self) -> dict[str, bytes]:
        """Small JPEG pictures of test images by name."""
        found: dict[str, bytes] = {}
        for run in self.runs:
            found |= {name: jpeg for name, jpeg in run.thumbnails().items() if name not in found}
        return found

    def title(self, entry: Entry) -> str:
        """The shortest name that tells an entry's configuration from the others: label, and what varies beside it."""
        varied = (getattr(entry, key) for key in ("regime", "device", "precision") if self.same_everywhere(key) is None)
        run = [entry.run_name] if len(self.runs) > 1 else []
        return " · ".join([entry.label, *(value for value in varied if value), *run])

    def same_everywhere(self, attribute: str) -> str | None:
        """The value of an entry's attribute where all entries share it, else None."""
        values = {getattr(entry, attribute) for entry in self.entries}
        return str(values.pop()) if len(values) == 1 else None


def _score(entry: Entry) -> float:
    score = entry.result.metrics.get("accuracy") if entry.result else None
    return -1.0 if score is None else score


def load_report_data(runs: Sequence[Run | str | Path], purpose: Purpose = "report") -> ReportData:
    """Read runs for one report.

    Several runs are joined when their data sets have the same fingerprint and split; otherwise `RunError` names
    the difference, in words that fit the purpose. `RunError` too for no run, and for a folder that is none.
    """
    if not runs:
        raise RunError("No run was given. Name at least one folder that 'patchbench run' printed.")
    opened = [run if isinstance(run, Run) else load_results(run) for run in runs]
    datasets = [run.dataset for run in opened]
    for run, dataset in zip(opened[1:], datasets[1:], strict=True):
        _refuse_other_data(opened[0], datasets[0], run, dataset, purpose)
    names = _names(opened)
    entries: list[Entry] = []
    for run, name in zip(opened, names, strict=True):
        entries += _entries(run, name, len(entries))
    return ReportData(
        runs=tuple(opened),
        run_names=tuple(names),
        studies=tuple(run.study for run in opened),
        environments=tuple(_environment(run) for run in opened),
        dataset=datasets[0],
        entries=tuple(entries),
    )


def _entries(run: Run, name: str, start: int) -> list[Entry]:
    results = {result.id: result for result in run.results()}
    plan = {cell["id"]: cell for cell in run.plan()}
    ids = list(dict.fromkeys([*plan, *results]))
    family = {result.label: result.model.family for result in results.values() if result.model.family}
    plan = {cell_id: {"family": family.get(str(cell.get("label"))), **cell} for cell_id, cell in plan.items()}
    return [
        Entry(f"c{start + index + 1}", run, name, plan.get(cell_id, {}), results.get(cell_id))
        for index, cell_id in enumerate(ids)
    ]


def _environment(run: Run) -> dict[str, Any]:
    """The stored environment; a run whose file was never written has none, and its scores still count."""
    return run.environment if (run.path / "environment.json").is_file() else {}


def _names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its folder's, numbered where two are called the same."""
    folders = [run.path.resolve().name or "run" for run in runs]
    return [
        name if folders.count(name) == 1 else f"{name} ({folders[: index + 1].count(name)})"
        for index, name in enumerate(folders)
    ]


def _refuse_other_data(first: Run, expected: dict[str, Any], run: Run, found: dict[str, Any], purpose: Purpose) -> None:
    cannot, advice = _REFUSALS[purpose]
    for key, words in (("classes", "classes"), ("fingerprint", "data fingerprint"), ("split_hash", "split")):
        if expected.get(key) != found.get(key):
            raise RunError(
                f"{first.path} and {run.path} {cannot}: their {words} differ "
                f"({_short(expected.get(key))} and {_short(found.get(key))}). Only results on the same test images "
                f"{advice}"
            )


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def detailed(data: ReportData) -> list[Entry]:
    """The cells that are shown one by one: the first seed of each configuration before the others."""
    leading = set(map(id, data.leading))
    shown = [entry for entry in data.ok if entry.history or (entry.result and entry.result.confusion)]
    chosen = sorted(shown, key=lambda e: id(e) not in leading)[:DETAILED]
    return [entry for entry in data.ok if entry in chosen]


DETAILED = 40
"""At most this many cells get matrices, curves and pictures of their own; the leaderboard has them all."""
