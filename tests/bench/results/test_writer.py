from __future__ import annotations

import multiprocessing
from contextlib import suppress
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


def test_a_lock_keeps_others_out_and_is_given_back(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        with acquire_lock(tmp_path):
            assert pool.apply(_try, (tmp_path,)) is False
        assert pool.apply(_try, (tmp_path,)) is True


def test_a_lock_within_one_process(tmp_path: Path) -> None:
    with acquire_lock(tmp_path), pytest.raises(RunError, match="another patchbench is writing"), acquire_lock(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"), acquire_lock(tmp_path / "file" / "run"):
        pass


@pytest.mark.parametrize("error", [None, RunError("of the data")])
def test_no_lock_file_is_left(error: RunError | None, tmp_path: Path) -> None:
    with suppress(RunError), acquire_lock(tmp_path):
        assert (tmp_path / ".lock").exists()
        if error is not None:
            raise error
    assert list(tmp_path.iterdir()) == []
