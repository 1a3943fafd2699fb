"""A model card for every model that a run kept: what it is, what it was tested on, how well it does, and its limits.

The form is that of model hubs: Markdown after a header in YAML (Mitchell et al. 2019, "Model Cards for Model
Reporting", for what belongs in one).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.errors import RunError
from bench.results.files import write_atomic
from bench.results.run import Run
from bench.results.schema import CellResult, Status
from bench.stats.confidence import interval
from bench.stats.metrics import per_class
from reports.exports.base import Export, Written
from reports.text.formatting import amount, duration, markdown_cell, memory, number, percent, visible

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
        write_atomic(path, _model_card(run, result))
        written.append(path)
    return Written("\n".join(map(str, written)), Path(out) if out else run.path / "cells")


def _model_card(run: Run, result: CellResult) -> str:
    """The card of one cell, as Markdown with a header in YAML."""
    dataset = run.dataset
    environment = run.environment if (run.path / "environment.json").is_file() else {}
    header = yaml.safe_dump(_header(result, dataset), sort_keys=False, allow_unicode=True)
    parts = [f"---\n{header}---", f"# {markdown_cell(result.label)}", *_text(result, dataset, environment)]
    return "\n\n".join(parts) + "\n"


def _header(result: CellResult, dataset: dict[str, Any]) -> dict[str, Any]:
    card = dataset.get("card") or {}
    metrics = [
        {"type": key, "name": name, "value": round(value, 6)}
        for key, name in (("accuracy", "Accuracy"), ("balanced_accuracy", "Balanced accuracy"), ("kappa", "Kappa"))
        if (value := result.metrics.get(key)) is not None
    ]
    data = {
        "name": visible(str(card.get("name") or dataset.get("source") or "images")),
        "type": visible(str(dataset.get("source"))),
    }
    task = {"type": "image-classification"}
    return {
        "library_name": "patchbench",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", str(result.model.family or "other")],
        "model-index": [
            {"name": visible(result.label), "results": [{"task": task, "dataset": data, "metrics": metrics}]}
        ],
    }


def _text(result: CellResult, dataset: dict[str, Any], environment: dict[str, Any]) -> list[str]:
    cell, model = result.cell, result.model
    spec = cell.get("model") or {}
    classes = [str(name) for name in dataset.get("classes") or []]
    start = (model.weights or {}).get("source") or spec.get("weights") or "not known"
    facts = [
        ("Architecture", f"{spec.get('name') or 'not known'}, {spec.get('image_size')} px"),
        ("Parameters", amount(model.parameters).text),
        ("Weights it started from", str(start)),
        ("Regime", f"{cell.get('regime')}, seed {cell.get('seed')}, {cell.get('precision')} on {cell.get('device')}"),
        ("Tested epoch", f"{result.best_epoch} of {result.epochs}, chosen on validation"),
        ("Time to train", duration(result.timings.train_seconds).text),
        ("Peak RAM", memory(result.memory.peak_ram_mib).text),
        ("Trained with", f"patchbench {environment.get('patchbench')}, torch {result.context.get('torch')}"),
    ]
    return [
        "\n".join(f"- **{name}**: {markdown_cell(text)}" for name, text in facts),
        "## Scores on the test images",
        _scores(result),
        "## Each class",
        _classes(result, classes),
        "## Data",
        _data(dataset),
        "## Limits",
        "\n".join(f"- {markdown_cell(text)}" for text in _limits(dataset)),
    ]


def _scores(result: CellResult) -> str:
    lines = ["| score | value | 95 % interval |", "|---|---:|---|"]
    for key, name in (("accuracy", "accuracy"), ("balanced_accuracy", "balanced accuracy"), ("kappa", "kappa")):
        span = interval(result.confusion, key) if result.confusion else None
        form = number if key == "kappa" else percent
        ends = f"{form(span.low).text} to {form(span.high).text}" if span else "not known"
        lines.append(f"| {name} | {form(result.metrics.get(key)).text} | {ends} |")
    return "\n".join(lines)


def _classes(result: CellResult, classes: list[str]) -> str:
    lines = ["| class | precision | recall | F1 | test images |", "|---|---:|---:|---:|---:|"]
    for name, score in zip(classes, per_class(result.confusion), strict=False):
        shown = percent(score.precision).text, percent(score.recall).text, number(score.f1).text
        lines.append(f"| {markdown_cell(name)} | {' | '.join(shown)} | {score.support} |")
    return "\n".join(lines)


def _data(dataset: dict[str, Any]) -> str:
    card = dataset.get("card") or {}
    facts = [(key, card.get(key)) for key in ("name", "license", "citation")]
    counts = dataset.get("counts") or {}
    sides = {side: sum(row.get(side, 0) for row in counts.values()) for side in ("train", "validation", "test")}
    facts += [("images", ", ".join(f"{count:,} {side}" for side, count in sides.items()))]
    facts += [("fingerprint", dataset.get("fingerprint")), ("split", dataset.get("split_hash"))]
    return "\n".join(f"- {key}: {markdown_cell(str(value))}" for key, value in facts if value)


def _limits(dataset: dict[str, Any]) -> list[str]:
    told = ["Scores hold for images like the test images: same source, stain, camera and labelling."]
    if dataset.get("synthetic"):
        told.append("The images are synthetic: the scores say nothing about real ones.")
    return told + [str(warning) for warning in dataset.get("warnings") or []]


EXPORT = Export(_write)
"""A card for each kept model, beside its weights; --out: the folder to write them to instead."""
