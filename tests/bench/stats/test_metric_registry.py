from __future__ import annotations

import numpy as np
import pytest

from bench.errors import DataError
from bench.registry import Registry
from bench.results.table import COLUMNS, columns, to_frame
from bench.stats import interval, intervals, metrics, paired_difference
from bench.stats.metrics import METRICS, Metric, formulas, summary

LABELS = np.array([0, 0, 1, 1, 2, 2, 2])
PROBABILITIES = np.eye(3)[[0, 1, 1, 1, 2, 2, 0]] * 0.7 + 0.1

WORST_RECALL = Metric(
    title="Worst recall",
    help="Recall of the class that is found least.",
    of_matrices=lambda cms: (np.diagonal(cms, axis1=-2, axis2=-1) / cms.sum(axis=-1)).min(axis=-1),
)


@pytest.fixture
def with_worst_recall(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more line in the registry, as whoever adds a metric writes it."""
    monkeypatch.setitem(METRICS.entries, "worst_recall", f"{__name__}:WORST_RECALL")


def test_the_order_of_what_is_stored() -> None:
    assert METRICS.names() == (
        *("accuracy", "balanced_accuracy", "kappa", "macro_f1", "top2_accuracy", "log_loss", "brier", "ece"),
    )
    assert list(summary(LABELS, PROBABILITIES)) == list(METRICS.names())
    assert list(formulas()) == ["accuracy", "balanced_accuracy", "kappa", "macro_f1"]


def test_what_tables_know_of_each() -> None:
    found = METRICS.load_all()
    assert [name for name, metric in found.items() if metric.column == "shown"] == [
        *("accuracy", "balanced_accuracy", "kappa"),
    ]
    assert [name for name, metric in found.items() if metric.format == "percent"] == [
        *("accuracy", "balanced_accuracy", "top2_accuracy"),
    ]
    assert [name for name, metric in found.items() if not metric.higher_is_better] == ["log_loss", "brier", "ece"]
    assert METRICS.describe() == {name: metric.help for name, metric in found.items()}


def test_a_score_is_a_plain_number_or_none() -> None:
    def score(value: object) -> float | None:
        metric = Metric(title="t", help="h", of_probabilities=lambda *_: value)  # type: ignore[arg-type]
        return metric.score(LABELS, PROBABILITIES, np.eye(3, dtype=np.int64))

    assert type(score(np.float32(0.5))) is float
    assert score(np.nan) is None
    assert score(None) is None


@pytest.mark.usefixtures("with_worst_recall")
def test_one_more_metric_is_stored_and_has_intervals_and_paired_tests() -> None:
    assert summary(LABELS, PROBABILITIES)["worst_recall"] == 0.5
    cm = metrics.confusion_matrix(LABELS, PROBABILITIES.argmax(axis=1), 3)
    found = interval(cm, "worst_recall")
    assert found is not None
    assert found.low < found.estimate == 0.5 < found.high
    perfect = np.eye(3)[LABELS]
    difference = paired_difference(LABELS, perfect, PROBABILITIES, "worst_recall")
    assert difference is not None
    assert difference.low < difference.estimate == 0.5 < difference.high


@pytest.mark.usefixtures("with_worst_recall")
def test_one_more_metric_is_a_column_of_every_export() -> None:
    assert columns() == (*COLUMNS, "worst_recall")
    assert list(to_frame([]).columns) == list(columns())


def test_an_undefined_metric_has_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    def undefined(cms: np.ndarray) -> np.ndarray:
        return np.full(cms.shape[:-2], np.nan)

    metric = Metric(title="Nothing", help="Never defined.", of_matrices=undefined)
    monkeypatch.setattr(Registry, "load_all", lambda _self: {"nothing": metric})
    assert intervals(np.eye(3) * 9) == {"nothing": None}
    assert paired_difference(LABELS, LABELS, PROBABILITIES, "nothing") is None
    assert summary(LABELS, PROBABILITIES) == {"nothing": None}


def test_a_metric_is_computed_in_one_way() -> None:
    with pytest.raises(TypeError, match="'Both' needs either of_matrices or of_probabilities"):
        Metric(title="Both", help="", of_matrices=np.sum, of_probabilities=metrics.brier)
    with pytest.raises(TypeError, match="'None' needs either"):
        Metric(title="None", help="")


def test_only_what_a_confusion_matrix_gives_has_an_interval() -> None:
    with pytest.raises(DataError, match=r"unknown statistic 'kapa'; choose from accuracy.* Did you mean 'kappa'"):
        interval(np.eye(3), "kapa")
    with pytest.raises(DataError, match="unknown statistic 'ece'"):
        interval(np.eye(3), "ece")
