"""Names in figures: whatever they read like, they are names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from reports import render_report
from reports.figures.svg import Names, inline, settings


def test_a_name_that_reads_like_a_token_is_a_name() -> None:
    names = Names()
    text = " ".join(names.token(name) for name in ("Q00001QQ00001Q", "Q00002QQ00000Q", "plain"))
    assert names.put(text) == "Q00001QQ00001Q Q00002QQ00000Q plain"
    assert names.put("Q00003Q") == "Q00003Q", "of no name here"


@pytest.mark.parametrize(
    "name", ["Q00000Q", "$x^2$ \\frac", "<b>&amp;", "\\1 \\g<0>", "{0} %s", "\ud800", "\x00\x1b[2J"]
)
def test_odd_names_stand_in_a_figure_as_they_are(name: str) -> None:
    names = Names()
    with mpl.rc_context(settings()):
        figure = Figure()
        figure.subplots().set_title(names.token(name))
        text = inline(figure, "x", name, names)
    str(text).encode("utf-8", "backslashreplace")
    assert "<b>" not in text


def test_a_page_of_such_names_does_not_grow(make_run: Callable[..., Path]) -> None:
    def models(names: list[str]) -> Path:
        found = [(name, "vit", 16, 10**6 * (i + 1), 2.0 + i / 10) for i, name in enumerate(names)]
        return make_run(names[0], models=found, devices=("cpu",), images=60, epochs=1, bad={}, not_run=())

    odd = models([f"Q{i + 1:05d}QQ{i + 1:05d}Q" for i in range(6)])
    plain = models([f"model-{i}-of-14-x" for i in range(6)])
    sizes = [render_report([run]).stat().st_size for run in (odd, plain)]
    assert sizes[0] < sizes[1] * 1.05
