"""The gallery and the two interactive charts in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reports.browser import PATIENCE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_the_gallery_opens_large_and_goes_on_by_keyboard(page: Chrome) -> None:
    from selenium.webdriver import ActionChains, Keys

    button = page.find_element("css selector", "#gallery .card button.open")
    button.send_keys(Keys.ENTER)
    dialog = page.find_element("css selector", "dialog.large")
    assert dialog.is_displayed()
    first = dialog.get_attribute("aria-label")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert dialog.get_attribute("aria-label") != first
    ActionChains(page).send_keys(Keys.ARROW_LEFT).perform()
    assert dialog.get_attribute("aria-label") == first
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not dialog.is_displayed()
    assert page.switch_to.active_element == button


def test_the_gallery_is_filtered_by_model_and_kind(page: Chrome) -> None:
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", "[data-gallery=model]")).select_by_visible_text("resnet18 · cpu")
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("most confidently wrong")
    cards = [c for c in page.find_elements("css selector", "#gallery .images .card") if c.is_displayed()]
    assert {c.get_attribute("data-model") for c in cards} == {"resnet18 · cpu"}
    assert {c.get_attribute("data-kind") for c in cards} == {"wrong"}
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("where models disagree")
    shown = [c for c in page.find_elements("css selector", "#gallery .card") if c.is_displayed()]
    assert {c.get_attribute("data-kind") for c in shown} == {"disagree"}
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("right")
    assert not page.find_element("css selector", "#gallery .disagreements").is_displayed()


def test_the_explorer_draws_and_changes_its_axis(page: Chrome) -> None:
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.ui import WebDriverWait

    def drawn(title: str) -> None:
        script = "return document.querySelector('#explorer svg')?.textContent ?? ''"
        WebDriverWait(page, PATIENCE).until(lambda driver: title in driver.execute_script(script))

    drawn("Time to train (s)")
    assert not page.find_element("id", "explorer-static").is_displayed()
    Select(page.find_element("id", "explorer-cost")).select_by_visible_text("Peak RAM")
    drawn("Peak RAM (MiB)")
    ticks = "return [...document.querySelectorAll('#explorer .role-axis-label text')].map(t => t.textContent).join()"
    logarithmic = page.execute_script(ticks)
    page.find_element("id", "explorer-log").click()
    WebDriverWait(page, PATIENCE).until(lambda driver: driver.execute_script(ticks) not in ("", logarithmic))


def test_pointing_at_a_cell_of_the_explorer_tells_its_figures(page: Chrome) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    points = "#explorer svg .mark-symbol.role-mark path"
    WebDriverWait(page, PATIENCE).until(lambda driver: driver.find_elements("css selector", points))
    ActionChains(page).move_to_element(page.find_elements("css selector", points)[0]).perform()
    WebDriverWait(page, PATIENCE).until(lambda driver: driver.find_element("id", "tip").is_displayed())
    shown = page.find_element("id", "tip").text
    assert "Accuracy: " in shown
    assert "Time to train: " in shown


def test_the_learning_curves_draw_one_score_of_one_model(page: Chrome) -> None:
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.ui import WebDriverWait

    def lines() -> int:
        return len(page.find_elements("css selector", "#curves-chart svg .mark-line path"))

    def drawn(title: str) -> None:
        script = "return document.querySelector('#curves-chart svg')?.textContent ?? ''"
        WebDriverWait(page, PATIENCE).until(lambda driver: title in driver.execute_script(script))

    drawn("Accuracy (validation)")
    assert not page.find_element("id", "curves-chart-static").is_displayed()
    everything = lines()
    assert everything > 10
    Select(page.find_element("id", "curves-score")).select_by_value("loss")
    Select(page.find_element("id", "curves-split")).select_by_value("train")
    drawn("Loss (train)")
    Select(page.find_element("id", "curves-model")).select_by_index(1)
    WebDriverWait(page, PATIENCE).until(lambda _: lines() == 1)
