from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.data.sources.synthetic.drawing import draw_cell
from bench.data.sources.synthetic.shapes import chain_distance, grid, smooth_noise, soft_step
from bench.data.sources.synthetic.traits import KINDS, draw_traits
from bench.errors import DataError

Images = npt.NDArray[np.uint8]


def draw(kind: str, size: int = 48, seed: int = 0, difficulty: float = 0.5) -> Images:
    return draw_cell(kind, size, np.random.default_rng(seed), difficulty)


@cache
def sample(kind: str, difficulty: float, count: int = 40, size: int = 48, first: int = 0) -> Images:
    """Return ``count`` images; kinds don't share seeds, so that they don't share backgrounds either."""
    start = KINDS.index(kind)
    rngs = [np.random.default_rng([start, first + number]) for number in range(count)]
    return np.stack([draw_cell(kind, size, rng, difficulty) for rng in rngs])


def dark_area(images: Images) -> float:
    """Mean share of pixels that are as dark as a stained nucleus."""
    return float((images.mean(axis=-1) < 110).mean())


def foreign_area(images: Images) -> float:
    """Mean share of pixels with less green than background, red cells and a neutrophil's cytoplasm have."""
    return float((images[..., 1] < 150).mean())


def redness(images: Images) -> float:
    """Mean of red minus blue over the stained pixels in the middle of the image."""
    middle = images[:, 12:36, 12:36].astype(float)
    stained = middle[..., 1] < 170
    return float((middle[..., 0] - middle[..., 2])[stained].mean())


def test_the_kinds_are_the_eight_of_the_pbc_set_in_order() -> None:
    assert tuple(sorted(KINDS)) == KINDS
    assert len(KINDS) == 8
    assert {"ig", "platelet"} < set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [16, 33, 64, 512])
def test_an_image_has_the_size_and_the_type_asked_for(kind: str, size: int) -> None:
    image = draw(kind, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.std() > 10


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    size=st.integers(16, 96),
    seed=st.integers(0, 2**63),
    difficulty=st.floats(0, 1),
)
def test_one_seed_gives_one_image_and_another_seed_another(kind: str, size: int, seed: int, difficulty: float) -> None:
    image = draw(kind, size, seed, difficulty)
    assert np.array_equal(image, draw(kind, size, seed, difficulty))
    assert not np.array_equal(image, draw(kind, size, seed + 1, difficulty))
    assert image.shape == (size, size, 3)


def test_another_process_draws_the_same_image() -> None:
    code = (
        "import numpy as np; from bench.data.sources.synthetic.drawing import draw_cell; "
        "import zlib; print(zlib.crc32(draw_cell('ig', 64, np.random.default_rng(5)).tobytes()))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.strip().isdigit()


@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_gives_the_same_scene_at_every_size(kind: str) -> None:
    large = Image.fromarray(draw(kind, 128, 3, 0.3)).resize((32, 32), Image.Resampling.BOX)
    small = draw(kind, 32, 3, 0.3).astype(float)
    other = draw(kind, 32, 4, 0.3).astype(float)
    same = np.abs(small - np.asarray(large, dtype=float)).mean()
    assert same < 0.5 * np.abs(small - other).mean()


def test_the_generator_is_all_that_is_random() -> None:
    rng = np.random.default_rng(1)
    first, second = draw_cell("ig", 32, rng), draw_cell("ig", 32, rng)
    assert not np.array_equal(first, second)
    np.random.seed(0)
    third = draw("ig", 32, 1)
    assert np.array_equal(first, third)


@pytest.mark.parametrize("difficulty", [0.0, 0.5])
def test_platelets_are_the_smallest_and_monocytes_the_largest(difficulty: float) -> None:
    areas = {kind: foreign_area(sample(kind, difficulty)) for kind in KINDS}
    assert min(areas, key=areas.__getitem__) == "platelet"
    assert max(areas, key=areas.__getitem__) in {"monocyte", "ig"}
    assert areas["monocyte"] > 1.5 * areas["lymphocyte"]


@pytest.mark.parametrize("difficulty", [0.0, 0.5])
def test_eosinophils_are_the_reddest(difficulty: float) -> None:
    reds = {kind: redness(sample(kind, difficulty)) for kind in KINDS}
    assert max(reds, key=reds.__getitem__) == "eosinophil"
    assert reds["eosinophil"] > reds["lymphocyte"] + 20


def test_a_dark_nucleus_fills_lymphocytes_and_basophils() -> None:
    share = {kind: dark_area(sample(kind, 0.0)) / foreign_area(sample(kind, 0.0)) for kind in KINDS}
    for dense in ("lymphocyte", "basophil"):
        for pale in ("eosinophil", "monocyte", "ig", "erythroblast"):
            assert share[dense] > share[pale] + 0.1, (dense, pale, share)


def test_neutrophils_have_more_lobes_than_eosinophils_and_lymphocytes_have_one() -> None:
    def lobes(kind: str) -> float:
        return float(np.mean([round(draw_traits(kind, np.random.default_rng(i), 0.0).lobes) for i in range(60)]))

    assert lobes("lymphocyte") < 1.2 < lobes("eosinophil") < 2.6 < lobes("neutrophil") < 5


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32), difficulty=st.floats(0, 1))
def test_traits_stay_drawable(kind: str, seed: int, difficulty: float) -> None:
    traits = draw_traits(kind, np.random.default_rng(seed), difficulty)
    assert 0.1 <= traits.radius <= 0.8
    assert traits.elongation >= 1
    assert 1 <= round(traits.lobes) <= 6
    assert 0 <= traits.pinch <= 1
    assert 0 <= traits.granules <= 1
    assert 0 <= traits.nucleus_green <= 255


def scores(difficulty: float) -> tuple[float, float]:
    """Test accuracy of a logistic regression and of a nearest centroid on raw pixels, 60 + 40 images a kind."""
    train, test = (
        np.concatenate([sample(kind, difficulty, count, 24, first) for kind in KINDS])
        for count, first in ((60, 0), (40, 1000))
    )
    flat = [part.reshape(len(part), -1) / 255.0 for part in (train, test)]
    labels = [np.repeat(np.arange(8), count) for count in (60, 40)]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=1000))
    return tuple(  # type: ignore[return-value]
        float(model.fit(flat[0], labels[0]).score(flat[1], labels[1])) for model in (linear, NearestCentroid())
    )


def test_accuracy_falls_with_difficulty_and_is_never_at_chance() -> None:
    found = [scores(difficulty) for difficulty in (0.0, 0.5, 1.0)]
    for easy, middling, hard in zip(*found, strict=True):
        assert easy > middling + 0.1 > hard + 0.2
    linear = [pair[0] for pair in found]
    assert linear[0] > 0.9
    assert 0.4 < linear[1] < 0.75
    assert 0.18 < linear[2] < 0.5


@pytest.mark.parametrize("kind", ["neutrofil", "Basophil", "", None, 3, ["ig"]])
def test_an_unknown_kind_is_refused_with_the_known_ones(kind: Any) -> None:
    with pytest.raises(DataError, match=r"basophil.*platelet"):
        draw(kind)


def test_a_mistyped_kind_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match="Did you mean 'neutrophil'"):
        draw("neutrofil")


@pytest.mark.parametrize("size", [15, 0, -64, 4097, 64.0, "64", True, None, float("nan")])
def test_a_size_that_cannot_be_is_refused_with_the_range(size: Any) -> None:
    with pytest.raises(DataError, match="16 to 4096"):
        draw("ig", size)


@pytest.mark.parametrize("difficulty", [-0.01, 1.01, float("nan"), float("inf"), "0.5", True, None])
def test_a_difficulty_out_of_range_is_refused(difficulty: Any) -> None:
    with pytest.raises(DataError, match=r"from 0 \(easy\) to 1"):
        draw("ig", difficulty=difficulty)


def test_numbers_of_numpy_are_numbers() -> None:
    image = draw("ig", np.int64(32), 0, np.float32(0.5))  # type: ignore[arg-type]
    assert np.array_equal(image, draw("ig", 32))


def test_a_soft_step_rises_from_0_to_1_around_0() -> None:
    steps = soft_step(np.array([-3, -0.5, 0, 0.5, 3], dtype=np.float32), 1.0)
    assert steps[[0, 2, 4]].tolist() == [0, 0.5, 1]
    assert steps[1] + steps[3] == pytest.approx(1)


def test_a_chain_is_as_thick_as_its_lobes_and_thinner_between() -> None:
    points = np.array([[-1.0, 0.0], [1.0, 0.0]])
    x, y = np.array([-1, 0, 1, 3], dtype=np.float32), np.zeros(4, dtype=np.float32)
    assert chain_distance(x, y, points, 0.5, 0.4).tolist() == pytest.approx([0.5, 0.3, 0.5, -1.5])
    assert chain_distance(x, y, points[:1], 0.5, 0.4).tolist() == pytest.approx([0.5, -0.5, -1.5, -3.5])


def test_the_grid_runs_over_pixel_centers() -> None:
    assert grid(0, 4, 4, 0.0).tolist() == [-0.75, -0.25, 0.25, 0.75]
    assert grid(2, 2, 4, 0.25).tolist() == [0.0, 0.5]


def test_smooth_noise_is_smooth_and_about_standard() -> None:
    noise = smooth_noise(np.random.default_rng(0), 12, 120, 100)
    assert noise.shape == (120, 100)
    assert abs(float(noise.mean())) < 0.4
    assert 0.6 < float(noise.std()) < 1.5
    assert float(np.abs(np.diff(noise, axis=0)).mean()) < 0.25 * float(noise.std())
