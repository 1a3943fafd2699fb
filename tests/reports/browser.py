"""A real browser with a report open in it, and how its tables are used by hand; conftest.py offers the fixtures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PATIENCE = 900
"""Seconds for one command, against hangs alone: on a busy machine an audit takes minutes."""
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--force-prefers-reduced-motion",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    if not (CHROMIUM and DRIVER):
        missing = pytest.fail if os.environ.get("PATCHBENCH_REQUIRE_BROWSER") else pytest.skip
        missing("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1280,900"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    driver.set_script_timeout(PATIENCE)
    driver.set_page_load_timeout(PATIENCE)
    assert not isinstance(driver.command_executor, str)
    driver.command_executor.client_config.timeout = PATIENCE
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def address(full_page: Path) -> str:
    return full_page.as_uri()


@pytest.fixture
def page(browser: Chrome, address: str) -> Iterator[Chrome]:
    log(browser, "performance")
    log(browser, "browser")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    browser.get(address)
    browser.execute_script("localStorage.clear()")
    yield browser
    assert log(browser, "browser") == []


def log(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    """What stands in a log of the browser since it was read last."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def width(browser: Chrome, pixels: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


def column(page: Chrome, table: str, index: int) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
    cells = f"{script}.map(r => r.cells[arguments[1]].textContent.trim())"
    texts: list[str] = page.execute_script(cells, table, index)
    return texts


def sorter(page: Chrome, head: str) -> WebElement:
    """The button in a column's head, which is there when its table has come near the screen."""
    from selenium.webdriver.support.ui import WebDriverWait

    page.execute_script("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", head)
    return WebDriverWait(page, PATIENCE).until(
        lambda driver: driver.find_element("css selector", f"{head} .dt-column-order")
    )


def sort(page: Chrome, head: str, key: str | None = None) -> str | None:
    """Press the button in a column's head by mouse or by ``key``; what the head then says of its order."""
    from selenium.webdriver.support.ui import WebDriverWait

    button = sorter(page, head)
    page.execute_script(
        "window.drawn = false;"
        "new DataTable.Api(arguments[0].closest('table')).one('draw', () => { window.drawn = true; })",
        button,
    )
    if key:
        button.send_keys(key)
    else:
        button.click()
    WebDriverWait(page, PATIENCE).until(lambda driver: driver.execute_script("return window.drawn"))
    return page.find_element("css selector", head).get_attribute("aria-sort")


def sortable(page: Chrome, opened: str = "details:not(.chooser)") -> list[str]:
    """Open these; where each sortable table is that can then be seen."""
    tables: list[str] = page.execute_script(
        "document.querySelectorAll(arguments[0]).forEach((details) => { details.open = true; });"
        "return [...document.querySelectorAll('table.sortable')].filter(table => table.checkVisibility())"
        ".map((table, number) => '#' + (table.id ||= `sortable-${number}`));",
        opened,
    )
    return tables
