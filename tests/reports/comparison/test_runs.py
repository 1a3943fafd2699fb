"""Two runs beside each other: what became better or worse beyond noise."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunError
from bench.results.environment import Environment
from bench.results.notice import verbatim
from bench.results.run import Run, load_results
from bench.results.schema import CellResult
from reports import compare_runs
from reports.comparison.page import lines
from reports.comparison.runs import Compared
from reports.text.i18n import ENGLISH
from tests.known import known
from tests.reports.run_folder import change_stored, store_predicted

Runs = tuple[Path, Path]
"""Before and after."""
MODELS = [  # label, family, patch, parameters, skill
    ("vit_small_p16", "vit", 16, 21_800_000, 4.1),
    ("vit_small_p128", "vit", 128, 36_200_000, 2.0),
    ("resnet18", "cnn", None, 11_200_000, 3.9),
    ("resnet50", "cnn", None, 23_500_000, 4.15),
    ("</script><img src=x onerror=alert(2)>", "cnn", None, 3_400_000, 3.7),
]


@pytest.fixture
def runs(make_run: Callable[..., Path], tmp_path: Path) -> Runs:
    before = make_run(thumbnails=False, models=MODELS)
    after = tmp_path / "after"
    shutil.copytree(before, after)
    return before, after


def _change(run: Path, label: str, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the stored results of a model on the CPU."""
    for path in run.glob("cells/*/result.json"):
        found = CellResult.from_json(path.read_text(), str(path))
        if (found.label, found.cell.device) == (label, "cpu"):
            change_stored(path, CellResult, edit)


def _outcomes(compared: Compared, label: str) -> dict[str, str]:
    found = [pair for pair in compared.pairs if pair.title.startswith(f"{label} · frozen · cpu")]
    assert len(found) == 1
    return {item.measure: item.outcome for item in found[0].changes}


def test_a_run_and_its_copy_do_not_differ(runs: Runs) -> None:
    compared = compare_runs(*runs)
    assert compared.count("better") == compared.count("worse") == 0
    assert compared.count("same") > 20
    assert compared.regressions == []


def test_slower_larger_and_broken_cells_are_reported(runs: Runs) -> None:
    def slower(stored: dict[str, Any]) -> None:
        stored["timings"]["epoch_seconds"] = [1.5 * s for s in stored["timings"]["epoch_seconds"]]
        stored["memory"]["peak_ram_mib"] *= 1.3

    _change(runs[1], "resnet18", slower)
    error = {"kind": "x", "notice": verbatim("why <b>").model_dump()}
    _change(runs[1], "resnet50", lambda s: s.update(status="failed", error=error))
    compared = compare_runs(*runs)
    found = _outcomes(compared, "resnet18")
    assert found["An epoch, median"] == found["Peak RAM"] == "worse"
    assert found["Accuracy"] == "same"
    assert _outcomes(compared, "resnet50") == {"Status": "worse"}
    assert len(compared.regressions) == 2
    back = compare_runs(runs[1], runs[0])
    assert _outcomes(back, "resnet18")["An epoch, median"] == "better"
    assert back.regressions == []


def test_a_small_change_of_time_is_no_regression(runs: Runs) -> None:
    def a_little(stored: dict[str, Any]) -> None:
        stored["timings"]["epoch_seconds"] = [1.03 * s for s in stored["timings"]["epoch_seconds"]]

    _change(runs[1], "resnet18", a_little)
    assert compare_runs(*runs).regressions == []


def test_accuracy_is_decided_by_a_test_on_the_same_images(runs: Runs) -> None:
    """A model's predictions exchanged for those of one that is clearly worse."""
    ids = {r.label: r.id for r in load_results(runs[1]).results() if r.cell.device == "cpu"}
    bad = known(Run(runs[1]).predictions(ids["vit_small_p128"]))
    store_predicted(runs[1], ids["vit_small_p16"], bad.predicted)
    compared = compare_runs(*runs)
    assert _outcomes(compared, "vit_small_p16")["Accuracy"] == "worse"
    (pair,) = compared.regressions
    (item,) = (item for item in pair.changes if item.measure == "Accuracy")
    assert re.search(r"95 % interval −\d.* points, p = ", item.why)


def test_times_of_other_machines_are_not_judged(runs: Runs) -> None:
    path = runs[1] / "environment.json"
    change_stored(path, Environment, lambda facts: facts.update(cpu={"model": "another", "usable": 64}))

    def slower(stored: dict[str, Any]) -> None:
        stored["timings"]["epoch_seconds"] = [9 * s for s in stored["timings"]["epoch_seconds"]]

    _change(runs[1], "resnet18", slower)
    compared = compare_runs(*runs)
    assert _outcomes(compared, "resnet18")["An epoch, median"] == "unknown"
    assert any("The machines differ" in text for _kind, text in lines(compared, ENGLISH))


def test_times_with_other_threads_and_memory_by_another_method_are_not_judged(runs: Runs) -> None:
    def other(stored: dict[str, Any]) -> None:
        stored["timings"]["epoch_seconds"] = [9 * s for s in stored["timings"]["epoch_seconds"]]
        stored["memory"]["peak_ram_mib"] *= 9
        stored["context"]["threads"] = 1
        stored["memory"]["method"] = {"code": "rss_sampled", "values": {}}

    _change(runs[1], "resnet18", other)
    compared = compare_runs(*runs)
    (pair,) = (pair for pair in compared.pairs if pair.title.startswith("resnet18 · frozen · cpu"))
    found = {item.measure: (item.outcome, item.why) for item in pair.changes}
    assert found["An epoch, median"] == ("unknown", "2 threads before, 1 after")
    assert found["Peak RAM"] == ("unknown", "the methods of measuring it differ")


def test_other_data_and_one_run_twice_are_refused(make_run: Callable[..., Path], runs: Runs) -> None:
    with pytest.raises(RunError, match="data fingerprint differ"):
        compare_runs(runs[0], make_run("other", fingerprint="0" * 64, models=MODELS))
    with pytest.raises(RunError, match="given twice"):
        compare_runs(runs[0], runs[0])


@pytest.mark.parametrize("lang", ["en", "es"])
def test_the_page_is_closed_and_escaped(runs: Runs, tmp_path: Path, lang: str) -> None:
    out = tmp_path / "c.html"
    compare_runs(runs[0], runs[1], out, lang=lang)
    page = out.read_text()
    assert "script-src &#39;none&#39;" in page
    assert "<script" not in page
    assert "onerror=alert(2)&gt;" in page
    assert ("sin diferencia" in page) == (lang == "es")


def _command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "bench", *words], capture_output=True, text=True, check=False)


def test_exit_codes(runs: Runs) -> None:
    _change(runs[1], "resnet18", lambda s: s["memory"].update(peak_ram_mib=9e5))
    found = _command("compare", *map(str, runs))
    assert found.returncode == 0, found.stderr
    assert "Peak RAM: " in found.stdout
    assert "worse: beyond 10 % counts" in found.stdout
    assert _command("compare", *map(str, runs), "--fail-on-regression").returncode == 1
    assert _command("compare", str(runs[0]), str(runs[0])).returncode == 2


def test_runs_without_a_cell_in_common_are_refused(make_run: Callable[..., Path], runs: Runs) -> None:
    other = make_run("other", models=[("densenet121", "cnn", None, 7_000_000, 3.0)])
    with pytest.raises(RunError, match="no cell in common"):
        compare_runs(runs[0], other)


@pytest.mark.parametrize("status", ["unavailable", "interrupted"])
def test_a_cell_that_was_not_tried_is_no_regression(runs: Runs, status: str) -> None:
    error = {"kind": "x", "notice": verbatim("y").model_dump()}
    _change(runs[1], "resnet18", lambda s: s.update(status=status, error=error))
    compared = compare_runs(*runs)
    assert _outcomes(compared, "resnet18") == {"Status": "unknown"}
    assert compared.regressions == []


def test_machines_that_are_not_known_are_not_taken_for_one(runs: Runs) -> None:
    for run in runs:
        (run / "environment.json").unlink()
    _change(runs[1], "resnet18", lambda s: s["memory"].update(peak_ram_mib=9e5))
    compared = compare_runs(*runs)
    found = _outcomes(compared, "resnet18")
    assert found["An epoch, median"] == found["Peak RAM"] == "unknown"


def test_an_older_cell_outside_the_plan_does_not_hide_the_planned_one(runs: Runs) -> None:
    (stored,) = (r for r in load_results(runs[1]).results() if r.label == "resnet18" and r.cell.device == "cpu")
    stale = runs[1] / "cells" / ("f" * 12)
    shutil.copytree(runs[1] / "cells" / stored.id, stale)

    def larger(facts: dict[str, Any]) -> None:
        facts["memory"]["peak_ram_mib"] *= 3
        facts["id"] = "f" * 12

    change_stored(stale / "result.json", CellResult, larger)
    assert compare_runs(*runs).regressions == []


def test_cells_that_are_missing_after_are_reported_and_no_regression(make_run: Callable[..., Path], runs: Runs) -> None:
    shorter = make_run("shorter", thumbnails=False, models=MODELS[:4])
    compared = compare_runs(runs[0], shorter)
    assert compared.regressions == []
    assert len(compared.only_before) == 2
    found = list(lines(compared, ENGLISH))[-1][1]
    assert "Missing from the run after, reported but not counted: 2 of 10 cells of the run before (</script>" in found
