"""Sixty of the random changes of `tests.fuzz.run_folders`; python -m tests.fuzz.run_folders --count 1000 tries more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.run_folders import TARGETS, build, tries

QUICK = ("compare", "csv", "json", "markdown", "croissant", "model-cards", "reproduce")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_a_changed_run_folder_is_read_or_refused(whole: Path, tmp_path: Path, first: int) -> None:
    """The page and the figures take a second each: one in ten is drawn."""
    for seed in range(first, first + 10):
        names = (*QUICK, "report") if seed == first else QUICK
        ended = tries(whole, tmp_path, seed, {name: TARGETS[name] for name in names})
        assert set(ended.values()) <= {"ok", "refused"}, "\n".join(ended.values())
