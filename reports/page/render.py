"""The page: one HTML file that opens from the disk, makes no network requests, and is the same bytes every time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.results.output import write_output
from bench.results.run import Run
from reports.exports.tables import csv_text
from reports.inputs.load import load_report_data
from reports.inputs.report_data import ReportData
from reports.inputs.significance import compute_significance
from reports.page.conclusions import verdict
from reports.page.datatables import datatables
from reports.page.header import facts
from reports.page.vega import bundle
from reports.page.warnings import alerts
from reports.sections import fill_sections
from reports.sections.base import FilledSection, Page
from reports.text.csp import json_for_script, policy
from reports.text.formatting import visible
from reports.text.i18n import TEMPLATES, Translator, translator
from reports.text.messages import word

__all__ = ["environment", "render"]


def render(runs: Sequence[Run | str | Path], out: Path | None = None, *, lang: str = "en") -> Path:
    """Write the report of one run, or of several on the same test images, and return its path.

    out: left out, ``report.html`` in the first run's folder. Raises `RunError` where a run cannot be read, runs do not
    belong together, the language is unknown, or the file cannot be written.
    """
    _ = translator(lang)
    data = load_report_data(runs)
    significance = compute_significance(data)
    run = data.runs[0].path
    target = Path(out) if out else run / "report.html"
    style = _asset("report.css")
    sections = fill_sections(Page(data, significance, _))
    scripts = _scripts(sections)
    page = environment(_, (section.kind.templates for section in sections)).get_template("report.html.j2")
    text = page.render(
        _=_,
        lang=lang,
        data=data,
        facts=facts(data, _),
        verdict=verdict(data, significance, _),
        alerts=alerts(data, _),
        sections=sections,
        style=Markup(style),
        scripts=[Markup(text) for text in scripts],
        words=json_for_script(_words(data, _)),
        csv=json_for_script(csv_text([entry.result for entry in data.entries if entry.result])),
        policy=policy([style], scripts),
    )
    write_output(target, text, run)
    return target


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _scripts(sections: Sequence[FilledSection]) -> list[str]:
    libraries = [bundle()] if any(section.kind.has_charts for section in sections) else []
    return [*libraries, datatables(), _asset("tables.js"), _asset("report.js")]


def _words(data: ReportData, _: Translator) -> dict[str, object]:
    """What the scripts write into the page; ``tables`` is DataTables' option ``language``."""
    return {
        "dark": _("Dark"),
        "light": _("Light"),
        "shown": _("{n} of {all} shown"),
        "copied": _("Copied"),
        "tables": {
            "aria": {
                "orderable": f": {_('sort')}",
                "orderableReverse": f": {_('sort the other way')}",
                "orderableRemove": f": {_('sort the other way')}",
            },
            "emptyTable": _("No rows"),
            "zeroRecords": _("No row matches the filters."),
        },
        "file": f"{data.name.replace(' + ', '-')}.csv",
    }


def environment(_: Translator, loaders: Iterable[BaseLoader | None] = ()) -> Environment:
    """The templates in a language, with everything escaped and an unknown name an error.

    loaders: of sections whose templates lie in other packages; a name of this package's templates stays its own.
    """
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(TEMPLATES), *filter(None, loaders)]),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    made.install_gettext_translations(_)  # type: ignore[attr-defined]  # the extension adds it
    made.filters["word"] = partial(word, translate=_)
    made.filters["lines"] = lambda text: str(text).replace("_", " ")
    return made
