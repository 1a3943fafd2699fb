"""Running a study again from what a run stored, into a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from bench.errors import RunError
from bench.results import Run, load_results
from bench.run import OnEvent, prepare_study, run_study
from bench.study import Study, absolute

__all__ = ["reproduce"]


def reproduce(
    original: Path,
    *,
    data: Path | None = None,
    out: Path | None = None,
    on_event: OnEvent | None = None,
    command: Sequence[str] | None = None,
) -> Run:
    """Run the study that ``original`` stored once more and return the new run.

    data: where the data lies now; left out, where it lay. out: the new folder, ``RUN-reproduced`` beside the first by
    default; one that was begun is gone on with. The first run is only read. Raises `RunError` where it is no run, its
    study is of another version, or the data is not what it was, and `BenchError` as `run_study` does.
    """
    before = load_results(original)
    try:
        study = Study.model_validate(before.study)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunError(
            f"{original / 'study.yaml'} is no study that this version can run ({key}: {first['msg']}). "
            f"Use the version named in its environment.json."
        ) from error
    if data is not None:
        dataset = study.dataset.model_copy(update={"path": absolute(data, Path.cwd())})
        study = study.model_copy(update={"dataset": dataset})
    folder = out or before.path.resolve().with_name(f"{before.path.resolve().name}-reproduced")
    if folder.resolve() == before.path.resolve():
        raise RunError(f"{folder} is the run itself. Give another folder with --out.")
    manifest, then = prepare_study(study, on_event=on_event).manifest, before.dataset
    for what, now, was in (
        ("fingerprint", manifest.fingerprint, then.get("fingerprint")),
        ("split", manifest.split_hash, then.get("split_hash")),
    ):
        if now != was:
            raise RunError(
                f"the data is not what {original} was made from: its {what} is {now[:12]} now and was "
                f"{str(was)[:12]}. Give the same images with --data."
            )
    return run_study(study, out=folder, on_event=on_event, command=command)
