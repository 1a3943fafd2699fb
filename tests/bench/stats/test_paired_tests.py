from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q, mcnemar
from statsmodels.stats.multitest import multipletests

from bench.errors import DataError
from bench.stats import confidence, letters, paired_bootstrap
from bench.stats import paired_tests as comparisons
from bench.stats.metrics import confusion_matrix, formulas
from tests.known import known

CLASSES = 4


def study(seed: int, n: int, *right: tuple[float, float]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels, and for each pair (accuracy on hard images, accuracy on easy ones) a model's predicted labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(CLASSES, n, p=[0.4, 0.3, 0.2, 0.1])
    hard = rng.random(n) < 0.15
    models = []
    for on_hard, on_easy in right:
        wrong = (labels + rng.integers(1, CLASSES, n)) % CLASSES
        models.append(np.where(rng.random(n) < np.where(hard, on_hard, on_easy), labels, wrong))
    return labels, models


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_agrees_with_statsmodels(only_a: int, only_b: int) -> None:
    expected = mcnemar([[7, only_a], [only_b, 9]], exact=True).pvalue if only_a + only_b else 1.0
    assert float(comparisons.mcnemar_exact(only_a, only_b)) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=5, deadline=None)  # statsmodels collects garbage on every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values: list[float]) -> None:
    np.testing.assert_allclose(comparisons.holm(p_values), multipletests(p_values, method="holm")[1], atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(5, 80))
def test_cochran_q_agrees_with_statsmodels(seed: int, models: int, n: int) -> None:
    labels, said = study(seed, n, *[(0.3, 0.8)] * models)
    found = comparisons.cochran_q(labels, {str(i): given for i, given in enumerate(said)})
    right = np.stack([given == labels for given in said], axis=1)
    if np.all(right == right[:, :1]):
        assert found is None
    else:
        expected = cochrans_q(right.astype(int))
        assert found is not None
        assert found.statistic == pytest.approx(expected.statistic)
        assert found.p_value == pytest.approx(expected.pvalue)
        assert (found.df, found.models, found.n) == (models - 1, models, n)


def test_cochran_q_has_nothing_to_test_below_two_models_or_without_disagreement() -> None:
    assert comparisons.cochran_q([0, 1], {"a": [0, 1]}) is None
    assert comparisons.cochran_q([0, 1], {"a": [0, 0], "b": [0, 0]}) is None


def test_a_pair_is_counted_as_it_is() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    found = comparisons.compare_pair(labels, [0, 0, 0, 1, 1, 0], [0, 1, 1, 1, 1, 1], names=("vit", "cnn"))
    assert (found.a, found.b, found.n, found.only_a, found.only_b) == ("vit", "cnn", 6, 2, 1)
    assert found.accuracy_a == pytest.approx(5 / 6)
    assert found.accuracy_b == pytest.approx(4 / 6)
    assert found.difference.estimate == pytest.approx(1 / 6)
    assert found.p_value == found.p_adjusted == 1.0
    assert not found.separated()


def test_swapping_the_models_swaps_the_sign_and_keeps_p() -> None:
    labels, (a, b) = study(0, 300, (0.5, 0.97), (0.2, 0.9))
    forth, back = comparisons.compare_pair(labels, a, b), comparisons.compare_pair(labels, b, a)
    assert forth.p_value == back.p_value < 0.05
    assert forth.difference.estimate == -back.difference.estimate > 0
    assert (forth.difference.low, forth.difference.high) == (-back.difference.high, -back.difference.low)


def test_models_that_agree_everywhere_are_not_separated_and_not_certain() -> None:
    labels, (a,) = study(1, 200, (0.5, 0.97))
    found = comparisons.compare_pair(labels, a, a)
    assert found.p_value == 1
    assert found.difference.low < 0 < found.difference.high
    assert found.difference.low == -found.difference.high


def test_probabilities_serve_as_well_as_labels() -> None:
    labels, (a, b) = study(2, 100, (0.5, 0.97), (0.4, 0.9))
    soft = np.eye(CLASSES)[a] * 0.6 + 0.1
    assert comparisons.compare_pair(labels, soft, b) == comparisons.compare_pair(labels, a, b)


def test_all_pairs_are_corrected_together() -> None:
    labels, predicted = study(3, 500, (0.6, 0.99), (0.5, 0.97), (0.3, 0.9), (0.2, 0.8))
    predictions = dict(zip("wxyz", predicted, strict=True))
    found = comparisons.compare_all(labels, predictions)
    assert [(c.a, c.b) for c in found] == list(combinations("wxyz", 2))
    expected = multipletests([c.p_value for c in found], method="holm")[1]
    np.testing.assert_allclose([c.p_adjusted for c in found], expected)
    for c in found:
        alone = comparisons.compare_pair(labels, predictions[c.a], predictions[c.b], names=(c.a, c.b))
        assert (alone.p_value, alone.difference, alone.only_a) == (c.p_value, c.difference, c.only_a)
    assert comparisons.compare_all(labels, {"w": predicted[0]}) == []


def test_equal_models_are_called_different_in_at_most_5_percent_of_families() -> None:
    false_alarms = 0
    for seed in range(300):
        labels, predicted = study(seed, 150, *[(0.5, 0.95)] * 4)
        found = comparisons.compare_all(labels, dict(zip("wxyz", predicted, strict=True)), resamples=100)
        false_alarms += any(c.separated() for c in found)
    assert false_alarms / 300 <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("n", [224, 1000])
def test_intervals_of_a_difference_hold_the_truth_in_93_to_97_percent_of_simulated_studies(n: int) -> None:
    rates = ((0.7, 0.99), (0.5, 0.98))
    labels, (a, b) = study(10**6, 2_000_000, *rates)
    large = [confusion_matrix(labels, given, CLASSES).astype(np.float64) for given in (a, b)]
    true = {name: float(formula(large[0]) - formula(large[1])) for name, formula in formulas().items()}
    held = dict.fromkeys(true, 0)
    for seed in range(1_000):
        labels, (a, b) = study(seed, n, *rates)
        for name in true:
            found = paired_bootstrap.paired_difference(labels, a, b, name, resamples=600)
            held[name] += known(found).holds(true[name])
    assert {name: 0.93 <= count / 1_000 <= 0.97 for name, count in held.items()} == dict.fromkeys(held, True), held


def test_a_difference_of_any_score_is_that_of_the_scores() -> None:
    labels, (a, b) = study(4, 400, (0.6, 0.99), (0.3, 0.95))
    for name, formula in formulas().items():
        scores = [float(formula(confusion_matrix(labels, given, CLASSES).astype(np.float64))) for given in (a, b)]
        found = known(paired_bootstrap.paired_difference(labels, a, b, name))
        assert found.estimate == pytest.approx(scores[0] - scores[1])
        assert found.low < found.estimate < found.high
    assert paired_bootstrap.paired_difference([0, 0, 0], [0, 0, 1], [0, 1, 1], "kappa") is None
    of_accuracy = known(paired_bootstrap.paired_difference([0, 0, 0], [0, 0, 1], [0, 1, 1]))
    assert of_accuracy.estimate == pytest.approx(1 / 3)


def test_pairing_narrows_a_difference_where_models_share_their_errors() -> None:
    labels, (a,) = study(5, 1000, (0.5, 0.95))
    b = a.copy()
    b[:10] = (labels[:10] + 1) % CLASSES
    found = comparisons.compare_pair(labels, a, b)
    assert found.difference.half_width < 0.01
    assert found.difference.low > 0
    assert found.separated()


# -------------------------------------------------------------------------------------------- groups


def pairs(accuracy: dict[str, float], separated: set[tuple[str, str]]) -> list[comparisons.Comparison]:
    made = []
    for a, b in combinations(accuracy, 2):
        p = 0.001 if (a, b) in separated or (b, a) in separated else 0.5
        difference = confidence.Interval(accuracy[a] - accuracy[b], -1, 1, 0.95, "bootstrap")
        made.append(comparisons.Comparison(a, b, 100, accuracy[a], accuracy[b], 0, 0, difference, p, p))
    return made


def test_a_winner_is_named_only_when_separated_from_every_other() -> None:
    scores = {"low": 0.7, "top": 0.9, "mid": 0.8}
    tied = letters.groups(pairs(scores, {("top", "low")}))
    assert tied.order == ("top", "mid", "low")
    assert tied.tied_with_best == ("top", "mid")
    assert tied.winner is None
    assert tied.letters == {"top": "a", "mid": "ab", "low": "b"}
    clear = letters.groups(pairs(scores, {("top", "low"), ("top", "mid")}))
    assert (clear.winner, clear.tied_with_best) == ("top", ("top",))
    assert clear.letters == {"top": "a", "mid": "b", "low": "b"}
    assert letters.groups([]) == letters.Groups((), (), None, {})


@settings(max_examples=200, deadline=None)
@given(st.data(), st.integers(2, 9))
def test_two_models_share_a_letter_exactly_when_they_are_not_separated(data: st.DataObject, models: int) -> None:
    names = [f"m{i}" for i in range(models)]
    everything = list(combinations(names, 2))
    separated = data.draw(st.sets(st.sampled_from(everything)))
    accuracy = {name: data.draw(st.floats(0, 1)) for name in names}
    found = letters.groups(pairs(accuracy, separated))
    assert list(found.order) == sorted(names, key=lambda name: (-accuracy[name], name))
    assert found.letters is not None
    for a, b in everything:
        assert bool(set(found.letters[a]) & set(found.letters[b])) == ((a, b) not in separated)
    used = [
        {name for name in names if letter in found.letters[name]} for letter in set("".join(found.letters.values()))
    ]
    assert not any(one < other for one in used for other in used)
    assert "a" in found.letters[found.order[0]]


def test_more_groups_than_letters_give_no_letters_but_still_a_verdict() -> None:
    names = [f"m{i:03}" for i in range(60)]
    found = letters.groups(pairs({name: 1 - i / 100 for i, name in enumerate(names)}, set(combinations(names, 2))))
    assert found.letters is None
    assert found.winner == "m000"


def test_groups_of_a_real_comparison() -> None:
    labels, predicted = study(6, 800, (0.6, 0.99), (0.6, 0.99), (0.2, 0.8))
    found = letters.groups(comparisons.compare_all(labels, dict(zip("xyz", predicted, strict=True))))
    assert set(found.tied_with_best) == {"x", "y"}
    assert found.letters == {"x": "a", "y": "a", "z": "b"}


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="'b' has 1 predictions for 2 images"):
        comparisons.compare_pair([0, 1], [0, 1], [0])
    with pytest.raises(DataError, match="different names"):
        comparisons.compare_pair([0, 1], [0, 1], [0, 1], names=("x", "x"))
    with pytest.raises(DataError, match="predictions of 'a'"):
        comparisons.compare_pair([0, 1], [0, -1], [0, 1])
    with pytest.raises(DataError, match="choose from"):
        paired_bootstrap.paired_difference([0, 1], [0, 1], [0, 1], "auc")
    with pytest.raises(DataError, match="every pair"):
        letters.groups(pairs({"x": 0.1, "y": 0.2, "z": 0.3}, set())[:2])
    with pytest.raises(DataError, match="p values"):
        comparisons.holm([0.1, float("nan")])
    with pytest.raises(DataError, match="below 0"):
        comparisons.mcnemar_exact(-1, 3)
