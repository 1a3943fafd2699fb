"""The languages of the page. English is the source; another language is a JSON file of translations beside the
templates. A text without a translation stays English, and a test finds it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from bench.errors import RunError, nearest

__all__ = ["LANGUAGES", "Translate", "translator"]

Translate = Callable[[str], str]

TEMPLATES = Path(__file__).parents[1] / "templates"
LANGUAGES = ("en", *sorted(path.stem for path in TEMPLATES.glob("[a-z][a-z].json")))


def translator(lang: str) -> Translate:
    """Return what turns an English text into one of ``lang``; `RunError` for a language that is not there."""
    if lang not in LANGUAGES:
        raise RunError(
            f"A report cannot be written in {lang!r}.{nearest(lang, LANGUAGES)} Choose one of: {', '.join(LANGUAGES)}."
        )
    if lang == "en":
        return lambda text: text
    catalog: dict[str, str] = json.loads((TEMPLATES / f"{lang}.json").read_text(encoding="utf-8"))
    return lambda text: catalog.get(text, text)
