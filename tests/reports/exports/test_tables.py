from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.table import COLUMNS
from reports import export, render_report


def test_csv_begins_with_the_columns_of_the_contract(full_run: Path, tmp_path: Path) -> None:
    path = export(full_run, "csv", tmp_path / "out.csv")
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert len(rows) == 23
    failed = next(row for row in rows if row["status"] == "timeout")
    assert failed["accuracy"] == failed["train_seconds"] == failed["energy_j"] == ""
    assert "time_limit" in failed["error"]
    assert rows[1]["energy_j"] == ""


def test_json_holds_the_full_results(full_run: Path, tmp_path: Path) -> None:
    rows = json.loads(export(full_run, "json", tmp_path / "out.json").read_text(encoding="utf-8"))
    assert len(rows) == 23
    ok = next(row for row in rows if row["status"] == "ok")
    assert {"timings", "memory", "confusion", "metrics"} <= set(ok)


def test_markdown_and_latex_have_a_row_for_every_planned_cell(full_run: Path, tmp_path: Path) -> None:
    markdown = export(full_run, "markdown", tmp_path / "out.md").read_text(encoding="utf-8")
    assert len(markdown.strip().splitlines()) == 26
    assert "</script>" not in markdown
    assert re.search(r"96\.25 % \\\[93\.\d, 97\.\d\\\]", markdown)
    latex = export(full_run, "latex", tmp_path / "out.tex").read_text(encoding="utf-8")
    assert latex.count(r"\\") == 25
    assert r"\_underscored \$x\textasciicircum{}\$" in latex


def test_the_default_place_is_the_run(make_run: Callable[..., Path]) -> None:
    run = make_run(images=80)
    assert export(run, "markdown") == run / "results.md"


def test_an_unknown_format_names_the_nearest(full_run: Path) -> None:
    with pytest.raises(RunError, match="Did you mean 'json'"):
        export(full_run, "jsn")


def test_the_function_is_not_hidden_by_a_module(make_run: Callable[..., Path]) -> None:
    import reports

    render_report([make_run(models=[("a", "cnn", None, 9_000_000, 3.0)], devices=("cpu",), images=60)])
    assert callable(reports.export)
    assert callable(reports.render_report)


HOSTILE = ['=HYPERLINK("http://x","y")', "@SUM(1)", "+1", "-2+3", "left\u202eright\x1b[31m"]


def test_hostile_labels_are_no_formulas_and_turn_no_writing(make_run: Callable[..., Path], tmp_path: Path) -> None:
    models = [(label, "cnn", None, 1_000_000, 3.0) for label in HOSTILE]
    run = make_run(models=models, devices=("cpu",), images=80, classes=["a\u2066b", "=c"])
    rows = list(csv.DictReader(io.StringIO(export(run, "csv", tmp_path / "x.csv").read_text(encoding="utf-8"))))
    assert [row["model"] for row in rows] == [f"'{label}" for label in HOSTILE[:4]] + ["left\ufffdright\ufffd[31m"]
    texts = [export(run, form, tmp_path / form).read_text(encoding="utf-8") for form in ("csv", "markdown", "latex")]
    texts.append(render_report([run]).read_text(encoding="utf-8"))
    for text in texts:
        assert not set(text) & {"\u202e", "\u2066", "\x1b"}


@pytest.mark.parametrize("label", ["*b", "[a] x", "[1ex]"])
def test_no_label_is_read_as_an_option_of_the_latex_row_before(
    make_run: Callable[..., Path], tmp_path: Path, label: str
) -> None:
    run = make_run(models=[(label, "cnn", None, 1_000_000, 3.0)] * 2, devices=("cpu",), images=80)
    lines = export(run, "latex", tmp_path / "out.tex").read_text(encoding="utf-8").splitlines()
    begun = [line for before, line in pairwise(lines) if before.endswith((r"\\", r"\midrule"))]
    assert [line for line in begun if line.startswith(("*", "["))] == []
    assert sum(line.startswith("{}" + label) for line in begun) == 2
