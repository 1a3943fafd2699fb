from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.duration import duration

MARGIN = 1.01
"""Three digits are within 0.5 % of the figure; minutes and seconds are rounded to whole ones."""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0 ms"), (0.0042, "4.2 ms"), (0.85, "850 ms"), (0.9996, "1.00 s"), (9.99, "9.99 s"),
     (9.996, "10.0 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"), (245, "4 min 05 s"), (3599.6, "1 h 00 min"),
     (7620, "2 h 07 min"), (360_000, "100 h 00 min")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def read(text: str) -> float:
    words = text.split()
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))


@given(st.floats(min_value=1e-6, max_value=1e7))
def test_what_is_written_is_the_duration_to_a_hundredth(seconds: float) -> None:
    assert seconds / MARGIN <= read(duration(seconds)) <= seconds * MARGIN
