"""Sections, export formats and metrics that an installed package adds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.results.run import Run
from tests.known import known
from tests.reports.run_folder import change_results, store_predicted

TWO = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 2.0)]
MODULE = """
import numpy as np
from bench.stats.metrics import Metric
from jinja2 import DictLoader
from reports.exports.base import text_export
from reports.sections.base import Section

TEMPLATE = "<p>{{ content.models }} models, {{ _('Accuracy') }} <{{ '<b>' }}></p>"

def worst(matrices):
    return np.min(np.diagonal(matrices, axis1=-2, axis2=-1) / matrices.sum(axis=-1), axis=-1)

METRIC = Metric(title="Worst recall", help="The lowest recall of a class.", of_matrices=worst)
SECTION = Section(
    "Extra figures",
    lambda page: {"models": len(page.data.ok)},
    templates=DictLoader({"section_extra.html.j2": TEMPLATE, "report.html.j2": "taken over"}),
)
EXPORT = text_export("ids", lambda run: "".join(f"{result.id}\\n" for result in run.results()))
"""
POINTS = """
[patchbench.sections]
extra = their_extras:SECTION
[patchbench.metrics]
worst_recall = their_extras:METRIC
[patchbench.exports]
ids = their_extras:EXPORT
"""


@pytest.fixture
def with_extras(tmp_path: Path) -> dict[str, str]:
    """An environment in which a distribution with a section and an export is installed, as pip leaves it behind."""
    site = tmp_path / "site"
    about = site / "their_extras-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-extras\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    (site / "their_extras.py").write_text(MODULE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *sys.path])}


def patchbench(env: dict[str, str], *words: str | Path) -> str:
    """Run a command, which has to succeed, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_section_and_an_export_of_an_installed_package(
    make_run: Callable[..., Path], with_extras: dict[str, str]
) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    patchbench(with_extras, "report", run, "--lang", "es")
    patchbench(with_extras, "export", run, "--format", "ids", "--out", run / "results.ids")
    page = (run / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="extra"') :]
    assert page.index('id="checklist"') < page.index('<section id="extra"'), "after those of the report"
    assert ">Extra figures</h2>" in section
    assert "<p>2 models, Exactitud <&lt;b&gt;></p>" in section, "escaped, and in the page's language"
    assert (run / "results.ids").read_text().split() == sorted(path.name for path in run.glob("cells/*"))


def test_a_metric_of_an_installed_package_is_as_good_as_any(
    make_run: Callable[..., Path], with_extras: dict[str, str]
) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    change_results(run, lambda result: result["metrics"].update(worst_recall=0.4321))
    patchbench(with_extras, "report", run)
    page = (run / "report.html").read_text(encoding="utf-8")
    board = page.split('<table id="board"')[1].split("</table>")[0]
    assert ">Worst recall" in board
    assert board.count(">43.21 %<") == 2
    assert ">Worst recall</text>" in page.split('<section id="uncertainty"')[1].split("</section>")[0], "with intervals"
    head, *rows = patchbench(with_extras, "export", run).splitlines()
    assert [row.split(",")[head.split(",").index("worst_recall")] for row in rows] == ["0.4321"] * 2
    assert "| Worst recall |" in patchbench(with_extras, "export", run, "--format", "markdown").splitlines()[0]
    assert patchbench(with_extras, "export", run, "--format", "latex").count(r"43.21 \%") == 2
    again = make_run("again", models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    for path, other in zip(sorted(again.glob("cells/*")), sorted(run.glob("cells/*"), reverse=True), strict=True):
        store_predicted(again, path.name, known(Run(run).predictions(other.name)).predicted)
    compared = (
        "from reports.comparison.reproducibility import agreement\n"
        f"for _kind, line in agreement({str(run)!r}, {str(again)!r}).lines(): print(line)"
    )
    done = subprocess.run([sys.executable, "-c", compared], env=with_extras, capture_output=True, text=True, check=True)
    assert done.stdout.count("Worst recall ") == 2
