"""Truth values where a study has numbers: ``epochs: yes`` would be one epoch in silence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.study.schema import Study
from bench.study.yaml_lines import Location

__all__ = ["taken_for_numbers"]


def taken_for_numbers(tree: object, study: Study) -> Iterator[Location]:
    """Yield where a study, as it was written, has true or false, and the checked one a number."""
    for location in _truths(tree, ()):
        if type(_at(study, location)) in (int, float):
            yield location


def _truths(tree: object, location: Location) -> Iterator[Location]:
    if isinstance(tree, bool):
        yield location
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    for key, value in inner:
        yield from _truths(value, (*location, key))


def _at(study: Study, location: Location) -> object:
    """What stands there; None where checking has made something else of it."""
    found: Any = study
    for part in location:
        if isinstance(found, list | tuple) and isinstance(part, int):
            found = found[part] if part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else getattr(found, str(part), None)
    return found
