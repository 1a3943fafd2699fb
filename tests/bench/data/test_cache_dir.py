"""Advice that can be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.data.cache_dir import advice


def test_the_advice_fits_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBENCH_CACHE", str(tmp_path / "cache"))
    assert advice(tmp_path / "cache" / "pixels").endswith("or use --no-cache")
    for kind in ("downloads", "hub"):
        assert advice(tmp_path / "cache" / kind / "x") == "set PATCHBENCH_CACHE to a folder that can be written"
    assert "--no-cache" not in advice(tmp_path / "patchbench-x"), "the run is without a cache already"
