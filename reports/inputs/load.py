"""Reading runs for a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.errors import RunError
from bench.results.dataset import DatasetManifest
from bench.results.environment import Environment
from bench.results.run import Run, load_results
from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData

__all__ = ["load_report_data"]

Purpose = Literal["report", "comparison"]
_REFUSALS: dict[Purpose, tuple[str, str]] = {
    "report": ("cannot share a report", "can be joined; write a report for each run."),
    "comparison": ("cannot be compared", "can be compared; name two runs of one data set and one split."),
}


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
    plan = {cell.id: cell for cell in run.plan()}
    ids = dict.fromkeys([*plan, *results])
    return [
        Entry(f"c{start + index + 1}", run, name, plan.get(cell_id), results.get(cell_id))
        for index, cell_id in enumerate(ids)
    ]


def _environment(run: Run) -> Environment:
    """The stored environment; a run whose file was never written has none, and its scores still count."""
    return run.environment if (run.path / "environment.json").is_file() else Environment()


def _names(runs: Sequence[Run]) -> list[str]:
    """A name for each run: its folder's, numbered where two are called the same."""
    folders = [run.path.resolve().name or "run" for run in runs]
    return [
        name if folders.count(name) == 1 else f"{name} ({folders[: index + 1].count(name)})"
        for index, name in enumerate(folders)
    ]


def _refuse_other_data(
    first: Run, expected: DatasetManifest, run: Run, found: DatasetManifest, purpose: Purpose
) -> None:
    cannot, advice = _REFUSALS[purpose]
    for key, words in (("classes", "classes"), ("fingerprint", "data fingerprint"), ("split_hash", "split")):
        first_value, value = getattr(expected, key), getattr(found, key)
        if first_value != value:
            raise RunError(
                f"{first.path} and {run.path} {cannot}: their {words} differ "
                f"({_short(first_value)} and {_short(value)}). Only results on the same test images "
                f"{advice}"
            )


def _short(value: str | list[str]) -> str:
    text = ", ".join(value) if isinstance(value, list) else value
    return text if len(text) <= 60 else text[:59] + "…"
