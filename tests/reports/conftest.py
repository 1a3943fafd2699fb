"""Run folders for tests of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reports import render_report
from tests.reports.browser import address, browser, page  # noqa: F401 - fixtures for the tests beside this file
from tests.reports.run_folder import Recipe, build_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Give what builds a run folder: keyword arguments are `Recipe`'s."""

    def make(folder: str = "run", **changes: Any) -> Path:
        return build_run(tmp_path / folder, Recipe(**changes))

    return make


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 models on two devices with every kind of status."""
    return build_run(tmp_path_factory.mktemp("full") / "run")


@pytest.fixture(scope="session")
def full_page(full_run: Path) -> Path:
    """That run's page, which takes seconds to draw: once for all tests that only read it."""
    return render_report([full_run])


@pytest.fixture(scope="session")
def spanish_page(full_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page in Spanish."""
    return render_report([full_run], tmp_path_factory.mktemp("spanish") / "es.html", lang="es")
