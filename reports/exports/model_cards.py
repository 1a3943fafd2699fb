"""A model card for every model that a run kept: what it is, what it was tested on, how well it does, and its limits.

The form is that of model hubs: Markdown after a header in YAML (Mitchell et al. 2019, "Model Cards for Model
Reporting", for what belongs in one).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args

import yaml

from bench.errors import RunError
from bench.results.dataset import DatasetManifest, Split
from bench.results.output import write_output
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.stats.confidence import intervals
from bench.stats.metrics import per_class
from reports.exports.base import Export, Written
from reports.inputs.metrics import shown_metrics, written
from reports.text.formatting import amount, duration, markdown_cell, memory, number, percent, visible
from reports.text.messages import word

__all__ = ["EXPORT"]


def _write(run: Run, out: str | None) -> Written:
    """Write a card for each cell whose weights the run holds.

    out: left out, each card lies beside its weights as README.md; else CELL.md in that folder. Raises `RunError` where
    no weights were kept or a file cannot be written.
    """
    done = [r for r in run.results() if r.status is Status.OK and r.confusion]
    kept = [r for r in done if (run.cell_folder(r.id) / "model.safetensors").is_file()]
    if not kept:
        raise RunError(f"{run.path} holds no weights. Run the study into a new folder with --set keep_models=true.")
    written = []
    for result in kept:
        path = Path(out) / f"{result.id}.md" if out else run.cell_folder(result.id) / "README.md"
        write_output(path, _model_card(run, result), run.path)
        written.append(path)
    return Written("\n".join(map(str, written)), Path(out) if out else run.path / "cells")


def _model_card(run: Run, result: CellResult) -> str:
    """The card of one cell, as Markdown with a header in YAML."""
    header = yaml.safe_dump(_header(result, run.dataset), sort_keys=False, allow_unicode=True)
    parts = [f"---\n{header}---", f"# {markdown_cell(result.label)}", *_text(run, result)]
    return "\n\n".join(parts) + "\n"


def _header(result: CellResult, dataset: DatasetManifest) -> dict[str, Any]:
    metrics = [
        {"type": name, "name": metric.title, "value": round(value, 6)}
        for name, metric in shown_metrics().items()
        if (value := result.metrics.get(name)) is not None
    ]
    data = {"name": visible(dataset.card.name or dataset.source), "type": visible(dataset.source)}
    task = {"type": "image-classification"}
    return {
        "library_name": "patchbench",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", str(result.model.family or "other")],
        "model-index": [
            {"name": visible(result.label), "results": [{"task": task, "dataset": data, "metrics": metrics}]}
        ],
    }


def _text(run: Run, result: CellResult) -> list[str]:
    dataset = run.dataset
    return [
        "\n".join(f"- **{name}**: {markdown_cell(text)}" for name, text in _facts(run, result)),
        "## Scores on the test images",
        _scores(result),
        "## Each class",
        _classes(result, dataset.classes),
        "## Data",
        _data(dataset),
        "## Limits",
        "\n".join(f"- {markdown_cell(text)}" for text in _limits(dataset)),
    ]


def _facts(run: Run, result: CellResult) -> list[tuple[str, str]]:
    cell, model = result.cell, result.model
    patchbench = run.environment.patchbench if (run.path / "environment.json").is_file() else None
    return [
        ("Architecture", f"{cell.model.name}, {cell.model.image_size} px"),
        ("Parameters", amount(model.parameters).text),
        ("Weights it started from", model.weights.source or cell.model.weights or "not known"),
        ("Regime", f"{cell.regime}, seed {cell.seed}, {cell.precision} on {cell.device}"),
        ("Tested epoch", f"{result.best_epoch} of {result.epochs}, chosen on validation"),
        ("Time to train", duration(result.timings.train_seconds).text),
        ("Peak RAM", memory(result.memory.peak_ram_mib).text),
        ("Trained with", f"patchbench {patchbench or 'not known'}, torch {result.context.torch or 'not known'}"),
    ]


def _scores(result: CellResult) -> str:
    lines = ["| score | value | 95 % interval |", "|---|---:|---|"]
    spans = intervals(result.confusion)
    for name, metric in shown_metrics().items():
        span = spans.get(name)
        ends = f"{written(metric, span.low).text} to {written(metric, span.high).text}" if span else "not known"
        lines.append(f"| {metric.title} | {written(metric, result.metrics.get(name)).text} | {ends} |")
    return "\n".join(lines)


def _classes(result: CellResult, classes: list[str]) -> str:
    lines = ["| class | precision | recall | F1 | test images |", "|---|---:|---:|---:|---:|"]
    for name, score in zip(classes, per_class(result.confusion), strict=False):
        shown = percent(score.precision).text, percent(score.recall).text, number(score.f1).text
        lines.append(f"| {markdown_cell(name)} | {' | '.join(shown)} | {score.support} |")
    return "\n".join(lines)


def _data(dataset: DatasetManifest) -> str:
    card = dataset.card
    counts = Counter(dataset.splits)
    facts = [
        ("name", card.name),
        ("license", card.license),
        ("citation", card.citation),
        ("images", ", ".join(f"{counts[split]:,} {split}" for split in get_args(Split))),
        ("fingerprint", dataset.fingerprint),
        ("split", dataset.split_hash),
    ]
    return "\n".join(f"- {key}: {markdown_cell(value)}" for key, value in facts if value)


def _limits(dataset: DatasetManifest) -> list[str]:
    limits = ["Scores hold for images like the test images: same source, stain, camera and labeling."]
    if dataset.synthetic:
        limits.append("The images are synthetic: the scores say nothing about real ones.")
    return limits + [word(warning) for warning in dataset.warnings]


EXPORT = Export(_write)
"""A card for each kept model, beside its weights; --out: the folder to write them to instead."""
