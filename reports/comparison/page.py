"""A comparison of two runs as a page of its own, and as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from bench.results.output import write_output
from reports.comparison.runs import Compared, MetricChange
from reports.page.render import environment
from reports.text.csp import policy
from reports.text.i18n import TEMPLATES, Translator

__all__ = ["lines", "outcome_words", "summary", "write_page"]


def outcome_words(_: Translator) -> dict[str, str]:
    """How each outcome is called."""
    return {"better": _("better"), "worse": _("worse"), "same": _("no difference"), "unknown": _("cannot be decided")}


def summary(compared: Compared, _: Translator) -> str:
    """What came of all cells, and which are missing from the run after."""
    text = _("{better} figures became better beyond noise, {worse} became worse, {same} did not change.").format(
        **{outcome: compared.count(outcome) for outcome in ("better", "worse", "same")}
    )
    gone = compared.only_before
    if gone:
        names = ", ".join(pair.title for pair in gone[:4]) + (" …" if len(gone) > 4 else "")
        missing = _(
            "Missing from the run after, reported but not counted: {n} of {all} cells of the run before ({names})."
        )
        before = sum(pair.before is not None for pair in compared.pairs)
        text += " " + missing.format(n=len(gone), all=before, names=names)
    return text


def lines(compared: Compared, _: Translator) -> Iterator[tuple[str, str]]:
    """Lines for the terminal with their kind: title, better, worse, same or unknown."""
    words = outcome_words(_)
    for pair in compared.pairs:
        yield "title", pair.title
        if not pair.changes:
            only = _("Only in the run before.") if pair.after is None else _("Only in the run after.")
            yield "unknown", f"  {only}"
        for item in pair.changes:
            yield item.outcome, f"  {_line(item, words)}"
    if compared.hardware[0] != compared.hardware[1]:
        yield "title", _("The machines differ: {a}; {b}.").format(a=compared.hardware[0], b=compared.hardware[1])
    yield "title", summary(compared, _)


def _line(item: MetricChange, words: dict[str, str]) -> str:
    change = f" ({item.change})" if item.change else ""
    why = f": {item.why}" if item.why else ""
    return f"{item.measure}: {item.before.text} → {item.after.text}{change}, {words[item.outcome]}{why}"


def write_page(compared: Compared, out: Path, _: Translator, lang: str) -> Path:
    """Write the comparison as one self-contained HTML file without scripts; `RunError` where it cannot be written."""
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    first, second = compared.data.run_names
    text = (
        environment(_)
        .get_template("compare.html.j2")
        .render(
            _=_,
            lang=lang,
            title=f"{first} → {second}",
            summary=summary(compared, _),
            data=compared.data,
            hardware=compared.hardware,
            pairs=compared.pairs,
            words=outcome_words(_),
            style=Markup(style),
            policy=policy([style], []),
        )
    )
    write_output(out, text)
    return out
