"""Run folders for tests of the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
