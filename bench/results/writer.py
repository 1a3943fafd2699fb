"""Opening a run folder for writing: whose it is, and who writes to it now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import RunError
from bench.locks import LockHeldError, file_lock
from bench.results.arrays import read_array
from bench.results.dataset import DatasetManifest
from bench.results.output import refuse_links
from bench.results.plan import FOUND_BATCH
from bench.results.predictions import write_predictions
from bench.results.run import Run
from bench.study.schema import Study

__all__ = ["acquire_lock", "keep_predictions", "open_folder"]

_FIXED = ("name", "dataset", "split", "train")
"""What makes a study the same study; the grid's axes, limits and prices may grow or change between calls."""

_DESCRIPTION = ("study.yaml", FOUND_BATCH, "dataset.json", "environment.json", "plan.json", "thumbnails.parquet")


@contextmanager
def acquire_lock(folder: Path) -> Iterator[bool]:
    """Hold a run folder while it is written to; a second process gets an error at once. Raises `RunError`.

    Yields whether the kernel holds it, as `bench.locks.file_lock` does.
    """
    with ExitStack() as stack:
        try:
            kernel = stack.enter_context(file_lock(folder / ".lock", wait=False))
        except LockHeldError as error:
            raise RunError(
                f"another patchbench is writing to {folder}. Wait for it, or give another folder with --out."
            ) from error
        except OSError as error:
            raise RunError(
                f"the run folder {folder} cannot be written: {error.strerror or error}. Give another with --out."
            ) from error
        yield kernel


def open_folder(folder: Path, study: Study, manifest: DatasetManifest) -> Run:
    """Return the run; one that is of another study or data set is refused and nothing in it is changed."""
    run = Run(folder)
    for cell in ("cells", *(f"cells/{name}" for name in _names(folder / "cells"))):
        refuse_links(folder, Path(cell))
    if (folder / "study.yaml").exists():
        _refuse_foreign(run, study, manifest)
    elif strange := [p.name for p in folder.iterdir() if not _is_ours(p.name)]:
        shown = ", ".join(sorted(strange)[:3])
        raise RunError(f"{folder} is not empty ({shown}) and holds no run. Give an empty or new folder with --out.")
    return run


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def _is_ours(name: str) -> bool:
    """Whether a run that was stopped before its study.yaml was written can have left this name."""
    plain = name.lstrip(".")
    return name == ".lock" or any(plain == own or plain.startswith(f"{own}.") for own in _DESCRIPTION)


def _refuse_foreign(run: Run, study: Study, manifest: DatasetManifest) -> None:
    before, now = run.study.model_dump(mode="json"), study.model_dump(mode="json")
    differences = list(_differences({k: before[k] for k in _FIXED}, {k: now[k] for k in _FIXED}))
    stored = run.dataset
    for key in ("fingerprint", "split_hash"):
        was, held = getattr(stored, key), getattr(manifest, key)
        if was != held:
            differences.append(f"data set {key}: {was[:12]} there, {held[:12]} now")
    if differences:
        shown = "; ".join(differences[:5]) + (f"; and {len(differences) - 5} more" if len(differences) > 5 else "")
        raise RunError(
            f"{run.path} belongs to another study or data set ({shown}). Nothing in it was changed. "
            f"Give another folder with --out, or ask for the same study."
        )


def _differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted({*before, *now}):
            yield from _differences(before.get(name), now.get(name), f"{key}.{name}" if key else name)
    elif before != now and not key.endswith(".path"):  # where the data lies is free to change: its content is checked
        yield f"{key}: {before!r} there, {now!r} now"


def keep_predictions(raw: Path, path: Path, manifest: DatasetManifest) -> None:
    """Turn the child's probabilities, (n, classes), into the stored predictions; ValueError when they are no such."""
    test = manifest.rows("test")
    try:
        probabilities = read_array(raw, len(manifest.classes), len(test))
    except OSError as error:
        raise ValueError(str(error)) from error
    if len(probabilities) != len(test):
        raise ValueError(f"{len(probabilities)} rows, not one for each of {len(test)} test images")
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("the probabilities of an image are not all positive numbers that add up to 1")
    labels = np.array([manifest.labels[i] for i in test])
    write_predictions(path, [manifest.names[i] for i in test], labels, probabilities, list(manifest.classes))
