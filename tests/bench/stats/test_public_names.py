from __future__ import annotations

import subprocess
import sys

import numpy as np

from bench import stats as uncertainty
from bench.stats import calibration, letters, paired_bootstrap, timings
from bench.stats import confidence as intervals
from bench.stats import paired_tests as comparisons
from tests.known import known


def test_the_face_shows_every_public_name_of_its_parts() -> None:
    parts = {
        name
        for part in (intervals, comparisons, paired_bootstrap, letters, timings, calibration)
        for name in part.__all__
    }
    assert set(uncertainty.__all__) == parts
    for name in parts:
        assert getattr(uncertainty, name) is not None


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, bench.stats;"
        "heavy = {'torch', 'scipy', 'sklearn', 'pandas', 'statsmodels', 'matplotlib'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_small_study_from_predictions_to_verdict() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 8, 1000)

    def model(accuracy: float) -> np.ndarray:
        predicted = np.where(rng.random(1000) < accuracy, labels, (labels + 1) % 8)
        return np.eye(8)[predicted] * 0.92 + 0.01

    predictions = {"vit": model(0.97), "resnet": model(0.96), "vgg": model(0.85)}
    groups = uncertainty.groups(uncertainty.compare_all(labels, predictions))
    assert groups.winner is None
    assert set(groups.tied_with_best) == {"vit", "resnet"}
    assert known(uncertainty.cochran_q(labels, predictions)).p_value < 1e-6
