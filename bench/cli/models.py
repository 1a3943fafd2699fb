"""``patchbench models``: the table of models, and one model's parts and cost."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli.output import line
from bench.errors import ModelError
from bench.isolated import IsolatedError, call_isolated

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from models_zoo.summary import ModelSummary
    from models_zoo.table import ModelRow

__all__ = ["models", "show_model", "show_models"]


def models(
    name: Annotated[str | None, typer.Argument(help="One model, to see its parts and cost.")] = None,
    image_size: Annotated[
        int | None,
        typer.Option(min=8, max=4096, help="Width and height of the input in pixels; the model's own by default."),
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=100_000, help="Width of the head.")] = 1000,
    family: Annotated[str | None, typer.Option(help="List only this family: vit, cnn, hybrid ...")] = None,
    text: Annotated[str | None, typer.Option("--filter", help="List only models with this in name or notes.")] = None,
) -> None:
    """List the models, or show one's layers, parameters and cost."""
    if name is None:
        show_models(family, text, image_size, classes)
    else:
        show_model(name, image_size, classes)


def show_models(family: str | None, text: str | None, image_size: int | None = None, classes: int = 1000) -> None:
    """Print the table of models, or those of a family or with a string in their name or notes.

    At another size or with another head than published figures have, they are counted in a child process, which
    takes a fraction of a second for each model.
    """
    from models_zoo import ModelZooError
    from models_zoo.table import model_rows

    try:
        rows = model_rows(family=family, text=text)
    except ModelZooError as error:
        raise ModelError(str(error)) from error
    if rows and (image_size is not None or classes != 1000):
        rows = _counted(rows, image_size, classes)
    _console().print(_table(rows))
    empty = " Empty: the model cannot take this size." if any(row.flops is None for row in rows) and image_size else ""
    print(
        f"{len(rows)} models. Parameters with a head for {classes} classes; FLOPs of one image's forward pass, a "
        f"multiply-add counted as two.{empty}\nAlso timm:NAME, torchvision:NAME and python:PACKAGE.MODULE:FUNCTION."
    )


def _table(rows: list[ModelRow]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("name", "family", "patch", "pixels", "parameters", "GFLOPs", "default weights", "notes"):
        numeric = name in ("patch", "pixels", "parameters", "GFLOPs")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != "notes")
    for row in rows:
        table.add_row(
            line(row.name),
            Text(row.family),
            Text("" if row.patch is None else str(row.patch)),
            Text(str(row.image_size)),
            Text("" if row.parameters is None else f"{row.parameters / 1e6:,.1f} M"),
            Text("" if row.flops is None else f"{row.flops / 1e9:,.2f}"),
            line(row.default_weights or "none"),
            line(row.description),
        )
    return table


def _counted(rows: list[ModelRow], image_size: int | None, classes: int) -> list[ModelRow]:
    """Count parameters and FLOPs anew."""
    print(f"counting {len(rows)} models ...", file=sys.stderr)
    counts = _measure("count_models", [row.name for row in rows], image_size, classes)
    counted = []
    for row in rows:
        parameters, macs = counts[row.name] or (None, None)
        flops = None if macs is None else 2 * macs
        size = image_size or row.image_size
        counted.append(replace(row, image_size=size, parameters=parameters, macs=macs, flops=flops))
    return counted


def show_model(name: str, image_size: int | None, classes: int) -> None:
    """Print what one model is and costs. It is built in a child process: this one never imports torch."""
    import models_zoo
    from models_zoo.summary import ModelSummary

    try:
        models_zoo.check(name, image_size)
    except models_zoo.ModelZooError as error:
        raise ModelError(str(error)) from error
    summary = ModelSummary.from_dict(_measure("summarize", name, image_size, classes))
    console = _console()
    console.print(_facts(summary))
    console.print(_memory(summary))


def _measure(function: str, *arguments: Any) -> Any:
    try:
        return call_isolated(f"bench.cli.models_worker:{function}", *arguments)
    except IsolatedError as error:
        raise ModelError(f"it cannot be built: {error}") from error


def _facts(summary: ModelSummary) -> Table:
    from rich.table import Table

    parts = {part.replace("_", " "): count for part, count in summary.parameters_by_part.items() if count}
    rows = {
        "model": f"{summary.name} ({summary.family}; {summary.library} {summary.library_name})",
        "notes": summary.description,
        "image size": f"{summary.image_size} px",
        "patch": summary.patch,
        "tokens": summary.tokens,
        "layers with weights": summary.layers,
        "features": summary.num_features,
        "parameters": f"{summary.parameters:,} (head for {summary.num_classes} classes)",
        **{f"  {part}": f"{count:,}" for part, count in parts.items()},
        "FLOPs of one image": f"{summary.flops / 1e9:,.3f} G ({summary.macs / 1e9:,.3f} G multiply-adds)",
        "activations kept, fp32": f"{summary.activation_mib:,.1f} MiB an image",
        "default weights": summary.default_weights or "none",
    }
    facts = Table(box=None, pad_edge=False, show_header=False)
    for key, value in rows.items():
        if value not in (None, ""):
            facts.add_row(line(key), line(str(value)))
    return facts


def _memory(summary: ModelSummary) -> Table:
    from rich.table import Table

    memory = Table(box=None, pad_edge=False, title="estimated training memory, MiB (without the libraries)")
    for column in ("precision", "batch", "all learns", "only the head learns"):
        memory.add_column(column, justify="left" if column == "precision" else "right")
    for row in summary.memory:
        # Both halves take two bytes, so that one was measured.
        precision = "bf16, fp16" if row.precision == "bf16" else row.precision
        memory.add_row(precision, str(row.batch_size), f"{row.train_all_mib:,.0f}", f"{row.frozen_mib:,.0f}")
    return memory


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough that no line is broken."""
    from rich.console import Console

    return Console(highlight=False, width=None if os.isatty(1) else 220)
