"""The page in a real browser: opened from the disk, used by mouse and keyboard, audited by axe-core."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports import render_report

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER) and not os.environ.get("CI"),
        reason="chromium and chromedriver are not installed (apt-get install chromium chromium-driver)",
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
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


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    assert CHROMIUM, "CI needs chromium and chromedriver: apt-get install chromium chromium-driver"
    assert DRIVER, "CI needs chromedriver: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}", "--window-size=1280,900"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(DRIVER), options=options)
    driver.set_script_timeout(240)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(full_run) -> str:
    return render_report([full_run]).as_uri()


@pytest.fixture
def page(browser, address) -> Iterator:
    browser.get_log("performance")
    browser.get_log("browser")
    browser.get(address)
    browser.execute_script("localStorage.clear()")
    yield browser
    assert browser.get_log("browser") == []


def width(browser, pixels: int) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )


def column(page, table: str, index: int) -> list[str]:
    script = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')]"
    return page.execute_script(f"{script}.map(r => r.cells[arguments[1]].textContent.trim())", table, index)


def sorter(page, head: str):
    """The button in a column's head, which is there when its table has come near the screen."""
    from selenium.webdriver.support.ui import WebDriverWait

    page.execute_script("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", head)
    return WebDriverWait(page, 20).until(lambda driver: driver.find_element("css selector", f"{head} .dt-column-order"))


def sort(page, head: str, key: str | None = None) -> str | None:
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
    WebDriverWait(page, 20).until(lambda driver: driver.execute_script("return window.drawn"))
    return page.find_element("css selector", head).get_attribute("aria-sort")


def test_it_opens_from_disk_and_asks_for_nothing(page, address):
    messages = [json.loads(line["message"])["message"] for line in page.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith("data:") and url != address] == []
    assert "blood-cells" in page.title


def test_the_theme_button_turns_the_page_dark_and_back(page):
    def ground():
        return page.execute_script("return getComputedStyle(document.body).backgroundColor")

    light = ground()
    page.find_element("id", "theme").click()
    assert ground() != light
    page.find_element("id", "theme").click()
    assert ground() == light


def test_the_first_order_is_the_plain_pages_and_accuracy_turns_it(page, full_run):
    rows = "return [...new DOMParser().parseFromString(arguments[0], 'text/html').querySelectorAll('#board tbody tr')]"
    plain = (full_run / "report.html").read_text(encoding="utf-8")
    before = page.execute_script(f"{rows}.map(r => r.cells[0].textContent.trim())", plain)
    accuracy = "#board th[data-column='accuracy']"
    sorter(page, accuracy)
    assert column(page, "#board", 0) == before
    assert page.find_element("css selector", accuracy).get_attribute("aria-sort") == "descending"
    assert sort(page, accuracy) == "ascending"
    assert column(page, "#board", 0)[:19] == before[18::-1]
    assert column(page, "#board", 0)[19:] == before[19:]


@pytest.mark.parametrize("key", ["\n", " "])
def test_sorting_by_keyboard_keeps_rows_without_a_figure_last(page, key):
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
def test_the_shift_key_adds_a_second_column(page, press):
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
    WebDriverWait(page, 20).until(lambda _: column(page, "#board", 0) != board)
    cells = page.execute_script(
        "return [...document.querySelectorAll('#board tbody tr')].map(row => ["
        "row.querySelector('[data-column=device]').textContent,"
        "row.querySelector('[data-column=parameters]').dataset.v])"
    )
    known = [(device, -float(parameters)) for device, parameters in cells if parameters]
    assert known == sorted(known)


def test_names_are_sorted_as_one_counts(page):
    assert sort(page, "#board th:first-child") == "ascending"
    names = [name for name in column(page, "#board", 0) if name.startswith("vit_small")]
    assert list(dict.fromkeys(name.split()[0] for name in names)) == [f"vit_small_p{n}" for n in (16, 32, 64, 128)]


def test_a_table_that_is_not_near_is_left_alone(page):
    table = "details.model:last-of-type table.sortable"
    assert not page.find_elements("css selector", f"{table} .dt-column-order")
    page.execute_script("document.querySelector('details.model:last-of-type').open = true")
    assert sort(page, f"{table} th:nth-child(3)") == "descending"
    shares = [float(value.split()[0]) for value in column(page, table, 2)]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) == 8


def test_every_sortable_table_sorts(page):
    names = sortable(page)
    assert len(names) > 20
    for name in names:
        before = sorted(column(page, name, 0))
        assert sort(page, f"{name} th[data-sort]") in ("ascending", "descending")
        assert sorted(column(page, name, 0)) == before


def sortable(page, opened: str = "details:not(.chooser)") -> list[str]:
    """Open these; where each sortable table is that can then be seen."""
    return page.execute_script(
        "document.querySelectorAll(arguments[0]).forEach((details) => { details.open = true; });"
        "return [...document.querySelectorAll('table.sortable')].filter(table => table.checkVisibility())"
        ".map((table, number) => '#' + (table.id ||= `sortable-${number}`));",
        opened,
    )


def test_filtering_by_device_and_by_name(page):
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", "[data-filter=device]")).select_by_visible_text("cuda")
    assert len(column(page, "#board", 0)) == 12
    page.find_element("css selector", "[data-filter=text]").send_keys("RESNET")
    assert len(column(page, "#board", 0)) == 2
    assert page.find_element("css selector", ".count").text == "2 of 24 shown"
    page.find_element("css selector", "[data-filter=text]").send_keys(" <b>&")
    assert page.find_element("css selector", "#board tbody").text == "No row fits what was chosen."
    assert page.find_element("css selector", ".count").text == "0 of 24 shown"


def test_filters_columns_and_order_go_together(page):
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


def test_columns_can_be_chosen(page):
    def shown():
        return [cell.is_displayed() for cell in page.find_elements("css selector", "#board [data-column=flops]")]

    sorter(page, "#board th:first-child")
    assert shown() == []
    page.find_element("css selector", ".chooser summary").click()
    box = page.find_element("css selector", "input[data-column=flops]")
    box.click()
    assert shown() == [True] * 25
    box.click()
    assert shown() == []


def test_a_link_opens_the_model(page):
    page.find_elements("css selector", "#board tbody a")[3].click()
    target = page.execute_script("return location.hash.slice(1)")
    assert page.find_element("id", target).get_attribute("open")


def test_the_gallery_opens_large_and_goes_on_by_keyboard(page):
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


def test_the_gallery_is_filtered_by_model_and_kind(page):
    from selenium.webdriver.support.select import Select

    Select(page.find_element("css selector", "[data-gallery=model]")).select_by_visible_text("resnet18 · cpu")
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("most confidently wrong")
    cards = [c for c in page.find_elements("css selector", "#gallery .pictures .card") if c.is_displayed()]
    assert {c.get_attribute("data-model") for c in cards} == {"resnet18 · cpu"}
    assert {c.get_attribute("data-kind") for c in cards} == {"wrong"}
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("where models disagree")
    shown = [c for c in page.find_elements("css selector", "#gallery .card") if c.is_displayed()]
    assert {c.get_attribute("data-kind") for c in shown} == {"disagree"}
    Select(page.find_element("css selector", "[data-gallery=kind]")).select_by_visible_text("right")
    assert not page.find_element("css selector", "#gallery .disagreements").is_displayed()


def test_the_explorer_draws_and_changes_its_axis(page):
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.ui import WebDriverWait

    def drawn(title):
        script = "return document.querySelector('#explorer svg')?.textContent ?? ''"
        WebDriverWait(page, 60).until(lambda driver: title in driver.execute_script(script))

    drawn("Time to train (s)")
    assert not page.find_element("id", "explorer-static").is_displayed()
    Select(page.find_element("id", "explorer-cost")).select_by_visible_text("Peak RAM")
    drawn("Peak RAM (MiB)")
    ticks = "return [...document.querySelectorAll('#explorer .role-axis-label text')].map(t => t.textContent).join()"
    logarithmic = page.execute_script(ticks)
    page.find_element("id", "explorer-log").click()
    WebDriverWait(page, 60).until(lambda driver: driver.execute_script(ticks) not in ("", logarithmic))


def test_pointing_at_a_cell_of_the_explorer_tells_its_figures(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    points = "#explorer svg .mark-symbol.role-mark path"
    WebDriverWait(page, 60).until(lambda driver: driver.find_elements("css selector", points))
    ActionChains(page).move_to_element(page.find_elements("css selector", points)[0]).perform()
    WebDriverWait(page, 10).until(lambda driver: driver.find_element("id", "tip").is_displayed())
    told = page.find_element("id", "tip").text
    assert "Accuracy: " in told
    assert "Time to train: " in told


def test_the_learning_curves_draw_one_score_of_one_model(page):
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.ui import WebDriverWait

    def lines():
        return len(page.find_elements("css selector", "#curves-chart svg .mark-line path"))

    def drawn(title):
        script = "return document.querySelector('#curves-chart svg')?.textContent ?? ''"
        WebDriverWait(page, 60).until(lambda driver: title in driver.execute_script(script))

    drawn("Accuracy (validation)")
    assert not page.find_element("id", "curves-chart-static").is_displayed()
    everything = lines()
    assert everything > 10
    Select(page.find_element("id", "curves-score")).select_by_value("loss")
    Select(page.find_element("id", "curves-side")).select_by_value("train")
    drawn("Loss (train)")
    Select(page.find_element("id", "curves-model")).select_by_index(1)
    WebDriverWait(page, 60).until(lambda _: lines() == 1)


@pytest.mark.parametrize("pixels", [360, 768, 1280, 1920])
def test_the_page_is_never_wider_than_the_screen(page, pixels):
    width(page, pixels)
    try:
        page.find_element("css selector", "[data-open]").click()
        assert page.execute_script("return document.documentElement.scrollWidth") <= pixels
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_long_names_do_not_widen_the_page(browser, make_run):
    long = "long_name_" * 8
    run = make_run(models=[(long, "vit", 16, 9_000_000, 2.0), ("b", "cnn", None, 9_000_000, 2.0)],
                   classes=["plain", long], devices=("cpu",), images=60, bad={}, not_run=())  # fmt: skip
    width(browser, 360)
    try:
        browser.get(render_report([run]).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_print_opens_everything(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        page.execute_script("dispatchEvent(new Event('beforeprint'))")
        closed = page.execute_script("return document.querySelectorAll('details:not([open]):not(.chooser)').length")
        assert closed == 0
        assert page.execute_cdp_cmd("Page.printToPDF", {})["data"].startswith("JVBER")
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, scheme):
    import axe_selenium_python

    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    for name in sortable(page, "details.model:first-of-type, details:not([class])"):
        sorter(page, f"{name} th[data-sort]")
    page.execute_script((Path(axe_selenium_python.__file__).parent / "node_modules/axe-core/axe.min.js").read_text())
    found = page.execute_async_script("axe.run(document).then(arguments[0], e => arguments[0]({error: String(e)}))")
    assert "error" not in found
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in serious] == []


def test_it_reads_without_javascript(page, address):
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


def test_spanish_heads_say_what_they_do_in_spanish(page, full_run, tmp_path):
    page.get(render_report([full_run], tmp_path / "es.html", lang="es").as_uri())
    head = "#board th[data-column='train_seconds']"
    button = sorter(page, head)
    assert button.get_attribute("role") == "button"
    assert button.get_attribute("aria-label") == "Tiempo de entrenamiento: ordenar"
    for _time in range(2):
        sort(page, head)
        assert button.get_attribute("aria-label") == "Tiempo de entrenamiento: ordenar al revés"
    page.find_element("css selector", "[data-filter=text]").send_keys("nada")
    assert page.find_element("css selector", "#board tbody").text == "Ninguna fila cumple lo elegido."
