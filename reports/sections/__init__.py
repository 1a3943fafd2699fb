"""The sections of the page in their order, each with what its template needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reports.sections import (
    claims,
    cost,
    curves,
    dataset,
    devices,
    differences,
    environment,
    gallery,
    leaderboard,
    models,
    patch_size,
    phases,
    significance,
    uncertainty,
)
from reports.sections.base import Page, Section
from reports.sections.calibration import calibration
from reports.sections.checklist import checks
from reports.sections.inference import inference
from reports.sections.memory import memory_phases
from reports.sections.published import published

__all__ = ["sections"]


def sections(page: Page) -> list[Section]:
    """Build every section that has something to show."""
    builders: tuple[tuple[str, str, Callable[[Page], dict[str, Any] | None]], ...] = (
        ("leaderboard", "Leaderboard", leaderboard.build),
        ("quality", "How sure", lambda p: uncertainty.quality(p.data, p.significance, p.translate)),
        ("cost", "Accuracy against cost", cost.build),
        ("devices", "CPU beside GPU", devices.build),
        ("time", "Where the time went", lambda p: phases.time(p.data, p.translate)),
        ("memory", "Memory by phase", lambda p: memory_phases(p.data, p.translate)),
        ("inference", "Speed of inference", lambda p: inference(p.data, p.translate)),
        ("curves", "Learning curves", curves.build),
        ("models", "Each model", models.build),
        ("calibration", "Calibration", lambda p: calibration(p.data, p.translate)),
        ("gallery", "Test images", gallery.build),
        ("tests", "Which differences are real", lambda p: significance.tests(p.data, p.significance, p.translate)),
        ("patch", "Patch size", lambda p: patch_size.patch(p.data, p.translate)),
        ("claims", "Claims put to the test", claims.build),
        ("published", "Reported by others", lambda p: published(p.data, p.significance, p.translate)),
        ("differences", "What differed between configurations", differences.build),
        ("data", "Data", dataset.build),
        ("environment", "Environment and how to repeat it", environment.build),
        ("checklist", "Reproducibility checklist", lambda p: {"checks": checks(p.data, p.translate)}),
    )
    built = ((name, title, build(page)) for name, title, build in builders)
    return [Section(name, page.translate(title), content) for name, title, content in built if content is not None]
