from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from bench.errors import DataError
from bench.stats import calibration, metrics
from tests.known import known


def calibrated(seed: int, n: int, sharpen: float, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Labels sampled from known probabilities, and those probabilities with their logits multiplied by ``sharpen``."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, classes))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    labels = np.minimum((rng.random((n, 1)) > cumulative).sum(axis=1), classes - 1)
    return labels, softmax(sharpen * logits, axis=1)


@pytest.mark.parametrize("true_temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(true_temperature: float) -> None:
    labels, probabilities = calibrated(0, 20_000, true_temperature)
    found = calibration.fit_temperature(labels, probabilities)
    assert found.value == pytest.approx(true_temperature, rel=0.05)
    assert not found.at_limit
    softened = calibration.apply_temperature(probabilities, found.value)
    assert metrics.log_loss(labels, softened) <= metrics.log_loss(labels, probabilities)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 4), st.integers(2, 8))
def test_the_fit_agrees_with_a_numerical_minimizer(seed: int, sharpen: float, classes: int) -> None:
    labels, probabilities = calibrated(seed, 300, sharpen, classes)
    found = calibration.fit_temperature(labels, probabilities)
    own = np.arange(labels.size), labels
    expected = minimize_scalar(
        lambda inverse: -log_softmax(np.log(probabilities) * inverse, axis=1)[own].mean(),
        bounds=(0.05, 20),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert 1 / found.value == pytest.approx(expected.x, rel=1e-3)
    softened = calibration.apply_temperature(probabilities, found.value)
    assert metrics.log_loss(labels, softened) <= metrics.log_loss(labels, probabilities) + 1e-12


def test_scaling_on_validation_repairs_calibration_on_test() -> None:
    validation, test = calibrated(1, 5_000, 3.0), calibrated(2, 5_000, 3.0)
    temperature = calibration.fit_temperature(*validation).value
    repaired = calibration.apply_temperature(test[1], temperature)
    assert metrics.expected_calibration_error(*test) > 0.1
    assert metrics.expected_calibration_error(test[0], repaired) < 0.03
    assert metrics.brier(test[0], repaired) < metrics.brier(*test)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_temperature_keeps_the_predicted_class_and_undoes_itself(seed: int, temperature: float) -> None:
    _, probabilities = calibrated(seed, 50, 1.0)
    changed = calibration.apply_temperature(probabilities, temperature)
    np.testing.assert_allclose(changed.sum(axis=1), 1)
    np.testing.assert_array_equal(changed.argmax(axis=1), probabilities.argmax(axis=1))
    np.testing.assert_allclose(calibration.apply_temperature(probabilities, 1), probabilities, atol=1e-12)
    if temperature >= 1:
        np.testing.assert_allclose(calibration.apply_temperature(changed, 1 / temperature), probabilities, atol=1e-9)


def test_a_validation_set_without_an_error_runs_into_the_limit_and_reports_it() -> None:
    found = calibration.fit_temperature([0, 1, 2], np.eye(3) * 0.7 + 0.1)
    assert found.value == pytest.approx(0.05)
    assert found.at_limit
    hopeless = calibration.fit_temperature([1, 2, 0], np.eye(3) * 0.7 + 0.1)
    assert hopeless.value == pytest.approx(20)
    assert hopeless.at_limit


def test_probabilities_of_zero_and_of_no_information_are_survived() -> None:
    labels, probabilities = [0, 1, 0, 1], [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]
    found = calibration.fit_temperature(labels, probabilities)
    softened = calibration.apply_temperature(probabilities, found.value)
    assert np.isfinite([found.value, metrics.log_loss(labels, softened)]).all()
    assert metrics.log_loss(labels, softened) < metrics.log_loss(labels, probabilities)
    flat = calibration.fit_temperature([0, 1, 2], np.full((3, 3), 1 / 3))
    assert (flat.value, flat.at_limit) == (1.0, False)


def test_the_diagram_holds_every_image_and_gives_the_ece_back() -> None:
    labels, probabilities = calibrated(3, 2_000, 2.0)
    bins = calibration.reliability(labels, probabilities)
    assert len(bins) == 15
    assert (bins[0].low, bins[-1].high) == (0, 1)
    assert sum(one.count for one in bins) == 2_000
    filled = [one for one in bins if one.count]
    gap = sum(one.count * abs(known(one.accuracy).estimate - known(one.confidence)) for one in filled) / 2_000
    assert gap == pytest.approx(metrics.expected_calibration_error(labels, probabilities))
    for one in bins:
        if one.count:
            accuracy = known(one.accuracy)
            assert one.low < known(one.confidence) <= one.high
            assert accuracy.low <= accuracy.estimate <= accuracy.high
        else:
            assert (one.confidence, one.accuracy) == (None, None)


def test_a_calibrated_model_lies_on_the_diagonal_within_its_intervals() -> None:
    bins = calibration.reliability(*calibrated(4, 50_000, 1.0), level=0.999)
    assert all(known(one.accuracy).holds(known(one.confidence)) for one in bins if one.count > 100)


def test_what_makes_no_sense_is_refused() -> None:
    labels, probabilities = calibrated(5, 10, 1.0)
    for temperature in (0, -1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="above 0"):
            calibration.apply_temperature(probabilities, temperature)
    with pytest.raises(DataError, match="10 rows of probabilities for 9 labels"):
        calibration.fit_temperature(labels[:9], probabilities)
    with pytest.raises(DataError, match="at least 1"):
        calibration.reliability(labels, probabilities, bins=0)
