"""What every section is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reports.inputs.report_data import ReportData
from reports.inputs.significance import Significance
from reports.text.i18n import Translate

__all__ = ["Page", "Section"]


@dataclass(frozen=True)
class Page:
    """What every section is built from."""

    data: ReportData
    significance: Significance
    translate: Translate


@dataclass(frozen=True)
class Section:
    """A part of the page. ``name`` is its anchor, and names its template ``section_NAME.html.j2``."""

    name: str
    title: str
    content: dict[str, Any]
