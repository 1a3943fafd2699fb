"""The languages of the page. English is the source; another language is one catalog, LANG/LC_MESSAGES/messages.po.

A text without a translation stays English, and a test finds it.
"""

from __future__ import annotations

from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench.errors import RunError, nearest

__all__ = ["ENGLISH", "LANGUAGES", "LOCALE", "N_", "TEMPLATES", "Plural", "Translator", "translator"]

TEMPLATES = Path(__file__).parents[1] / "templates"
LOCALE = Path(__file__).parents[1] / "locale"
_CATALOG = "LC_MESSAGES/messages.po"
Text = TypeVar("Text", bound=str)
LANGUAGES = ("en", *sorted(path.parts[-3] for path in LOCALE.glob(f"*/{_CATALOG}")))


class Plural(NamedTuple):
    """A text with a count in it, in the two forms of English; marked for extraction, as by `N_`."""

    singular: str
    plural: str
    number: str = "count"
    """The place whose number decides."""


class Translator:
    """Texts in one language: ``_("text")``, and ``_.ngettext`` where a count decides the form."""

    def __init__(self, lang: str, catalog: NullTranslations) -> None:
        self.lang = lang
        self._catalog = catalog

    def __call__(self, text: str) -> str:
        return self.gettext(text)

    def gettext(self, text: str) -> str:
        """The text's translation, or the text itself."""
        return self._catalog.gettext(text) if text else ""  # gettext keeps the catalog's header under ""

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """The form of the text that goes with the count."""
        return self._catalog.ngettext(singular, plural, count)


ENGLISH = Translator("en", NullTranslations())


def N_(text: Text) -> Text:  # noqa: N802
    """Mark a text for extraction that is translated where it is shown."""
    return text


def translator(lang: str) -> Translator:
    """Return the texts of ``lang``; `RunError` for a language that is not there."""
    if lang not in LANGUAGES:
        raise RunError(
            f"A report cannot be written in {lang!r}.{nearest(lang, LANGUAGES)} Choose one of: {', '.join(LANGUAGES)}."
        )
    return ENGLISH if lang == "en" else Translator(lang, _compiled(LOCALE / lang / _CATALOG))


def _compiled(path: Path) -> GNUTranslations:
    """The catalog as gettext reads it, compiled in memory: a checkout then needs no build step, and no compiled file
    can be older than its source."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return GNUTranslations(compiled)
