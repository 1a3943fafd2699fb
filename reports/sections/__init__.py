"""The sections of the page in their order. One more takes its module, its template, and a line here."""

from __future__ import annotations

from bench.registry import Registry
from reports.sections.base import FilledSection, Page, Section

__all__ = ["SECTIONS", "fill_sections"]

SECTIONS: Registry[Section] = Registry(
    "section",
    {
        "leaderboard": "reports.sections.leaderboard:SECTION",
        "uncertainty": "reports.sections.uncertainty:SECTION",
        "cost": "reports.sections.cost:SECTION",
        "devices": "reports.sections.devices:SECTION",
        "phases": "reports.sections.phases:SECTION",
        "memory": "reports.sections.memory:SECTION",
        "inference": "reports.sections.inference:SECTION",
        "curves": "reports.sections.curves:SECTION",
        "models": "reports.sections.models:SECTION",
        "calibration": "reports.sections.calibration:SECTION",
        "gallery": "reports.sections.gallery:SECTION",
        "significance": "reports.sections.significance:SECTION",
        "patch_size": "reports.sections.patch_size:SECTION",
        "claims": "reports.sections.claims:SECTION",
        "published": "reports.sections.published:SECTION",
        "differences": "reports.sections.differences:SECTION",
        "dataset": "reports.sections.dataset:SECTION",
        "environment": "reports.sections.environment:SECTION",
        "checklist": "reports.sections.checklist:SECTION",
    },
    group="patchbench.sections",
)


def fill_sections(page: Page) -> list[FilledSection]:
    """Build every section that has something to show, in the order of `SECTIONS`."""
    filled = []
    for name in SECTIONS.names():
        section = SECTIONS.load(name)
        content = section.build(page)
        if content is not None:
            filled.append(FilledSection(name, page.translate(section.title), content, section))
    return filled
