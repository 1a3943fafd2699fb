from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.results.writer import acquire_lock


def _try(folder: Path) -> bool:
    try:
        with acquire_lock(folder):
            return True
    except RunError:
        return False


def test_a_claim_is_kept_from_others_and_given_back(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        with acquire_lock(tmp_path):
            assert pool.apply(_try, (tmp_path,)) is False
        assert pool.apply(_try, (tmp_path,)) is True


def test_a_claim_within_one_process(tmp_path: Path) -> None:
    with acquire_lock(tmp_path), pytest.raises(RunError, match="another patchbench is writing"), acquire_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"), acquire_lock(tmp_path / "file" / "run"):
        pass
