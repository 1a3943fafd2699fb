"""The report's tables in a real browser: sorted, filtered and cut to columns, by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reports.browser import PATIENCE, column, sort, sortable, sorter

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_the_first_order_is_the_plain_pages_and_accuracy_turns_it(page: Chrome, full_page: Path) -> None:
    rows = "return [...new DOMParser().parseFromString(arguments[0], 'text/html').querySelectorAll('#board tbody tr')]"
    plain = full_page.read_text(encoding="utf-8")
    before = page.execute_script(f"{rows}.map(r => r.cells[0].textContent.trim())", plain)
    accuracy = "#board th[data-column='accuracy']"
    sorter(page, accuracy)
    assert column(page, "#board", 0) == before
    assert page.find_element("css selector", accuracy).get_attribute("aria-sort") == "descending"
    assert sort(page, accuracy) == "ascending"
    assert column(page, "#board", 0)[:19] == before[18::-1]
    assert column(page, "#board", 0)[19:] == before[19:]


@pytest.mark.parametrize("key", ["\n", " "])
def test_sorting_by_keyboard_keeps_rows_without_a_figure_last(page: Chrome, key: str) -> None:
    head = "#board th[data-column='train_seconds']"
    button = sorter(page, head)
    index = page.execute_script("return arguments[0].closest('th').cellIndex", button)
    last = set()
    for way, first in (("descending", "17 min 23 s"), ("ascending", "3.67 s"), ("descending", "17 min 23 s")):
        assert sort(page, head, key) == way
        values = column(page, "#board", index)
        assert values[0] == first
        assert all(value.startswith("–") for value in values[-5:])
        assert not any(value.startswith("–") for value in values[:-5])
        last.add(tuple(column(page, "#board", 0)[-5:]))
        assert page.switch_to.active_element == button
    assert len(last) == 1, "they keep their order"
    assert len(page.find_elements("css selector", "#board th[aria-sort]")) == 1


@pytest.mark.parametrize("press", ["click", "\n", " "])
def test_the_shift_key_adds_a_second_column(page: Chrome, press: str) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.support.ui import WebDriverWait

    assert sort(page, "#board th[data-column=device]") == "ascending"
    board = column(page, "#board", 0)
    second = sorter(page, "#board th[data-column=parameters]")
    held = ActionChains(page).key_down(Keys.SHIFT)
    if press == "click":
        held.click(second).key_up(Keys.SHIFT).perform()
    else:
        page.execute_script("arguments[0].focus()", second)
        held.send_keys(press).key_up(Keys.SHIFT).perform()
    WebDriverWait(page, PATIENCE).until(lambda _: column(page, "#board", 0) != board)
    cells = page.execute_script(
        "return [...document.querySelectorAll('#board tbody tr')].map(row => ["
        "row.querySelector('[data-column=device]').textContent,"
        "row.querySelector('[data-column=parameters]').dataset.v])"
    )
    known = [(device, -float(parameters)) for device, parameters in cells if parameters]
    assert known == sorted(known)


def test_names_are_sorted_as_one_counts(page: Chrome) -> None:
    assert sort(page, "#board th:first-child") == "ascending"
    names = [name for name in column(page, "#board", 0) if name.startswith("vit_small")]
    assert list(dict.fromkeys(name.split()[0] for name in names)) == [f"vit_small_p{n}" for n in (16, 32, 64, 128)]


def test_a_table_that_is_not_near_is_left_alone(page: Chrome) -> None:
    table = "details.model:last-of-type table.sortable"
    assert not page.find_elements("css selector", f"{table} .dt-column-order")
    page.execute_script("document.querySelector('details.model:last-of-type').open = true")
    assert sort(page, f"{table} th:nth-child(3)") == "descending"
    shares = [float(value.split()[0]) for value in column(page, table, 2)]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 8


def test_every_sortable_table_sorts(page: Chrome) -> None:
    names = sortable(page)
    assert len(names) > 20
    for name in names:
        before = sorted(column(page, name, 0))
        assert sort(page, f"{name} th[data-sort]") in ("ascending", "descending")
        assert sorted(column(page, name, 0)) == before


def test_filtering_by_device_and_by_name(page: Chrome) -> None:
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", "[data-filter=device]")).select_by_visible_text("cuda")
    assert len(column(page, "#board", 0)) == 12
    page.find_element("css selector", "[data-filter=text]").send_keys("RESNET")
    assert len(column(page, "#board", 0)) == 2
    assert page.find_element("css selector", ".count").text == "2 of 24 shown"
    page.find_element("css selector", "[data-filter=text]").send_keys(" <b>&")
    assert page.find_element("css selector", "#board tbody").text == "No row matches the filters."
    assert page.find_element("css selector", ".count").text == "0 of 24 shown"


def test_filters_columns_and_order_go_together(page: Chrome) -> None:
    from selenium.webdriver.support.select import Select

    head = "#board th[data-column=flops]"
    Select(page.find_element("css selector", "[data-filter=group]")).select_by_visible_text("CNN")
    page.find_element("css selector", ".chooser summary").click()
    page.find_element("css selector", "input[data-column=flops]").click()
    page.find_element("css selector", "input[data-column=train_seconds]").click()
    assert sort(page, head) == "descending"
    index = page.execute_script("return document.querySelector(arguments[0]).cellIndex", head)
    names = column(page, "#board", 0)
    assert len(names) == 10
    assert names[0].startswith("vgg16")
    assert names[-1].startswith("vgg11_bn"), "it was not run"
    assert column(page, "#board", index)[0] == "12.1 G"
    assert not page.find_elements("css selector", "#board [data-column=train_seconds]")
    Select(page.find_element("css selector", "[data-filter=group]")).select_by_value("")
    assert len(column(page, "#board", 0)) == 24
    assert page.find_element("css selector", head).get_attribute("aria-sort") == "descending"


def test_columns_can_be_chosen(page: Chrome) -> None:
    def shown() -> list[bool]:
        return [cell.is_displayed() for cell in page.find_elements("css selector", "#board [data-column=flops]")]

    sorter(page, "#board th:first-child")
    assert shown() == []
    page.find_element("css selector", ".chooser summary").click()
    box = page.find_element("css selector", "input[data-column=flops]")
    box.click()
    assert shown() == [True] * 25
    box.click()
    assert shown() == []


def test_spanish_heads_say_what_they_do_in_spanish(page: Chrome, spanish_page: Path) -> None:
    page.get(spanish_page.as_uri())
    head = "#board th[data-column='train_seconds']"
    button = sorter(page, head)
    assert button.get_attribute("role") == "button"
    assert button.get_attribute("aria-label") == "Tiempo de entrenamiento: ordenar"
    for _time in range(2):
        sort(page, head)
        assert button.get_attribute("aria-label") == "Tiempo de entrenamiento: ordenar al revés"
    page.find_element("css selector", "[data-filter=text]").send_keys("nada")
    assert page.find_element("css selector", "#board tbody").text == "Ninguna fila cumple los filtros."
