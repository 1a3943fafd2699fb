"""Every text of the page has a translation in every language, with the same places to fill."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
import yaml

import reports
from bench.results.schema import Status
from reports import compare_runs, render_report, sections
from reports.comparison import reproducibility as reproduced
from reports.figures import interactive_curves as curves_chart
from reports.figures import phases
from reports.inputs import columns
from reports.page.render import environment as templates
from reports.sections import dataset as surroundings
from reports.sections import leaderboard
from reports.sections import phases as phases_section
from reports.text import messages as stored_texts
from reports.text.i18n import LANGUAGES, TEMPLATES, translator

REPORTS = Path(reports.__file__).parent


def in_templates() -> set[str]:
    environment = templates()
    environment.add_extension("jinja2.ext.i18n")
    texts = set()
    for path in TEMPLATES.glob("*.j2"):
        for _line, _function, message in environment.extract_translations(path.read_text(encoding="utf-8")):
            texts.add(message)
    return {text for text in texts if isinstance(text, str)}


def in_code() -> set[str]:
    texts = set()
    for path in REPORTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                texts |= {a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return texts


def in_tables() -> set[str]:
    texts = {status.value.replace("_", " ") for status in Status} | {"not run", "yes", "no", "unknown"}
    texts |= {"supported", "contradicted", "not enough evidence", "train", "validation", "test"}
    texts |= REASONS | {*stored_texts.SENTENCES, *stored_texts.WORDS, "cores", "threads"}
    texts |= {column.title for column in columns.COLUMNS} | {column.help for column in columns.COLUMNS}
    texts |= {cost.title for cost in columns.COSTS} | {title for _key, title, _color in phases.PHASES}
    texts |= {title for _key, title in phases_section.STEP_PARTS} | {title for _key, title in curves_chart._SCORES}
    source = Path(sections.__file__).read_text(encoding="utf-8")
    texts |= set(re.findall(r'^        \("\w+", "([^"]+)", ', source, re.MULTILINE))
    texts |= {title for _key, title in leaderboard._SETTINGS}
    texts |= {*get_args(reproduced.Verdict), *reproduced._METRICS.values(), "evaluate"}
    source = Path(surroundings.__file__).read_text(encoding="utf-8")
    return texts | set(re.findall(r'^        \("([A-Z][^"]+)", ', source, re.MULTILINE))


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
    "no image was said to be of this class",
    "no test image is of this class",
    "neither there nor ever said",
}


ALL = sorted(in_templates() | in_code() | in_tables())


def test_reasons_are_those_of_the_code() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in REPORTS.rglob("*.py"))
    assert [reason for reason in REASONS if f'"{reason}"' not in source] == []


def test_texts_are_found() -> None:
    assert len(ALL) > 200
    assert "Leaderboard" in ALL
    assert "No single winner" in " ".join(ALL)


@pytest.mark.parametrize("lang", [lang for lang in LANGUAGES if lang != "en"])
def test_every_text_is_translated_with_the_same_places(lang) -> None:
    catalog = json.loads((TEMPLATES / f"{lang}.json").read_text(encoding="utf-8"))
    assert [text for text in ALL if text not in catalog] == []
    assert [text for text in catalog if text not in ALL] == []

    def places(text):
        return sorted(name for _text, name, _spec, _conversion in string.Formatter().parse(text) if name)

    assert [text for text, other in catalog.items() if places(text) != places(other)] == []


def test_spanish_is_there_and_the_page_says_so(full_run: Path, tmp_path: Path) -> None:
    page = render_report([full_run], tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
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

    def handle_starttag(self, tag, attrs) -> None:
        self._code = tag in ("script", "style")
        spoken = {"title", "aria-label", "placeholder", "alt", "data-open", "data-close", "data-next", "data-previous"}
        self.texts |= {value for key, value in attrs if key in spoken and value}

    def handle_endtag(self, _tag) -> None:
        self._code = False

    def handle_data(self, data) -> None:
        if not self._code and data.strip():
            self.texts.add(" ".join(data.split()))


def stored_in(folder: Path) -> str:
    """What the run itself says, which stays in the language in which it was stored."""
    documents = [yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))]
    documents += [json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("*.json")]
    return "\n".join(json.dumps(document, ensure_ascii=False) for document in documents)


ENGLISH = re.compile(r"\b(the|of|and|is|are|was|were|with|this|than|from|not|cores?|seeds?)\b")


def test_nothing_of_the_spanish_pages_stays_english(make_run: Callable[..., Path], tmp_path: Path) -> None:
    before = make_run("before", images=80, seeds=(0, 1), regimes=("frozen", "finetune"))
    after = make_run("after", images=80, seeds=(0,), regimes=("frozen", "finetune"))
    page = render_report([before], tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
    compare_runs(before, after, tmp_path / "compare.html", lang="es")
    texts = Shown(page).texts | Shown((tmp_path / "compare.html").read_text(encoding="utf-8")).texts
    stored = stored_in(before)
    left = {text for text in texts if ENGLISH.search(text)}
    assert {t for t in left if json.dumps(t, ensure_ascii=False)[1:-1] not in stored} == set()
