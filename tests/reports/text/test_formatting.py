from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.results.notice import Notice
from reports.text.formatting import Value, amount, duration, memory, number, percent, plain, points


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4.2 ms"), (0.84, "840 ms"), (9.99, "9.99 s"), (12.34, "12.3 s"), (59.96, "1 min 00 s"),
     (312, "5 min 12 s"), (3599.6, "1 h 00 min"), (7500, "2 h 05 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds).text == text
    assert duration(seconds).raw == seconds


@pytest.mark.parametrize(
    ("value", "text"), [(812.4, "812 MiB"), (1658.88, "1.62 GiB"), (999.9, "0.98 GiB")]
)  # fmt: skip
def test_memory(value: float, text: str) -> None:
    assert memory(value).text == text


@pytest.mark.parametrize(("count", "text"), [(22_100_000, "22.1 M"), (4.6e9, "4.6 G"), (999_999, "1 M"), (512, "512")])
def test_amounts(count: float, text: str) -> None:
    assert amount(count).text == text


@pytest.mark.parametrize("write", [duration, memory, amount, percent, number])
def test_what_was_not_measured_is_a_dash_with_a_reason(write: Callable[..., Value]) -> None:
    for why in ("no counter", Notice.of("no_rapl")):
        value = write(None, why)
        assert (value.text, value.raw, value.title, value.is_missing) == ("–", None, why, True)
    assert not write(0.0).is_missing


@given(st.floats(-1, 1))
def test_points_carry_their_sign(difference: float) -> None:
    text = points(difference)
    assert text[0] in "+−"
    assert abs(float(text.replace("−", "-")) - difference * 100) <= 0.051


def test_no_figure_has_an_exponent_that_readers_would_have_to_work_out() -> None:
    assert plain(4840.1, unit="img/s").text == "4840 img/s"
    assert plain(12_345.0).text == "12300"
    assert plain(123.4).text == "123"
