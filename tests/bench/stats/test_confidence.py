from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from bench.errors import DataError
from bench.stats import confidence as intervals
from bench.stats import metrics, timings
from bench.stats.metrics import formulas
from tests.known import known

PAPER = np.array(
    [
        [236, 0, 0, 3, 1, 1, 0, 0],
        [0, 647, 0, 1, 0, 3, 1, 0],
        [0, 1, 291, 1, 2, 1, 2, 1],
        [5, 1, 5, 519, 3, 13, 8, 0],
        [0, 0, 0, 1, 237, 2, 1, 0],
        [0, 0, 0, 8, 2, 279, 1, 0],
        [1, 6, 1, 19, 1, 2, 652, 0],
        [0, 0, 4, 2, 1, 1, 2, 450],
    ]
)
STUDIES = 1_000


def world(error_scale: float) -> np.ndarray:
    """True cell probabilities: the paper's classes and confusions, with its errors made rarer or more common."""
    cells = PAPER / PAPER.sum()
    errors = cells * error_scale
    np.fill_diagonal(errors, 0)
    scaled: np.ndarray = errors + np.diag(cells.sum(axis=1) - errors.sum(axis=1))
    return scaled


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5000), st.integers(1, 5000), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_agrees_with_statsmodels(successes: int, n: int, level: float) -> None:
    successes = min(successes, n)
    found = known(intervals.wilson(successes, n, level))
    low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert found.estimate == successes / n
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)


def test_the_papers_accuracy_comes_with_an_interval() -> None:
    found = intervals.intervals(PAPER)
    accuracy = known(found["accuracy"])
    assert f"{accuracy.estimate:.2%}" == "96.84%"
    assert (round(accuracy.low, 4), round(accuracy.high, 4)) == (0.9620, 0.9738)
    for name, score in (
        ("balanced_accuracy", metrics.balanced_accuracy(PAPER)),
        ("kappa", known(metrics.cohen_kappa(PAPER))),
        ("macro_f1", metrics.macro_f1(PAPER)),
    ):
        here = known(found[name])
        assert here.estimate == score
        assert here.holds(score)
        assert 0.005 < here.half_width < 0.008
        assert intervals.interval(PAPER, name) == here or name != "balanced_accuracy"


def test_the_bootstrap_agrees_with_the_delta_method_for_kappa() -> None:
    # Fleiss, Cohen and Everitt 1969, through statsmodels.
    from statsmodels.stats.inter_rater import cohens_kappa

    expected = cohens_kappa(PAPER)
    found = known(intervals.interval(PAPER, "kappa", resamples=20_000))
    assert found.estimate == pytest.approx(expected.kappa)
    assert found.low == pytest.approx(expected.kappa_low, abs=7e-4)
    assert found.high == pytest.approx(expected.kappa_upp, abs=7e-4)


@pytest.mark.parametrize(
    ("n", "error_scale"),
    [(224, 5.0), *(pytest.param(*one, marks=pytest.mark.slow) for one in ((448, 0.3), (3419, 1.0)))],
)
def test_intervals_hold_the_truth_in_93_to_97_percent_of_simulated_studies(n: int, error_scale: float) -> None:
    truth = world(error_scale)
    scores = {name: float(formula(truth)) for name, formula in formulas().items()}
    held = dict.fromkeys(scores, 0)
    for cm in np.random.default_rng(1).multinomial(n, truth.ravel(), STUDIES).reshape(-1, *truth.shape):
        for name, found in intervals.intervals(cm, resamples=1_000).items():
            held[name] += known(found).holds(scores[name])
    assert {name: 0.93 <= count / STUDIES <= 0.97 for name, count in held.items()} == dict.fromkeys(held, True), held


def test_class_intervals_hold_the_truth_in_93_to_97_percent_of_simulated_studies() -> None:
    truth = world(5.0)
    right, rows, columns = np.diag(truth), truth.sum(axis=1), truth.sum(axis=0)
    true = {"precision": right / columns, "recall": right / rows, "f1": 2 * right / (rows + columns)}
    held = {name: np.zeros(8) for name in true}
    for cm in np.random.default_rng(2).multinomial(448, truth.ravel(), STUDIES).reshape(-1, 8, 8):
        for i, scores in enumerate(intervals.class_intervals(cm)):
            for name, values in true.items():
                held[name][i] += getattr(scores, name).holds(values[i])
    for name, counts in held.items():
        assert 0.93 <= counts.mean() / STUDIES <= 0.97, name
        assert counts.min() / STUDIES > 0.92, name


def test_class_intervals_carry_the_point_scores() -> None:
    for scores, found in zip(metrics.per_class(PAPER), intervals.class_intervals(PAPER), strict=True):
        f1 = known(found.f1)
        assert known(found.precision).estimate == pytest.approx(scores.precision)
        assert known(found.recall).estimate == pytest.approx(scores.recall)
        assert f1.estimate == pytest.approx(scores.f1)
        assert f1.low < f1.estimate < f1.high


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    classes = draw(st.integers(1, 5))
    cells = draw(st.lists(st.integers(0, 20), min_size=classes**2, max_size=classes**2))
    cells[draw(st.integers(0, classes**2 - 1))] += 1
    return np.array(cells).reshape(classes, classes)


@settings(max_examples=150, deadline=None)
@given(matrices())
def test_an_interval_is_ordered_within_bounds_and_only_missing_where_it_must(cm: np.ndarray) -> None:
    found = intervals.intervals(cm, resamples=100)
    points = {
        "accuracy": metrics.accuracy(cm),
        "balanced_accuracy": metrics.balanced_accuracy(cm),
        "kappa": metrics.cohen_kappa(cm),
        "macro_f1": metrics.macro_f1(cm),
    }
    for name, here in found.items():
        if here is None:
            assert name in ("kappa", "macro_f1")
            assert np.count_nonzero(cm.sum(axis=1)) == 1
        else:
            assert here.estimate == pytest.approx(points[name])
            assert (-1 if name == "kappa" else 0) <= here.low <= here.estimate <= here.high <= 1
    for scores, of_class in zip(metrics.per_class(cm), intervals.class_intervals(cm), strict=True):
        assert (of_class.recall is None) == (scores.recall is None)
        assert (of_class.f1 is None) == (scores.f1 is None)


def test_a_model_without_an_error_is_not_certain() -> None:
    found = intervals.intervals(np.diag([30] * 8))
    for name, interval in found.items():
        here = known(interval)
        assert here.estimate == here.high == 1, name
        assert 0.95 < here.low < 0.999, name


def test_a_class_without_images_changes_nothing() -> None:
    wider = np.zeros((9, 9), dtype=int)
    wider[:8, :8] = PAPER
    assert intervals.intervals(wider) == intervals.intervals(PAPER)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    assert intervals.intervals(PAPER, seed=3) == intervals.intervals(PAPER, seed=3)
    assert intervals.interval(PAPER, "kappa", seed=3) != intervals.interval(PAPER, "kappa", seed=4)


def test_more_images_and_a_lower_level_narrow_an_interval() -> None:
    wide = known(intervals.interval(PAPER, "balanced_accuracy"))
    assert known(intervals.interval(10 * PAPER, "balanced_accuracy")).half_width < wide.half_width / 2
    assert known(intervals.interval(PAPER, "balanced_accuracy", level=0.5)).half_width < wide.half_width / 2


def test_a_hundred_classes_fit() -> None:
    cm = np.diag(np.full(100, 20)) + np.random.default_rng(0).integers(0, 2, (100, 100))
    found = known(intervals.interval(cm, "balanced_accuracy", resamples=1_000))
    assert found.low < found.estimate < found.high


# ------------------------------------------------------------------------------ seeds and timings


def test_seed_spread_agrees_with_scipy() -> None:
    values = [0.91, 0.94, 0.92, 0.925, 0.93]
    found = known(intervals.seed_spread([*values[:2], None, *values[2:]]))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert (found.n, found.minimum, found.maximum) == (5, 0.91, 0.94)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert found.low == pytest.approx(low)
    assert found.high == pytest.approx(high)


def test_one_seed_tells_nothing_about_spread() -> None:
    found = known(intervals.seed_spread([0.9]))
    assert (found.n, found.mean, found.sd, found.low, found.high) == (1, 0.9, None, None, None)
    assert intervals.seed_spread([]) is None
    assert intervals.seed_spread([None, None]) is None


@pytest.mark.parametrize("n", [6, 7, 20, 21])
def test_bootstrap_medians_are_those_of_drawn_samples(n: int) -> None:
    samples = np.sort(np.random.default_rng(n).lognormal(size=n))
    quick = timings._bootstrap_medians(samples, 20_000, np.random.default_rng(0))
    simulated = np.median(np.random.default_rng(1).choice(samples, (20_000, n)), axis=1)
    assert stats.ks_2samp(quick, simulated).pvalue > 0.001


def test_speedup_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(STUDIES):
        found = timings.speedup(rng.lognormal(1, 0.2, 30), rng.lognormal(0, 0.2, 20), resamples=500)
        held += known(found.low) <= np.e <= known(found.high)
    assert 0.93 <= held / STUDIES <= 0.97


def test_speedup_is_how_many_times_faster() -> None:
    found = timings.speedup([4.0] * 6, [2.0] * 6)
    assert (found.ratio, found.low, found.high, found.separated) == (2.0, 2.0, 2.0, True)
    same = timings.speedup([1.0, 1.1, 0.9, 1.2, 0.8, 1.0], [1.05, 1.0, 0.9, 1.1, 0.85, 1.15])
    assert same.separated is False


def test_few_samples_give_a_ratio_without_an_interval() -> None:
    found = timings.speedup([4.0] * 5, [2.0] * 50)
    assert (found.ratio, found.low, found.high, found.separated) == (2.0, None, None, None)
    assert timings.median_interval([1.0, 2.0, 3.0]) is None
    assert timings.median_interval([1.0] * 6, level=0.99) is None


def test_median_interval_lies_among_the_samples() -> None:
    samples = np.random.default_rng(0).lognormal(size=101)
    found = known(timings.median_interval(samples))
    assert found.estimate == np.median(samples)
    assert samples.min() <= found.low < found.estimate < found.high <= samples.max()


def test_settings_and_samples_that_make_no_sense_are_refused() -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        intervals.intervals(PAPER, level=95)
    with pytest.raises(DataError, match="at least 100"):
        intervals.intervals(PAPER, resamples=0)
    with pytest.raises(DataError, match="choose from accuracy"):
        intervals.interval(PAPER, "auc")
    with pytest.raises(DataError, match="no proportion"):
        intervals.wilson(3, 2)
    with pytest.raises(DataError, match="finite number above 0"):
        timings.speedup([1.0, 0.0], [1.0])
    with pytest.raises(DataError, match="finite number above 0"):
        timings.median_interval([])
    with pytest.raises(DataError, match="not finite"):
        intervals.seed_spread([0.9, float("nan")])
    assert intervals.wilson(0, 0) is None
