"""Every text of the page has a translation in every language, with the same places to fill."""

from __future__ import annotations

import ast
import json
import re
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
import yaml
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from typer.testing import CliRunner

import bench
import reports
from bench.cli.main import app
from bench.errors import RunError
from bench.measure.memory import APART, START
from bench.results.notice import Notice
from bench.results.schema import Status
from bench.study.dataset import SplitMethod
from reports import compare_runs, render_report
from reports.comparison import reproducibility
from reports.figures import phases
from reports.inputs import columns
from reports.page.render import environment
from reports.sections import SECTIONS, leaderboard
from reports.sections import phases as phases_section
from reports.text import words
from reports.text.i18n import LANGUAGES, LOCALE, N_, Translator, translator

ROOT = Path(reports.__file__).parents[1]
TEMPLATE = LOCALE / "messages.pot"
TRANSLATED = [lang for lang in LANGUAGES if lang != "en"]


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def catalog(lang: str) -> Catalog:
    return read(LOCALE / lang / "LC_MESSAGES" / "messages.po")


def texts(found: Catalog) -> set[str]:
    """Every text, both forms of those with a count."""
    return {form for message in found if message.id for form in forms(message.id)}


def forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """What ``pybabel extract`` finds, configured as in pyproject.toml."""
    out = tmp_path_factory.mktemp("extracted") / "messages.pot"
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract", "--output-file", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return read(out)


def literals() -> set[str]:
    """Every text that stands in a call of a translator, by a reading of its own."""
    found = set()
    for path in (ROOT / "reports").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "N_", "Plural"):
                found |= {a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    for path in (ROOT / "reports" / "templates").rglob("*.j2"):
        calls = re.findall(r"""\b_\((?:"([^"]*)"|'([^']*)')\)""", path.read_text(encoding="utf-8"))
        found |= {double or single for double, single in calls}
    return found


def in_tables() -> set[str]:
    """Texts that code keeps in tables and shows through the translator."""
    found = {column.title for column in columns.columns()} | {column.help for column in columns.columns()}
    found |= {cost.title for cost in columns.COSTS} | {title for _key, title, _color in phases.PHASES}
    found |= {title for _key, title in phases_section.STEP_PARTS}
    found |= {title for _key, title in leaderboard._SETTINGS}
    return found | {SECTIONS.load(name).title for name in SECTIONS.names()}


REASONS = {
    "not measured",
    "not reported",
    "no result is stored",
    "planned, but no result is stored",
    "no reason was stored",
    "the cell did not get this far",
    "there is no such device here",
    "ran on the CPU",
    "no probabilities of validation images are stored",
    "not measured on both devices",
    "too few samples",
    "the study names no price for this device",
    "no image was predicted to be of this class",
    "no test image is of this class",
    "neither present nor ever predicted",
}


def test_texts_are_found(extracted: Catalog) -> None:
    found = texts(extracted)
    assert len(found) > 400
    assert "Leaderboard" in found
    assert "No single winner" in " ".join(found)
    assert "the first run has no result" in found  # stands inside an f-string
    assert "{count} exact duplicates left out" in found  # a plural form
    assert "Top-2 accuracy" in found  # a metric's, which bench does not mark
    assert literals() - found == set()
    assert in_tables() - found == set()
    assert REASONS - found == set()


def phases_of_cells() -> set[str]:
    """The first argument of every call of ``phase`` in what runs in a cell's process."""
    found = {START, APART}
    for path in (Path(bench.__file__).parent / "execution").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "phase":
                found |= {str(c.value) for a in node.args[:1] for c in ast.walk(a) if isinstance(c, ast.Constant)}
    return found


def test_words_are_those_of_the_code(extracted: Catalog) -> None:
    assert {status.value.replace("_", " ") for status in Status} | {"not run"} == set(words.STATUSES)
    assert phases_of_cells() == set(words.PHASES)
    assert set(get_args(SplitMethod)) - {"auto"} == set(words.SPLIT_METHODS)
    assert set(get_args(reproducibility.Verdict)) == set(words.VERDICTS)
    assert {*words.STATUSES, *words.PHASES, *words.SPLITS, *words.SPLIT_METHODS} - texts(extracted) == set()
    assert {*words.ANSWERS, *words.VERDICTS} - texts(extracted) == set()


def test_the_stored_template_is_what_is_extracted(extracted: Catalog) -> None:
    """If not: nox -s translations."""
    assert texts(read(TEMPLATE)) ^ texts(extracted) == set()


def places(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name}


def same_places(message: Message) -> bool:
    """Whether every form has the places of the English ones; a singular may leave some out."""
    english = [places(form) for form in forms(message.id)]
    least, most = set.intersection(*english), set.union(*english)
    return all(least <= places(form) <= most for form in forms(message.string))


def untranslated(message: Message | None) -> bool:
    return message is None or message.fuzzy or not all(forms(message.string))


@pytest.mark.parametrize("lang", TRANSLATED)
def test_every_text_is_translated_with_the_same_places(lang: str, extracted: Catalog) -> None:
    translations = catalog(lang)
    assert [m.id for m in extracted if m.id and untranslated(translations.get(forms(m.id)[0]))] == []
    assert texts(translations) - texts(extracted) == set()
    assert list(translations.obsolete) == []
    assert [m.id for m in translations if m.id and not same_places(m)] == []


def test_languages_are_those_of_the_catalogs() -> None:
    assert ("en", *sorted(path.name for path in LOCALE.iterdir() if path.is_dir())) == LANGUAGES
    assert translator("en")("Leaderboard") == "Leaderboard"
    with pytest.raises(RunError, match="Choose one of: en, es"):
        translator("xx")


@pytest.mark.parametrize("command", ["report", "compare", "reproduce"])
def test_the_command_line_offers_the_languages(command: str) -> None:
    offered = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert "|".join(LANGUAGES) in offered.output
    paths = ["a", "b"] if command == "compare" else ["a"]
    refused = CliRunner().invoke(app, [command, *paths, "--lang", "xx"])
    assert isinstance(refused.exception, RunError)
    assert "cannot be written in 'xx'" in str(refused.exception)


def test_counts_choose_the_form() -> None:
    one, more = "{count} exact duplicate left out", "{count} exact duplicates left out"
    for lang in LANGUAGES:
        translate = translator(lang)
        assert [translate.ngettext(one, more, count) for count in (0, 1, 2)] == [
            translate.ngettext(one, more, 5),
            translate.ngettext(one, more, 1),
            translate.ngettext(one, more, 5),
        ]
        assert translate.ngettext(one, more, 1) != translate.ngettext(one, more, 2)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_an_unknown_text_stays_as_it_is(lang: str) -> None:
    translate: Translator = translator(lang)
    assert translate(N_("a text that nobody wrote")) == "a text that nobody wrote"
    assert translate("") == ""


def test_templates_know_the_language() -> None:
    template = environment(translator("es")).from_string(
        '{{ _("Leaderboard") }}, {% trans %}Verdict{% endtrans %}, {{ reason | word }}, {{ notice | word }}, '
        '{{ _("<b>") }}'
    )
    shown = template.render(reason="not measured", notice=Notice.of("duplicate_of", name="<i>"))
    assert shown == "Clasificación, Veredicto, no medido, un duplicado de &lt;i&gt;, &lt;b&gt;"


def test_spanish_is_there_and_the_page_says_so(spanish_page: Path) -> None:
    page = spanish_page.read_text(encoding="utf-8")
    assert '<html lang="es">' in page
    assert translator("es")("Leaderboard") in page
    assert ">Verdict<" not in page


class Shown(HTMLParser):
    """Every text that a reader sees or hears."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: set[str] = set()
        self._code = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code = tag in ("script", "style")
        spoken = {"title", "aria-label", "placeholder", "alt", "data-open", "data-close", "data-next", "data-previous"}
        self.texts |= {value for key, value in attrs if key in spoken and value}

    def handle_endtag(self, _tag: str) -> None:
        self._code = False

    def handle_data(self, data: str) -> None:
        if not self._code and data.strip():
            self.texts.add(" ".join(data.split()))


def strings(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield " ".join(document.split())
    elif isinstance(document, dict | list):
        for value in document.values() if isinstance(document, dict) else document:
            yield from strings(value)


def stored_in(folder: Path) -> set[str]:
    """What the run itself says: names, and what was stored without words of ours."""
    documents = [yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))]
    documents += [json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("*.json")]
    return {text for document in documents for text in strings(document)}


ENGLISH = re.compile(r"\b(the|of|and|is|are|was|were|with|this|than|from|not|cores?|seeds?)\b")


def test_nothing_of_the_spanish_pages_stays_english(make_run: Callable[..., Path], tmp_path: Path) -> None:
    before = make_run("before", images=80, seeds=(0, 1), regimes=("frozen", "finetune"))
    after = make_run("after", images=80, seeds=(0,), regimes=("frozen", "finetune"))
    page = render_report([before], tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
    compare_runs(before, after, tmp_path / "compare.html", lang="es")
    seen = Shown(page).texts | Shown((tmp_path / "compare.html").read_text(encoding="utf-8")).texts
    stored = sorted(filter(ENGLISH.search, stored_in(before)), key=len, reverse=True)
    left = {text: text for text in seen if ENGLISH.search(text)}
    for verbatim in stored:
        left = {text: rest.replace(verbatim, "") for text, rest in left.items()}
    assert {text for text, rest in left.items() if ENGLISH.search(rest)} == set()
