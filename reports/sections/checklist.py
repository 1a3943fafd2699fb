"""What it takes to repeat the run, and whether it is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.sections.base import Page, Section
from reports.text.i18n import N_, Translator

__all__ = ["SECTION", "Check", "checks"]


@dataclass(frozen=True)
class Check:
    """One point of the list. ``state``: yes, no or unknown."""

    text: str
    state: str
    detail: str = ""


def checks(data: ReportData, _: Translator) -> list[Check]:
    """Answer each point from what the run stores."""
    environments, dataset = data.environments, data.dataset
    git = [environment.git for environment in environments]
    ran = [entry.result.context for entry in data.ok if entry.result]
    with_predictions = [entry for entry in data.ok if _has_predictions(entry)]
    seeds = {entry.seed for entry in data.ok}
    return [
        Check(_("The command is stored"), _known(e.command for e in environments)),
        Check(
            _("The revision of the code is known, and nothing was changed after it"),
            _state(not any(state and state.dirty for state in git)) if all(git) else "unknown",
        ),
        Check(_("Versions of all packages are stored"), _known(e.packages for e in environments)),
        Check(
            _("CPU, memory and system are stored"),
            _known(e.cpu.model and e.memory_gib and e.platform for e in environments),
        ),
        Check(
            _("The images are known by a fingerprint"),
            _state(bool(dataset.fingerprint)),
            dataset.fingerprint[:16],
        ),
        Check(
            _("All models were tested on the same images"),
            _state(bool(dataset.split_hash)),
            dataset.split_hash[:16],
        ),
        Check(_("No images that look alike lie in different splits"), _state(not dataset.leaks)),
        Check(
            _("Every planned cell has a result"),
            _state(all(entry.result for entry in data.entries)),
            f"{sum(entry.result is not None for entry in data.entries)} / {len(data.entries)}",
        ),
        Check(
            _("Predictions of every cell with scores are stored"),
            _state(len(with_predictions) == len(data.ok)),
            f"{len(with_predictions)} / {len(data.ok)}",
        ),
        Check(_("The tested epoch was chosen on validation images"), _state(_chosen_on_validation(data))),
        Check(_("More than one seed"), _state(len(seeds) > 1), ", ".join(str(seed) for seed in sorted(seeds))),
        Check(_("Settings for determinism are stored"), _known(context.determinism for context in ran)),
    ]


def _state(holds: bool) -> str:
    return "yes" if holds else "no"


def _known(facts: Iterable[object]) -> str:
    """Yes where each run (or cell) stores the fact; unknown where one does not, or there is none."""
    stored = [bool(fact) for fact in facts]
    return "yes" if stored and all(stored) else "unknown"


def _has_predictions(entry: Entry) -> bool:
    return (entry.run.cell_folder(entry.cell_id) / "predictions.parquet").is_file()


def _chosen_on_validation(data: ReportData) -> bool:
    return all(entry.result.best_epoch is not None for entry in data.ok if entry.result)


def build(page: Page) -> dict[str, Any]:
    return {"checks": checks(page.data, page.translate)}


SECTION = Section(N_("Reproducibility checklist"), build)
