"""Whether weights files fit their models: found out before the first cell, once for each file and model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.data.cache_dir import cache_folder
from bench.errors import ModelError, RunError
from bench.isolated import IsolatedError, call_isolated
from bench.results.files import write_atomic
from bench.runner.preparation import Prepared, weights_of

__all__ = ["check_weights", "unfit"]

Wanted = tuple[str, int, int, str | None, str]
"""A model's name, image size, feature blocks and pooling, and the path of its weights."""


def check_weights(prepared: Prepared, cache: Path | None = None) -> None:
    """Build every model with its weights file in a child process; `ModelError` lists those that do not fit.

    What fitted is noted in the cache by the file's content. Weights from a hub are left to the cells, which fetch them.
    """
    wanted: dict[Path, Wanted] = {}
    for cell in prepared.cells:
        if cell.weights_sha256 is not None:
            model = cell.model
            about = (model.name, model.image_size or 0, model.feature_blocks, model.pooling)
            note = cache_folder(cache) / "weights" / f"{_digest((*about, cell.weights_sha256))}.fits"
            wanted[note] = (*about, weights_of(prepared.study, cell))
    left = {note: about for note, about in wanted.items() if not note.exists()}
    if not left:
        return
    try:
        problems = call_isolated("bench.runner.weights:unfit", list(left.values()))
    except IsolatedError as error:
        raise ModelError(f"the weights of this study cannot be tried: {error}") from error
    found = [problem for problem in problems if problem]
    if found:
        raise ModelError("\n".join(dict.fromkeys(found)))
    with suppress(RunError):  # a cache that cannot be written costs the seconds of the next time
        for note in left:
            write_atomic(note, "", durable=False)


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def unfit(wanted: Sequence[Wanted]) -> list[str | None]:
    """Return for each model why it cannot be built with its weights; None where it can. Imports torch: for a child."""
    import models_zoo

    problems: list[str | None] = []
    for name, image_size, blocks, pooling, weights in wanted:
        try:
            models_zoo.build(
                name,
                num_classes=2,
                image_size=image_size,
                feature_blocks=blocks,
                pooling=pooling,  # type: ignore[arg-type]  # the study has checked it
                weights=weights,
            )
            problems.append(None)
        except models_zoo.ModelZooError as error:
            problems.append(f"{name}: {error}")
    return problems
