"""Figures in human form, with the raw value beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.results.duration import duration as written
from bench.results.notice import Notice
from reports.text.i18n import N_

__all__ = [
    "Value",
    "Why",
    "amount",
    "duration",
    "escaped",
    "markdown_cell",
    "memory",
    "number",
    "percent",
    "plain",
    "points",
    "visible",
]

DASH = "–"
NOT_MEASURED = N_("not measured")
_UNSEEN = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]")

Why = str | Notice
"""Why there is no figure: a text of the page, marked by `N_`, or what the run stored; `word` puts both into words."""


@dataclass(frozen=True)
class Value:
    """A figure for a table: the text to show, the raw number to sort by, and what to say when pointed at.

    A figure that was not measured has no raw number, shows a dash, and its title says why.
    """

    text: str
    raw: float | None = None
    title: Why = ""

    @property
    def is_missing(self) -> bool:
        """Whether there is no figure."""
        return self.raw is None


def visible(text: str) -> str:
    """The text with � for control characters and for those that turn the direction of writing, which would let a name
    show as another one (CVE-2021-42574)."""
    return _UNSEEN.sub("\ufffd", text)


def escaped(json_text: str) -> str:
    """JSON with those characters as escapes: a reader sees them, and a program reads the names as they are."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", json_text)


def _missing(why: Why) -> Value:
    return Value(DASH, None, why)


def percent(fraction: float | None, why: Why = NOT_MEASURED, digits: int = 2) -> Value:
    """Write a fraction of 1 in percent."""
    if fraction is None:
        return _missing(why)
    return Value(f"{fraction * 100:.{digits}f} %", fraction, f"{fraction:.6g}")


def points(difference: float, digits: int = 1) -> str:
    """Write a difference of two fractions in percentage points, with its sign."""
    return f"{difference * 100:+.{digits}f}".replace("-", "−")


def number(value: float | None, why: Why = NOT_MEASURED, digits: int = 3) -> Value:
    """Write a plain number with a fixed number of decimals."""
    if value is None:
        return _missing(why)
    return Value(f"{value:.{digits}f}".replace("-", "−"), value, f"{value:.6g}")


def duration(seconds: float | None, why: Why = NOT_MEASURED) -> Value:
    """Write seconds as ``840 ms``, ``12.3 s``, ``5 min 12 s`` or ``2 h 05 min``."""
    if seconds is None:
        return _missing(why)
    return Value(written(seconds), seconds, f"{seconds:.6g} s")


def memory(mib: float | None, why: Why = NOT_MEASURED) -> Value:
    """Write MiB as ``812 MiB`` or ``1.62 GiB``."""
    if mib is None:
        return _missing(why)
    text = f"{mib:.0f} MiB" if mib < 999.5 else f"{mib / 1024:.2f} GiB"
    return Value(text, mib, f"{mib:.6g} MiB")


def amount(count: float | None, why: Why = NOT_MEASURED, unit: str = "") -> Value:
    """Write a large count as ``22.1 M`` or ``4.6 G``, powers of 1000."""
    if count is None:
        return _missing(why)
    title = f"{count:,.0f}".replace(",", " ") + (f" {unit}" if unit else "")
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= size * 0.9995:
            return Value(f"{count / size:.3g} {letter}{unit}", count, title)
    return Value(f"{count:g}{' ' + unit if unit else ''}", count, title)


def plain(value: float | None, why: Why = NOT_MEASURED, unit: str = "", digits: int = 3) -> Value:
    """Write a number to some significant digits, with its unit."""
    if value is None:
        return _missing(why)
    text = f"{value:.{digits}g}"
    if "e+" in text:  # 4840 and not 4.84e+03
        text = f"{float(text):.0f}"
    return Value(f"{text}{' ' + unit if unit else ''}", value, f"{value:.6g}{' ' + unit if unit else ''}")


def markdown_cell(text: str) -> str:
    """A text that Markdown shows as it is, in a table too."""
    text = re.sub(r"\s+", " ", visible(text))
    return re.sub(r"([\\`*_\[\]<>|#~$&])", r"\\\1", text)
