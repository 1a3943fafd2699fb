"""Sections and export formats that an installed package adds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TWO = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 2.0)]
MODULE = """
from jinja2 import DictLoader
from reports.exports.base import text_export
from reports.sections.base import Section

TEMPLATE = "<p>{{ content.models }} models, {{ _('Accuracy') }} <{{ '<b>' }}></p>"

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


def test_a_section_and_an_export_of_an_installed_package(
    make_run: Callable[..., Path], with_extras: dict[str, str]
) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    for command in (["report", run, "--lang", "es"], ["export", run, "--format", "ids", "--out", run / "results.ids"]):
        done = subprocess.run(
            [sys.executable, "-m", "bench", *map(str, command)],
            env=with_extras,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    page = (run / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="extra"') :]
    assert page.index('id="checklist"') < page.index('<section id="extra"'), "after those of the report"
    assert ">Extra figures</h2>" in section
    assert "<p>2 models, Exactitud <&lt;b&gt;></p>" in section, "escaped, and in the page's language"
    assert (run / "results.ids").read_text().split() == sorted(path.name for path in run.glob("cells/*"))
