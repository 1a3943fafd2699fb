"""What a run stores of its surroundings is shown, and what is not stored is not taken for granted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.results.notice import Notice
from reports import render_report
from tests.reports.run_folder import change_results

TWO = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 2.0)]


def rows_of(page: str) -> dict[str, str]:
    section = page.split('<section id="environment"')[1].split("</dl>")[0]
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", section))


def determinism_of(page: str) -> str:
    item = re.search(r'<li class="(\w+)">(?:(?!</li>).)*Settings for determinism are stored', page)
    assert item is not None
    return item[1]


def test_everything_that_is_stored_of_the_surroundings_is_shown(full_page: Path) -> None:
    rows = rows_of(full_page.read_text(encoding="utf-8"))
    assert rows["Clock"] == "governor powersave &lt;x&gt;, turbo on, one thread per core"
    assert rows["Container and limits"] == "docker, 1.5 cores at once, 8192 MiB of memory"
    assert rows["Variables"] == "OMP_NUM_THREADS=2"
    assert rows["Energy of the CPU"].startswith("CPU: this system shows no RAPL counters")
    assert rows["Threads"] == "torch: 2"
    assert rows["Devices"] == "NVIDIA T4"
    assert rows["Determinism"] == "deterministic_algorithms: warn_only, cudnn_benchmark: False, tf32: False"
    assert rows["GPUs"] == "none"


def test_settings_for_determinism_are_those_of_the_cells(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    assert determinism_of(render_report([run]).read_text(encoding="utf-8")) == "yes"

    def forget(result: dict[str, Any]) -> None:
        if result["label"] == "b":
            result["context"]["determinism"] = None

    change_results(run, forget)
    assert determinism_of(render_report([run]).read_text(encoding="utf-8")) == "unknown"


def test_what_cells_say_of_themselves_is_shown(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())

    def speak(result: dict[str, Any]) -> None:
        notices = [Notice.of("warmup_not_steady", passes=20)]
        if result["label"] == "b":
            notices += [Notice.of("not_isolated"), Notice.of("threads_changed", threads=2, begin=1, end=1)]
        result["context"]["notices"] = [notice.model_dump() for notice in notices]

    change_results(run, speak)
    page = render_report([run]).read_text(encoding="utf-8")
    alerts = page.split('<ul class="alerts">')[1].split("</ul>")[0]
    assert "a_p16, b: not steady after 20 passes" in alerts
    assert "b: not isolated, not timed" in alerts
    rows = page.split('<table id="board"')[1].split("</table>")[0].split("<tr")
    for text in ("not isolated, not timed", "torch had 1 CPU threads"):
        assert [(text in row) for row in rows if 'data-text="' in row] == [False, True]


def test_notices_of_one_code_with_other_values_are_shown_apart(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())

    def notify(result: dict[str, Any]) -> None:
        passes = 20 if result["label"] == "b" else 1
        result["context"]["notices"] = [Notice.of("warmup_not_steady", passes=passes).model_dump()]

    change_results(run, notify)
    alerts = render_report([run]).read_text(encoding="utf-8").split('<ul class="alerts">')[1].split("</ul>")[0]
    assert "a_p16: not steady after 1 pass<" in alerts
    assert "b: not steady after 20 passes<" in alerts


def test_rows_that_were_measured_differently_are_told(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    found = render_report([run]).read_text(encoding="utf-8")
    assert "Different numbers of threads" not in found
    assert "Different measurements of memory" not in found

    def differ(result: dict[str, Any]) -> None:
        if result["label"] == "b":
            result["context"].update(threads=8, threads_by="quota")
            result["memory"]["method"] = Notice.of("pss_sampled").model_dump()

    change_results(run, differ)
    page = render_report([run]).read_text(encoding="utf-8")
    alerts = page.split('<ul class="alerts">')[1].split("</ul>")[0]
    assert "Cells on the CPU ran with 2, 8 threads" in alerts
    assert "Peak RAM was measured in different ways" in alerts
    assert "torch: 8 (CPU quota)" in rows_of(page)["Threads"]


def test_a_run_without_a_stored_environment_claims_nothing(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=60, bad={}, not_run=())
    (run / "environment.json").unlink()
    change_results(run, lambda result: result.update(context={}))
    page = render_report([run]).read_text(encoding="utf-8")
    assert "No environment is stored." in page
    assert determinism_of(page) == "unknown"
