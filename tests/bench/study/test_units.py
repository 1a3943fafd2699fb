from __future__ import annotations

import pytest

from bench.study.units import parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6h", 21600),
        ("90m", 5400),
        ("1h30m", 5400),
        ("45s", 45),
        ("1.5h", 5400),
        ("250ms", 0.25),
        ("2 min", 120),
        (7, 7),
        ("30", 30),
    ],
)
def test_durations_as_people_write_them(text: object, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["soon", "6 hours and a bit", "", "h", True, None, [1]])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_seconds(text)
