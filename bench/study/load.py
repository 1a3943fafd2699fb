"""From a shipped name or a YAML file, and the settings given beside it, to a checked `Study`.

Every mistake is reported with the file, the line and the key, what is allowed there, and the nearest match.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import models_zoo
from bench.errors import StudyError, nearest
from bench.results.files import read_regular
from bench.study.explain import causes, explain, explain_truth, place_of
from bench.study.overrides import apply_setting, point_at_data
from bench.study.schema import ModelEntry, Study, absolute, is_file
from bench.study.truth_values import taken_for_numbers
from bench.study.yaml_lines import Location, Mark, parse

__all__ = ["load_study", "read_study", "shipped_studies"]

LARGEST_FILE = 250_000
"""Bytes; reading YAML takes seconds a megabyte."""
_SHOWN = 10
"""Mistakes that are told at once."""


def shipped_studies() -> dict[str, str]:
    """Return the text of each study that comes with patchbench, by name."""
    folder = resources.files("bench") / "studies"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name)
    return {f.name.removesuffix(".yaml"): f.read_text(encoding="utf-8") for f in files}


def load_study(
    study: str | Path,
    *,
    data: str | Path | None = None,
    devices: Sequence[str] = (),
    settings: Sequence[str] = (),
    largest: int = LARGEST_FILE,
) -> Study:
    """Read and check a study.

    study: a shipped name or a YAML file. data: a folder of class folders, a zip of one, a CSV, or a shipped source's
    archive; it takes the place of ``dataset.path``. devices: take the place of ``devices``. settings: ``key=value``
    with a dotted key (``train.epochs=5``, ``models.vit_*.weights=vit.safetensors``) and a YAML value.
    largest: bytes that its file may have. Raises `StudyError`.
    """
    text, where, base = read_study(study, largest)
    tree, marks = parse(text, where)
    given: dict[Location, str] = {}
    for setting in settings:
        apply_setting(tree, setting, marks, given)
    if data is not None:
        point_at_data(tree, Path(data))
    if devices:
        tree["devices"] = list(devices)
        given |= {("devices", place): "--device" for place in range(len(devices))}
    checked = _validate(tree, where, marks, given)
    return _check_models(_with_absolute_paths(checked, base, given), where, marks, given)


def read_study(study: str | Path, largest: int) -> tuple[str, str, Path]:
    """Return the text, the name for messages and the folder that relative paths are meant from."""
    shipped = shipped_studies()
    if isinstance(study, str) and study in shipped:
        return shipped[study], f"study {study}", Path.cwd()
    path = absolute(Path(study), Path.cwd())
    if not os.path.isfile(path):  # noqa: PTH113 - False, where Path.is_file raises, for a name that is too long
        what = "a folder" if os.path.isdir(path) else "neither a shipped study nor a file"  # noqa: PTH112
        raise StudyError(
            f"{str(study)[:200]!r} is {what}.{nearest(str(study), shipped)} Shipped studies: {', '.join(shipped)}. "
            f"Or give the path of a YAML file."
        )
    try:
        return read_regular(path, largest).decode(), str(path), path.resolve().parent
    except UnicodeDecodeError as error:
        raise StudyError(f"{path} is not text (byte {error.start} is not UTF-8). Give a YAML file.") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise StudyError(
                f"{path} is larger than {largest / 1000:,.0f} kB: not a study. Give a YAML file with name: and models:."
            ) from error
        raise StudyError(f"{path} cannot be read: {error.strerror}. Give a YAML file.") from error


def _validate(tree: dict[str, Any], where: str, marks: Mapping[Location, Mark], given: Mapping[Location, str]) -> Study:
    try:
        study = Study.model_validate(tree)
    except ValidationError as error:
        found = causes(error.errors(include_url=False))
        lines = [explain(detail, where, marks, given) for detail in found[:_SHOWN]]
        more = f"\n(and {len(found) - _SHOWN:,} more)" if len(found) > _SHOWN else ""
        raise StudyError("\n".join(dict.fromkeys(lines)) + more) from error
    if wrong := list(taken_for_numbers(tree, study))[:_SHOWN]:
        raise StudyError("\n".join(explain_truth(location, where, marks, given) for location in wrong))
    return study


def _with_absolute_paths(study: Study, base: Path, given: Mapping[Location, str]) -> Study:
    """Paths in a file are meant from that file; those given on the command line, from where it was typed."""
    dataset, here = study.dataset, Path.cwd()
    if dataset.path is not None:
        path = absolute(dataset.path, here if ("dataset", "path") in given else base)
        dataset = dataset.model_copy(update={"path": path})
    split = study.split
    if split.file is not None:
        path = absolute(split.file, here if ("split", "file") in given else base)
        split = split.model_copy(update={"file": path})
    start = here if ("models",) in given else base
    entries = tuple(_with_absolute_weights(entry, start) for entry in study.models)
    return study.model_copy(update={"dataset": dataset, "split": split, "models": entries})


def _with_absolute_weights(entry: ModelEntry, base: Path) -> ModelEntry:
    if entry.weights is None or not is_file(entry.weights):
        return entry
    return entry.model_copy(update={"weights": str(absolute(Path(entry.weights), base))})


def _check_models(study: Study, where: str, marks: Mapping[Location, Mark], given: Mapping[Location, str]) -> Study:
    problems: list[str] = []
    for index, entry in enumerate(study.models):
        if len(problems) >= _SHOWN:
            break
        place = f"{place_of(('models', index, 'name'), where, marks, given)}: models.{index}"
        try:
            models_zoo.check(entry.name, study.size_of(entry))
        except models_zoo.ModelZooError as error:
            problems.append(f"{place}: {error}")
        missing = is_file(entry.weights) and not os.path.isfile(entry.weights or "")  # noqa: PTH113 - as in _read
        if missing:
            place = f"{place_of(('models', index, 'weights'), where, marks, given)}: models.{index}"
            problems.append(
                f"{place}: weights: there is no file {str(entry.weights)[:200]}. Allowed: none, default, hub:NAME "
                f"or the path of a safetensors or pth file."
            )
    if problems:
        raise StudyError("\n".join(problems))
    return study
