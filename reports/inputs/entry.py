"""One cell as a report shows it: what its run plans, and what it stores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bench.results.history import EpochRecord
from bench.results.plan import PlannedCell
from bench.results.predictions import Predictions
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.study.schema import Cell
from reports.text.formatting import Why, visible
from reports.text.i18n import N_

__all__ = ["NOT_RUN", "Entry"]

NOT_RUN = "not_run"
"""The status of a cell that the study plans and that has no result."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One cell as the report shows it."""

    key: str
    """Unique in the page; safe as an id in HTML."""
    run: Run
    run_name: str
    planned: PlannedCell | None
    """None for a result that the study does not plan any more; then there is a result."""
    result: CellResult | None
    """None where the study plans the cell and nothing is stored."""

    @property
    def cell_id(self) -> str:
        """The id of the cell in its run."""
        return self.result.id if self.result else self._plan.id

    @property
    def label(self) -> str:
        """The model's name in every table."""
        return visible(self.result.label if self.result else self._plan.label)

    @property
    def _plan(self) -> PlannedCell:
        assert self.planned is not None  # the loader makes no entry without both
        return self.planned

    @property
    def _cell(self) -> Cell | PlannedCell:
        return self.result.cell if self.result else self._plan

    @property
    def regime(self) -> str:
        """How the model met the data: scratch, finetune or frozen."""
        return self._cell.regime

    @property
    def device(self) -> str:
        """The device asked for: cpu, cuda."""
        return self._cell.device

    @property
    def precision(self) -> str:
        """The number format of the arithmetic: fp32, bf16, fp16."""
        return self._cell.precision

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self._cell.seed

    @property
    def family(self) -> str:
        """The model's family as the run stored it; empty where it is unknown."""
        stored = self.result.model.family if self.result else None
        return stored or (self.planned.family if self.planned else "")

    @property
    def group(self) -> str:
        """The kind of model by which figures are colored: vit, cnn or other."""
        family = self.family.lower()
        return next((kind for kind in ("vit", "cnn") if family.startswith(kind)), "other")

    @property
    def start(self) -> str:
        """The weights that training started from: ``random``, a file's name or where they came from; empty: unknown."""
        weights = None
        if self.result:
            stored = self.result.model.weights
            weights = stored.source or stored.weights or self.result.cell.model.weights
        if self.regime == "scratch" or weights == "none":
            return "random"
        return weights.replace("\\", "/").rsplit("/", 1)[-1] if weights else ""

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
    def reason(self) -> Why:
        """Why there are no scores, for `reports.text.messages.word`; empty for a cell that is ok."""
        if self.result is None:
            return N_("planned, but no result is stored")
        if self.is_ok:
            return ""
        return self.result.error.notice if self.result.error else N_("no reason was stored")

    @property
    def configuration(self) -> tuple[str, str, str, str]:
        """What seeds repeat: label, regime, device, precision."""
        return (self.label, self.regime, self.device, self.precision)

    @property
    def accuracy(self) -> float | None:
        """The share of test images classified correctly, by which cells are ordered."""
        return self.result.metrics.get("accuracy") if self.result else None

    @cached_property
    def predictions(self) -> Predictions | None:
        """The stored predictions on the test images."""
        return self.run.predictions(self.result.id) if self.result else None

    @cached_property
    def history(self) -> list[EpochRecord]:
        """The finished epochs."""
        return self.run.history(self.result.id) if self.result else []
