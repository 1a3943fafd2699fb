"""What the report says of the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.results.dataset import DatasetManifest
from bench.results.notice import verbatim
from reports import render_report
from tests.reports.run_folder import change_stored


def test_what_was_done_to_images_on_the_way_is_said(make_run: Callable[..., Path]) -> None:
    run = make_run(devices=("cpu",), images=16, epochs=1, bad={}, not_run=(), thumbnails=False)
    assert "On the way to 8-bit RGB" not in render_report([run]).read_text(encoding="utf-8")
    done = verbatim("3 images were turned").model_dump()
    change_stored(run / "dataset.json", DatasetManifest, lambda raw: raw["audit"].update(conversions=[done]))
    text = render_report([run]).read_text(encoding="utf-8")
    assert "On the way to 8-bit RGB" in text
    assert "3 images were turned" in text
