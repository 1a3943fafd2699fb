"""Data sets of many classes: what would grow with their square is cut down, and says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from reports import export, render_report
from reports.sections.gallery import MOST_BARS
from reports.sections.models import MOST_CLASSES, confusion

MODELS = [(f"model-{i}_p16", ("vit", "cnn")[i % 2], 16, 10**6 * (i + 1), 2 + i % 5 * 0.5) for i in range(12)]


def test_the_classes_with_most_errors_stay_in_their_order() -> None:
    matrix = [[9, 0, 1, 0], [0, 9, 0, 0], [0, 0, 5, 3], [0, 0, 0, 9]]
    found = confusion(matrix, ["a", "b", "c", "d"], most=2)
    assert [name for name, _row in found.rows] == ["c", "d"]
    assert [[cell.count for cell in row] for _name, row in found.rows] == [[5, 3, 0], [0, 9, 0]]
    assert (found.is_part, found.classes) == (True, 4)
    first = confusion(matrix, ["a", "b", "c", "d"], most=3).rows[0]
    assert [cell.count for cell in first[1]] == [9, 1, 0, 0]
    assert [cell.is_right for cell in first[1]] == [True, False, False, False]


def test_images_predicted_to_be_of_a_class_that_is_not_shown_are_counted() -> None:
    found = confusion([[0, 1, 0, 1], [1, 2, 0, 3], [0, 0, 9, 0], [0, 3, 0, 2]], ["a", "b", "c", "d"], most=2)
    assert [(name, [cell.count for cell in row]) for name, row in found.rows] == [("b", [2, 3, 1]), ("d", [3, 2, 0])]
    assert found.rows[0][1][2].share == 1 / 6, "of all images of the class"


def test_few_classes_are_shown_whole() -> None:
    found = confusion([[1, 1], [0, 2]], ["a"])
    assert [(name, [cell.count for cell in row]) for name, row in found.rows] == [("a", [1, 1]), ("1", [0, 2])]
    assert not found.is_part


@pytest.mark.slow
def test_a_hundred_classes_stay_under_ten_megabytes_and_say_what_is_left_out(make_run: Callable[..., Path]) -> None:
    classes = [f"class number {number:03d}" for number in range(100)]
    page = render_report([make_run(models=MODELS, devices=("cpu",), classes=classes, images=1000, bad={}, not_run=())])
    assert page.stat().st_size < 5 * 2**20
    text = page.read_text(encoding="utf-8")
    assert text.count(f"The {MOST_CLASSES} of 100 classes with the most errors are shown") == len(MODELS)
    model = text[text.index('<details class="model"') :]
    matrix = model[model.index('<table class="confusion"') : model.index("</table>")]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", matrix)
    assert len(rows) == MOST_CLASSES
    assert {row.count("<td") for _name, row in rows} == {MOST_CLASSES + 1}
    assert matrix.count('<th scope="col"') == MOST_CLASSES + 2


def test_the_whole_matrix_is_where_the_page_says(make_run: Callable[..., Path]) -> None:
    classes = [f"class number {number:03d}" for number in range(40)]
    run = make_run(models=MODELS[:1], devices=("cpu",), classes=classes, images=200, bad={}, not_run=())
    (row,) = json.loads(export(run, "json").read_text(encoding="utf-8"))
    assert [len(row["confusion"]), *map(len, row["confusion"])] == [40] * 41


def test_the_true_class_has_a_bar_however_improbable(make_run: Callable[..., Path]) -> None:
    classes = [f"class number {number:03d}" for number in range(40)]
    models = [("hopeless", "cnn", None, 10**6, -9.0), ("good", "cnn", None, 10**6, 9.0)]
    run = make_run(models=models, devices=("cpu",), classes=classes, images=200, bad={}, not_run=())
    text = render_report([run]).read_text(encoding="utf-8")
    assert f"the {MOST_BARS} most probable classes, and of the true one" in text
    answers = re.findall(r'<table class="bars">.*?</table>', text, re.DOTALL)
    assert {answer.count("<tr") for answer in answers} == {MOST_BARS, MOST_BARS + 1}
    assert [answer.count('<tr class="true"') for answer in answers] == [1] * len(answers)


def test_with_few_classes_every_one_has_a_bar(full_page: Path) -> None:
    text = full_page.read_text(encoding="utf-8")
    assert "with the probability of every class" in text
    assert "most probable classes" not in text
