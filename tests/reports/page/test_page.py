from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import RunError
from bench.results.environment import Environment
from bench.results.notice import Notice
from bench.results.run import Run, load_results
from bench.study.schema import PublishedRow
from reports import render_report
from tests.known import known
from tests.reports.run_folder import change_results, change_stored, store_predicted, write_study


class Seen(HTMLParser):
    """Every element with its attributes, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._code = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._code = tag in ("script", "style")

    def handle_endtag(self, _tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text.append(data)


TWO = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 3.0)]


@pytest.fixture(scope="module")
def page(full_page: Path) -> str:
    return full_page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def seen(page: str) -> Seen:
    return Seen(page)


def test_the_report_lands_in_the_run_and_opens_twice_the_same(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(models=TWO, images=80)
    first = render_report([run])
    assert first == run / "report.html"
    assert first.read_bytes() == render_report([str(run)], tmp_path / "again.html").read_bytes()


def test_every_planned_cell_is_in_the_leaderboard(full_run: Path, page: str) -> None:
    board = page[page.index('<table id="board"') : page.index("</table>", page.index('<table id="board"'))]
    assert board.count('<th scope="row">') == len(load_results(full_run).plan()) == 24
    for status in ("ok", "timeout", "out of memory", "failed", "diverged", "not run"):
        assert f">{status}</span>" in board
    assert "not done after the study&#39;s time_limit of 21,600 s" in board


def test_nothing_unmeasured_is_shown_as_zero(full_run: Path, page: str) -> None:
    board = page[page.index('<table id="board"') : page.index("</tbody>", page.index('<table id="board"'))]
    assert 'data-v="0"' not in board
    assert 'data-v="0.0"' not in board
    assert 'data-v=""' in board


def test_hostile_names_are_text(seen: Seen) -> None:
    scripts = [a for tag, a in seen.elements if tag == "script"]
    assert len(scripts) == 8
    assert all("onerror" not in attributes for _, attributes in seen.elements)
    assert not [a for tag, a in seen.elements if tag == "b" and a]
    text = " ".join(seen.text)
    assert "<script>alert(1)</script>" in text
    assert "$\\frac{1}{0}$ {{ 7*7 }}" in text
    assert "49" not in re.findall(r"\{\{ (\d+)", text)


def test_the_policy_lets_nothing_in(page: str, seen: Seen) -> None:
    policy = next(known(a["content"]) for tag, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    keys = ("src", "href", "srcset", "action")
    sources = [source for _, a in seen.elements for key in keys if (source := a.get(key))]
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert not [a for _, a in seen.elements if "style" in a], "the policy would block style attributes"
    assert not [a for _, a in seen.elements if any(key.startswith("on") for key in a)]


def test_ids_are_unique_and_references_resolve(page: str, seen: Seen) -> None:
    ids = [a["id"] for _, a in seen.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a.get("href") or "" for _, a in seen.elements]
    wanted = {target[1:] for target in targets if target.startswith("#")}
    wanted |= set(re.findall(r"url\(#([\w-]+)\)", page))
    assert wanted <= set(ids)


def test_published_rows_are_marked(page: str) -> None:
    section = page[page.index('id="published"') : page.index('id="dataset"')]
    assert section.count(">reported</span>") == 2
    assert "96.84 %" in section
    assert "not measured here" in section


def test_the_command_and_the_machine_are_reported(page: str) -> None:
    assert "patchbench run blood-cells --data &#39;my images.zip&#39; --device cpu,cuda" in page
    assert "A CPU &lt;2 GHz&gt;" in page


def test_the_parts_of_a_step_are_reported(page: str) -> None:
    start = page.index("<summary>Inside a training step")
    shown = page[start : page.index("</details>", start)].replace("\u202f", " ").replace("\u00a0", " ")
    for figure in (">40<", "100 ms", "5.00 %", "25.00 %", "50.00 %", "20.00 %"):
        assert figure in shown


def test_synthetic_data_is_marked(make_run: Callable[..., Path], page: str) -> None:
    run = make_run(source="synthetic", models=TWO, devices=("cpu",), images=80)
    synthetic = render_report([run]).read_text(encoding="utf-8")
    assert "Synthetic data" in synthetic
    assert "Synthetic data" not in page


def test_a_run_that_has_just_begun_can_be_read(make_run: Callable[..., Path]) -> None:
    run = make_run(images=80)
    shutil.rmtree(run / "cells")
    (run / "environment.json").unlink()
    page = render_report([run]).read_text(encoding="utf-8")
    assert "No cell ended with scores" in page
    assert page.count(">not run</span>") == 24


def test_runs_on_other_data_are_refused(make_run: Callable[..., Path]) -> None:
    first, second = make_run("one", images=80), make_run("two", images=80, fingerprint="0" * 64)
    with pytest.raises(RunError, match=r"data fingerprint differ .*test images"):
        render_report([first, second])
    assert not (first / "report.html").exists()


def test_two_machines_are_joined(make_run: Callable[..., Path]) -> None:
    first = make_run("one", models=TWO, images=80, devices=("cpu",))
    second = make_run("two", models=TWO, images=80, devices=("cuda",))
    page = render_report([first, second]).read_text(encoding="utf-8")
    assert page.count("data-run_name=") >= 4
    assert 'id="devices"' in page


def test_an_unknown_language_names_those_that_are_there(full_run: Path) -> None:
    with pytest.raises(RunError, match=r"'xx'.*en"):
        render_report([full_run], lang="xx")


def test_no_run_and_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No run was given"):
        render_report([])
    with pytest.raises(RunError, match="not a run folder"):
        render_report([tmp_path])


def test_the_data_inside_the_page_is_the_csv(page: str, full_run: Path) -> None:
    found = re.search(r'<script type="application/json" id="csv">(.*?)</script>', page, re.DOTALL)
    text = json.loads(known(found).group(1))
    assert text.startswith("cell,model,family,regime,device,precision,seed,status,accuracy,")
    assert len(text.strip().splitlines()) == 24


def test_the_page_stays_small(full_page: Path) -> None:
    assert full_page.stat().st_size < 10 * 2**20


def _publish(run: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Store these rows as what the study knows of others."""
    study = load_results(run).study
    write_study(run, study.model_copy(update={"published": tuple(map(PublishedRow.model_validate, rows))}))


def test_a_published_matrix_gives_its_own_interval(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=80)
    rows = [
        {"model": "ViT", "source": "a paper", "accuracy": 0.9, "confusion": [[90, 10], [10, 90]]},
        {"model": "odd", "source": "a paper", "accuracy": 0.5, "confusion": [[1, 2]]},
    ]
    _publish(run, rows)
    page = render_report([run]).read_text(encoding="utf-8")
    section = page[page.index('<section id="published"') : page.index('<section id="differences"')]
    assert "its own 95 % interval, from its matrix: 85." in section
    assert ">0.800<" in section
    assert "the interval of" in section


def test_a_published_matrix_alone_is_compared_too(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=80)
    rows = [{"model": "ViT", "source": "a paper", "confusion": [[90, 10], [10, 90]]}]
    _publish(run, rows)
    page = render_report([run]).read_text(encoding="utf-8")
    section = page[page.index('<section id="published"') : page.index('<section id="differences"')]
    assert ">90.00 %<" in section
    assert "the interval of" in section


def test_a_study_of_several_seeds_shows_their_spread(make_run: Callable[..., Path]) -> None:
    models = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b", "cnn", None, 9_000_000, 3.0)]
    page = render_report([make_run(models=models, devices=("cpu",), seeds=(0, 1, 2), images=80)])
    text = page.read_text(encoding="utf-8")
    assert "From seed to seed" in text
    assert "One seed only" not in text


def test_the_checklist_tells_yes_no_and_unknown(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=80)
    change_stored(run / "environment.json", Environment, lambda facts: facts.update(packages={}))
    page = render_report([run]).read_text(encoding="utf-8")
    checks = page[page.index('<ul class="checks">') : page.index("</ul>", page.index('<ul class="checks">'))]
    assert '<li class="unknown"><span class="mark-unknown" aria-hidden="true">?</span>' in checks
    assert "Versions of all packages" in checks.split('class="unknown"')[1][:200]
    assert "nothing was changed after it" in checks.split('class="no"')[1][:250]


ORDER = [
    *("verdict", "alerts", "leaderboard", "uncertainty", "cost", "devices", "phases", "memory", "inference", "curves"),
    *("models", "calibration", "gallery", "significance", "patch_size", "claims", "published", "differences"),
    *("dataset", "environment", "checklist"),
]


def test_the_sections_come_in_their_order_and_stand_in_the_contents(page: str, seen: Seen) -> None:
    assert [a["id"] for tag, a in seen.elements if tag == "section" and "id" in a] == ORDER
    contents = page[page.index('<nav class="contents"') : page.index("</nav>")]
    assert re.findall(r'href="#([\w-]+)"', contents) == ORDER


def test_each_model_has_its_matrix_classes_confusions_and_reliability(page: str) -> None:
    model = page[page.index('<details class="model"') :]
    model = model[: model.index("</details>")]
    for title in ("Confusion matrix", "Most common confusions", "Classes", "Reliability diagram", "Learning curves"):
        assert f"<h4>{title}</h4>" in model
    assert model.count('class="n"') == model.count('class="pc"') == 64


def test_family_device_and_regime_can_always_be_filtered_by(make_run: Callable[..., Path]) -> None:
    models = [("a_p16", "vit", 16, 9_000_000, 3.0), ("b_p32", "vit", 32, 9_000_000, 3.0)]
    page = render_report([make_run(models=models, devices=("cpu",), images=80)]).read_text(encoding="utf-8")
    assert set(re.findall(r'data-filter="(\w+)"', page)) >= {"group", "device", "regime", "status", "text"}


def test_published_rows_tell_whether_the_split_is_the_same(make_run: Callable[..., Path]) -> None:
    run = make_run(models=TWO, devices=("cpu",), images=80)
    rows = [
        {"model": "a", "source": "x", "accuracy": 0.9, "images": 17092},
        {"model": "b", "source": "x", "accuracy": 0.9, "confusion": [[90, 10], [10, 90]]},
        {"model": "c", "source": "x", "accuracy": 0.9, "confusion": [[40, 0], [0, 40]]},
        {"model": "d", "source": "x", "accuracy": 0.9},
    ]
    _publish(run, rows)
    page = render_report([run]).read_text(encoding="utf-8")
    section = page[page.index('<section id="published"') : page.index('<section id="differences"')]
    assert "no: 17092 images there, 400 here" in section
    assert "no: 200 test images there, 80 here" in section
    assert section.count("not known; as many test images as here") == 1
    assert section.count('<td class="wrap">not known</td>') == 1


def test_a_temperature_is_fitted_on_validation_and_applied_to_the_test_images(make_run: Callable[..., Path]) -> None:
    import numpy as np

    models = [("a_p16", "vit", 16, 9_000_000, 2.0), ("b", "cnn", None, 9_000_000, 2.0)]
    run = make_run(models=models, devices=("cpu",), images=80)
    assert "no probabilities of validation images are stored" in render_report([run]).read_text(encoding="utf-8")
    dataset = load_results(run).dataset
    labels = [dataset.labels[row] for row in dataset.rows("validation")]
    sure = np.full((len(labels), 8), 0.001, np.float32)
    sure[np.arange(len(labels)), labels] = 0.993
    wrong = np.arange(0, len(labels), 4)
    sure[wrong] = np.roll(sure[wrong], 1, axis=1)
    for cell in run.glob("cells/*"):
        np.save(cell / "validation.npy", sure)
    page = render_report([run]).read_text(encoding="utf-8")
    section = page[page.index('<section id="calibration"') : page.index('<section id="gallery"')]
    figures = [float(v) for v in re.findall(r'data-v="([\d.]+)"', section)][:7]
    assert figures[3] > 1.5, "right in three of four cases and 99 % sure: too sure"
    (next(run.glob("cells/*")) / "validation.npy").write_bytes(b"cut short")
    with pytest.raises(RunError, match=r"validation\.npy is damaged"):
        render_report([run])


def test_what_disturbed_the_measuring_is_reported(make_run: Callable[..., Path]) -> None:
    run = make_run(images=80)
    numbers = itertools.count()

    def disturbed(result: dict[str, Any]) -> None:
        number = next(numbers)
        result["context"]["system_load"] = {"other_cores": 0.9 if number < 3 else 0.01, "thermal_throttles": 2}
        if result["cell"]["device"] == "cuda":
            result["context"]["device_name"] = f"GPU {number % 3}"
        result["energy"] = {"joules": 5.0} if number % 2 else {"not_measured": Notice.of("no_rapl").model_dump()}

    change_results(run, disturbed)
    page = render_report([run]).read_text(encoding="utf-8")
    alerts = page[page.index('<ul class="alerts">') : page.index("</ul>", page.index('<ul class="alerts">'))]
    assert "other programs took up to 0.9 cores" in alerts
    assert "slowed down by heat during 19 cells" in alerts
    assert "Cells on cuda ran on GPU 0, GPU 1, GPU 2; their times do not compare." in alerts
    assert re.search(r"No hardware counter was read for \d+ of 19 cells", alerts)


SEEDED = [("vit_a_p16", "vit", 16, 9_000_000, 3.0), ("vit_a_p32", "vit", 32, 9_000_000, 2.0)]


def table_of(page: str, section: str, number: int = 0) -> str:
    inside = page.split(f'<section id="{section}"')[1].split("</section>")[0]
    return inside.split("<table")[number + 1].split("</table>")[0]


def test_columns_that_nothing_was_measured_for_are_left_out(make_run: Callable[..., Path], page: str) -> None:
    assert "<th" in table_of(page, "cost", 1)
    assert ">Cost<" in table_of(page, "cost", 1)
    assert ">Energy<" not in table_of(page, "cost", 1)
    assert ">Agreement<" not in table_of(page, "inference")
    run = make_run(models=SEEDED, devices=("cpu",), images=60, bad={}, not_run=())

    def edit(result: dict[str, Any]) -> None:
        result["profiles"][0] |= {"accuracy": 0.5, "agreement": 0.9}
        result |= {"price_per_hour": None, "energy": {"joules": 9.0, "by_phase": {"train": 7.0}}}

    change_results(run, edit)
    page = render_report([run]).read_text(encoding="utf-8")
    assert ">Cost<" not in table_of(page, "cost", 1)
    assert ">Energy<" in table_of(page, "cost", 1)
    assert ">Agreement<" in table_of(page, "inference")


def test_seeds_are_distinguished(make_run: Callable[..., Path]) -> None:
    run = make_run(models=SEEDED, devices=("cpu",), seeds=(0, 1), images=60, bad={}, not_run=())
    page = render_report([run]).read_text(encoding="utf-8")
    assert page.count("vit_a_p16 · seed 0</th>") == page.count("vit_a_p16 · seed 1</th>") == 1, "in the patch section"
    assert table_of(page, "leaderboard").count("not among the paired tests") == 4, "two cells, each seen and heard"
    gallery = page.split('<section id="gallery"')[1].split("</section>")[0]
    assert "seed 0" in gallery
    assert "seed 1" not in gallery


def test_a_name_on_the_line_is_written_once(make_run: Callable[..., Path]) -> None:
    models = [("one", "vit", 16, 9_000_000, 1.0)]
    run = make_run(models=models, devices=("cpu",), seeds=(0, 1, 2), images=200, bad={}, not_run=())
    numbers = itertools.count()

    def spread(result: dict[str, Any]) -> None:
        result["timings"]["train_seconds"] = 40.0 + 20 * next(numbers)

    change_results(run, spread)
    labels = Run(run).test_images.labels
    for number, cell in enumerate(sorted(run.glob("cells/*"))):
        right = np.arange(len(labels)) < len(labels) * (0.5 + number / 10)
        store_predicted(run, cell.name, np.where(right, labels, 0))
    page = render_report([run]).read_text(encoding="utf-8")
    picture = page.split('id="explorer-static"')[1].split("</svg>")[0]
    assert picture.count(">one</text>") == 1
    assert ">Time to train</text>" in picture
    assert picture.count(" s</text>") > 1, "a range below a power of ten has marks too"
