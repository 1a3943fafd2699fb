from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from bench.errors import DataError
from bench.stats import metrics

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


def unrolled(cm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = np.indices(cm.shape).reshape(2, -1)
    return np.repeat(true, cm.ravel()), np.repeat(predicted, cm.ravel())


Drawn = tuple[np.ndarray, np.ndarray]


@st.composite
def predictions(draw: st.DrawFn) -> Drawn:
    classes = draw(st.integers(2, 7))
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, draw(st.integers(1, classes)), n)
    sharpness = draw(st.sampled_from([0.05, 0.5, 3.0]))
    probabilities = rng.dirichlet(np.full(classes, sharpness), n)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


@settings(max_examples=150, deadline=None)
@given(predictions())
def test_scores_of_the_matrix_agree_with_scikit_learn(drawn: Drawn) -> None:
    labels, probabilities = drawn
    classes = probabilities.shape[1]
    predicted = metrics.predicted_labels(probabilities)
    cm = metrics.confusion_matrix(labels, predicted, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is missing: the case under test
        np.testing.assert_array_equal(cm, reference.confusion_matrix(labels, predicted, labels=range(classes)))
        assert metrics.accuracy(cm) == pytest.approx(reference.accuracy_score(labels, predicted))
        assert metrics.balanced_accuracy(cm) == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
        assert metrics.macro_f1(cm) == pytest.approx(reference.f1_score(labels, predicted, average="macro"))
        kappa = metrics.cohen_kappa(cm)
        if np.union1d(labels, predicted).size == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx(reference.cohen_kappa_score(labels, predicted))
        expected = reference.precision_recall_fscore_support(
            labels, predicted, labels=range(classes), zero_division=np.nan
        )
    for scores, precision, recall, f1, support in zip(metrics.per_class(cm), *expected, strict=True):
        for ours, theirs in ((scores.precision, precision), (scores.recall, recall), (scores.f1, f1)):
            assert (ours is None and np.isnan(theirs)) or ours == pytest.approx(theirs)
        assert scores.support == support


@settings(max_examples=150, deadline=None)
@given(predictions())
def test_scores_of_probabilities_agree_with_scikit_learn(drawn: Drawn) -> None:
    labels, probabilities = drawn
    classes = range(probabilities.shape[1])
    assert metrics.log_loss(labels, probabilities) == pytest.approx(
        reference.log_loss(labels, probabilities, labels=classes)
    )
    assert metrics.brier(labels, probabilities) == pytest.approx(
        reference.brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False)
    )
    tied = any(np.unique(row).size < row.size for row in probabilities)  # scikit-learn takes the last of equals
    if len(classes) > 2 and not tied:
        assert metrics.top_k_accuracy(labels, probabilities, 2) == pytest.approx(
            reference.top_k_accuracy_score(labels, probabilities, k=2, labels=classes)
        )


@settings(max_examples=100, deadline=None)
@given(predictions(), st.integers(1, 20))
def test_calibration_bins_agree_with_scikit_learn(drawn: Drawn, bins: int) -> None:
    labels, probabilities = drawn
    correct = (probabilities.argmax(axis=1) == labels).astype(int)
    count, confidence, right = metrics.calibration_bins(labels, probabilities, bins)
    expected_right, expected_confidence = calibration_curve(
        correct, np.minimum(probabilities.max(axis=1), 1), n_bins=bins, pos_label=1
    )
    filled = count > 0
    assert count.sum() == labels.size
    np.testing.assert_allclose(right[filled] / count[filled], expected_right)
    np.testing.assert_allclose(confidence[filled] / count[filled], expected_confidence)
    gap = np.abs(expected_right - expected_confidence) @ count[filled] / labels.size
    assert metrics.expected_calibration_error(labels, probabilities, bins) == pytest.approx(gap)


@settings(max_examples=50, deadline=None)
@given(predictions())
def test_summary_holds_every_score_and_top_1_is_accuracy(drawn: Drawn) -> None:
    labels, probabilities = drawn
    scores = metrics.summary(labels, probabilities)
    assert list(scores) == [
        "accuracy", "balanced_accuracy", "kappa", "macro_f1", "top2_accuracy", "log_loss", "brier", "ece",
    ]  # fmt: skip
    assert (scores["top2_accuracy"] is None) == (probabilities.shape[1] == 2)
    assert metrics.top_k_accuracy(labels, probabilities, 1) == scores["accuracy"]
    assert metrics.top_k_accuracy(labels, probabilities, probabilities.shape[1]) == 1
    if scores["top2_accuracy"] is not None:
        assert scores["top2_accuracy"] >= scores["accuracy"]


@settings(max_examples=50, deadline=None)
@given(predictions())
def test_the_order_of_the_images_does_not_matter(drawn: Drawn) -> None:
    labels, probabilities = drawn
    forward = metrics.summary(labels, probabilities)
    backward = metrics.summary(labels[::-1], probabilities[::-1])
    assert forward == pytest.approx(backward)


def test_equal_probabilities_give_the_first_class_everywhere() -> None:
    flat = np.full((4, 4), 0.25)
    labels = [0, 1, 2, 3]
    assert metrics.predicted_labels(flat).tolist() == [0, 0, 0, 0]
    assert [metrics.top_k_accuracy(labels, flat, k) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]


def test_the_papers_matrix_gives_its_accuracy_back() -> None:
    labels, predicted = unrolled(PAPER)
    np.testing.assert_array_equal(metrics.confusion_matrix(labels, predicted, 8), PAPER)
    assert PAPER.sum() == 3419
    assert round(100 * metrics.accuracy(PAPER), 2) == 96.84
    assert metrics.accuracy(PAPER) == pytest.approx(3311 / 3419)
    assert metrics.balanced_accuracy(PAPER) == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert metrics.cohen_kappa(PAPER) == pytest.approx(reference.cohen_kappa_score(labels, predicted))
    assert metrics.macro_f1(PAPER) == pytest.approx(reference.f1_score(labels, predicted, average="macro"))


def test_what_is_undefined_is_none_and_never_zero() -> None:
    one_class = np.array([[5, 0, 0], [0, 0, 0], [0, 0, 0]])
    assert metrics.cohen_kappa(one_class) is None
    absent = metrics.per_class(one_class)[1]
    assert (absent.precision, absent.recall, absent.f1, absent.support) == (None, None, None, 0)
    always_wrong = np.array([[0, 3], [0, 0]])
    assert metrics.per_class(always_wrong)[0].precision is None
    assert metrics.per_class(always_wrong)[0].f1 == 0
    assert metrics.cohen_kappa(always_wrong) == 0


def test_kappa_does_not_overflow_on_a_large_test_set() -> None:
    assert metrics.cohen_kappa(np.array([[10**9, 10**8], [10**8, 10**9]])) == pytest.approx(0.9 / 1.1)


def test_a_half_precision_softmax_is_accepted() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(13), 200).astype(np.float16)
    assert metrics.summary(np.arange(200) % 13, rows)["log_loss"] is not None


GOOD = np.array([[0.2, 0.8], [0.6, 0.4]])


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 1], [[0.2, 0.8], [np.nan, 0.4]], "1 of 2 images are not finite"),
        ([0, 1], [[0.2, 0.8], [np.inf, 0.4]], "not finite"),
        ([0, 1], [[-0.2, 1.2], [0.6, 0.4]], "Use softmax"),
        ([0, 1], [[3.0, -1.0], [2.0, 1.0]], "Use softmax"),
        ([0, 1], [[0.3, 0.3], [0.6, 0.4]], "sum of 1"),
        ([0, 1], [0.2, 0.8], "one row an image"),
        ([0, 1], [["a", "b"], ["c", "d"]], "one row an image"),
        ([0, 1, 1], GOOD, "2 rows of probabilities for 3 labels"),
        ([0, 2], GOOD, "allowed are 0 to 1"),
        ([-1, 0], GOOD, "run from -1"),
        ([0.5, 1], GOOD, "whole numbers"),
        ([np.nan, 1], GOOD, "whole numbers"),
        (["a", "b"], GOOD, "whole numbers"),
        ([True, False], GOOD, "whole numbers"),
        ([], np.empty((0, 2)), "shape"),
        ([[0, 1]], GOOD, "shape"),
    ],
)
def test_input_that_cannot_be_scored_is_refused(labels: ArrayLike, probabilities: ArrayLike, words: str) -> None:
    with pytest.raises(DataError, match=words):
        metrics.summary(labels, probabilities)


@pytest.mark.parametrize(
    "matrix", [[[1, 2]], [[0, 0], [0, 0]], [[1, -1], [0, 1]], [[0.5, 1], [1, 1]], [["a"]], [[np.nan]], [], 3]
)
def test_a_broken_confusion_matrix_is_refused(matrix: ArrayLike) -> None:
    with pytest.raises(DataError, match="confusion matrix"):
        metrics.accuracy(matrix)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(DataError, match="k is 1 to 2"):
        metrics.top_k_accuracy([0, 1], GOOD, 3)
    with pytest.raises(DataError, match="at least 1"):
        metrics.calibration_bins([0, 1], GOOD, 0)
    with pytest.raises(DataError, match="number of classes"):
        metrics.confusion_matrix([0], [0], 0)
    with pytest.raises(DataError, match="2 predicted labels for 1 labels"):
        metrics.confusion_matrix([0], [0, 1], 2)


def test_the_module_needs_numpy_alone() -> None:
    code = (
        "import sys, bench.stats.metrics;"
        "heavy = {'torch', 'scipy', 'sklearn', 'pandas', 'statsmodels', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
