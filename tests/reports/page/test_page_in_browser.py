"""The page in a real browser: opened from the disk, at any width, in print, audited by axe-core."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports import render_report
from tests.reports.browser import log, sortable, sorter, width
from tests.reports.run_folder import MODELS, Recipe, build_run

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


def test_it_opens_from_disk_and_asks_for_nothing(page: Chrome, address: str) -> None:
    messages = [json.loads(line["message"])["message"] for line in log(page, "performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:") and url != address] == []
    assert "blood-cells" in page.title


def test_the_theme_button_turns_the_page_dark_and_back(page: Chrome) -> None:
    def ground() -> str:
        return str(page.execute_script("return getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.find_element("id", "theme").click()
    assert ground() != light
    page.find_element("id", "theme").click()
    assert ground() == light


def test_a_link_opens_the_model(page: Chrome) -> None:
    page.find_elements("css selector", "#board tbody a")[3].click()
    target = page.execute_script("return location.hash.slice(1)")
    assert page.find_element("id", target).get_attribute("open")


@pytest.mark.parametrize("pixels", [360, 768, 1280, 1920])
def test_the_page_is_never_wider_than_the_screen(page: Chrome, pixels: int) -> None:
    width(page, pixels)
    try:
        page.find_element("css selector", "[data-open]").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= pixels
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_long_names_do_not_widen_the_page(browser: Chrome, make_run: Callable[..., Path]) -> None:
    long = "long_name_" * 8
    run = make_run(models=[(long, "vit", 16, 9_000_000, 2.0), ("b", "cnn", None, 9_000_000, 2.0)],
                   classes=["plain", long], devices=("cpu",), images=60, bad={}, not_run=())  # fmt: skip
    width(browser, 360)
    try:
        browser.get(render_report([run]).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_opens_everything(page: Chrome) -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.execute_script("dispatchEvent(new Event('beforeprint'))")
        closed = page.execute_script("return document.querySelectorAll('details:not([open]):not(.chooser)').length")
        assert closed == 0
        assert page.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBER")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with every section and every kind of status, and a fifth of the full run's elements."""
    recipe = Recipe(models=[MODELS[0], MODELS[1], MODELS[5], MODELS[6], MODELS[9]], images=80, epochs=4)
    return render_report([build_run(tmp_path_factory.mktemp("few") / "run", recipe)]).as_uri()


@pytest.mark.parametrize(
    ("which", "scheme"),
    [
        ("few", "light"),
        pytest.param("few", "dark", marks=pytest.mark.slow),
        pytest.param("address", "light", marks=pytest.mark.slow),
        pytest.param("address", "dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(page: Chrome, which: str, scheme: str, request: pytest.FixtureRequest) -> None:
    import axe_selenium_python

    page.get(request.getfixturevalue(which))
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    for name in sortable(page, "details.model:first-of-type, details:not([class])"):
        sorter(page, f"{name} th[data-sort]")
    page.execute_script((Path(axe_selenium_python.__file__).parent / "node_modules/axe-core/axe.min.js").read_text())
    found = page.execute_async_script(
        "axe.run(document, {resultTypes: ['violations']})"  # where nodes pass need not be written out
        ".then(({violations}) => arguments[0]({violations}), e => arguments[0]({error: String(e)}))"
    )
    assert "error" not in found
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in serious] == []


def test_it_reads_without_javascript(page: Chrome, address: str) -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get(address)
        assert "No single winner" in page.find_element("id", "verdict").text
        assert not page.find_element("id", "theme").is_displayed()
        assert page.find_element("id", "board").is_displayed()
        assert len(page.find_elements("css selector", "#board tbody tr")) == 24
        assert not page.find_elements("css selector", ".dt-container")
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
