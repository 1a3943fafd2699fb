"""What a section of the page is, and what it is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jinja2 import BaseLoader

from reports.inputs.report_data import ReportData
from reports.inputs.significance import Significance
from reports.text.i18n import Translator

__all__ = ["FilledSection", "Page", "Section"]


@dataclass(frozen=True)
class Page:
    """What every section is built from."""

    data: ReportData
    significance: Significance
    translate: Translator


@dataclass(frozen=True)
class Section:
    """A kind of section. Its name in `reports.sections.SECTIONS` is its anchor, and names ``section_NAME.html.j2``."""

    title: str
    """In English, marked by `reports.text.i18n.N_`."""
    build: Callable[[Page], dict[str, Any] | None]
    """What the template reads as ``content``; None where the runs have nothing to show, and the section is left out."""
    has_charts: bool = False
    """Whether the page's script draws in it, so that the page takes Vega with it."""
    templates: BaseLoader | None = None
    """Where an installed package keeps its template; None: beside those of this package."""


@dataclass(frozen=True)
class FilledSection:
    """A section that has something to show."""

    name: str
    title: str
    """In the page's language."""
    content: dict[str, Any]
    kind: Section
