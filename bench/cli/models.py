"""``patchbench models``: the table of models, and one model's parts and cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import ModelError

if TYPE_CHECKING:
    from rich.console import Console

    from models_zoo.table import ModelRow

__all__ = ["models", "show_model", "show_models"]


def models(
    name: Annotated[str | None, typer.Argument(help="One model, to see its parts and cost.")] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, max=4096, help="Side of the input in pixels; the model's own by default.")
    ] = None,
    classes: Annotated[int, typer.Option(min=2, max=100_000, help="Width of the head.")] = 1000,
    family: Annotated[str | None, typer.Option(help="List only this family: vit, cnn, hybrid ...")] = None,
    text: Annotated[str | None, typer.Option("--filter", help="List only models with this in name or notes.")] = None,
) -> None:
    """List the models, or tell one's layers, parameters and cost."""
    if name is None:
        show_models(family, text, image_size, classes)
    else:
        show_model(name, image_size, classes)


def show_models(family: str | None, text: str | None, image_size: int | None = None, classes: int = 1000) -> None:
    """Print the table of models, or those of a family or with a text in their name or notes.

    At another size or with another head than published figures have, they are counted in a child process, which
    takes a fraction of a second for each model.
    """
    from rich.table import Table
    from rich.text import Text

    from models_zoo import ModelZooError
    from models_zoo.table import model_rows

    try:
        rows = model_rows(family=family, text=text)
    except ModelZooError as error:
        raise ModelError(str(error)) from error
    if rows and (image_size is not None or classes != 1000):
        rows = _counted(rows, image_size, classes)
    table = Table(box=None, pad_edge=False)
    for name in ("name", "family", "patch", "pixels", "parameters", "GFLOPs", "default weights", "notes"):
        numeric = name in ("patch", "pixels", "parameters", "GFLOPs")
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != "notes")
    for row in rows:
        table.add_row(
            Text(row.name),
            Text(row.family),
            Text("" if row.patch is None else str(row.patch)),
            Text(str(row.image_size)),
            Text("" if row.parameters is None else f"{row.parameters / 1e6:,.1f} M"),
            Text("" if row.flops is None else f"{row.flops / 1e9:,.2f}"),
            Text(row.default_weights or "none"),
            Text(row.description),
        )
    _console().print(table)
    empty = " Empty: the model cannot take this size." if any(row.flops is None for row in rows) and image_size else ""
    print(
        f"{len(rows)} models. Parameters with a head for {classes} classes; FLOPs of one image's forward pass, a "
        f"multiply-add counted as two.{empty}\nAlso timm:NAME, torchvision:NAME and python:PACKAGE.MODULE:FUNCTION."
    )


def _counted(rows: list[ModelRow], image_size: int | None, classes: int) -> list[ModelRow]:
    """Count parameters and FLOPs anew."""
    print(f"counting {len(rows)} models ...", file=sys.stderr)
    figures = _card("--table", *(row.name for row in rows), *_options(image_size, classes))
    counted = []
    for row in rows:
        parameters, macs = figures[row.name] or (None, None)
        flops = None if macs is None else 2 * macs
        size = image_size or row.image_size
        counted.append(replace(row, image_size=size, parameters=parameters, macs=macs, flops=flops))
    return counted


def show_model(name: str, image_size: int | None, classes: int) -> None:
    """Print what one model is and costs. It is built in a child process: this one never imports torch."""
    import models_zoo

    try:
        models_zoo.check(name, image_size)
    except models_zoo.ModelZooError as error:
        raise ModelError(str(error)) from error
    _print_card(_card(name, *_options(image_size, classes)))


def _options(image_size: int | None, classes: int) -> list[str]:
    return ["--classes", str(classes), *([] if image_size is None else ["--image-size", str(image_size)])]


def _card(*words: str) -> dict[str, Any]:
    """Ask ``models_zoo.summary``, whose last line is JSON: a user's function may print before it."""
    command = [sys.executable, "-m", "models_zoo.summary", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = done.stderr.strip() or f"the process ended with {done.returncode}"
        raise ModelError(message if done.returncode == 2 else f"it cannot be built: {message.splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _print_card(card: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    facts = Table(box=None, pad_edge=False, show_header=False)
    library = f"{card['library']} {card['library_name']}"
    rows = {
        "model": f"{card['name']} ({card['family']}; {library})",
        "notes": card["description"],
        "image size": f"{card['image_size']} px",
        "patch": card["patch"],
        "tokens": card["tokens"],
        "layers with weights": card["layers"],
        "features": card["num_features"],
        "parameters": f"{card['parameters']:,} (head for {card['num_classes']} classes)",
        **{f"  {part.replace('_', ' ')}": f"{count:,}" for part, count in card["parameters_by_part"].items() if count},
        "FLOPs of one image": f"{card['flops'] / 1e9:,.3f} G ({card['macs'] / 1e9:,.3f} G multiply-adds)",
        "activations kept, fp32": f"{card['activation_mib']:,.1f} MiB an image",
        "default weights": card["default_weights"] or "none",
    }
    for key, value in rows.items():
        if value not in (None, ""):
            facts.add_row(Text(key), Text(str(value)))
    memory = Table(box=None, pad_edge=False, title="estimated training memory, MiB (without the libraries)")
    for column in ("precision", "batch", "all learns", "only the head learns"):
        memory.add_column(column, justify="left" if column == "precision" else "right")
    for row in card["memory"]:
        figures = (f"{row['train_all_mib']:,.0f}", f"{row['frozen_mib']:,.0f}")
        # Both halves take two bytes, so that one was measured.
        precision = "bf16, fp16" if row["precision"] == "bf16" else row["precision"]
        memory.add_row(precision, str(row["batch_size"]), *figures)
    console = _console()
    console.print(facts)
    console.print(memory)


def _console() -> Console:
    """As wide as the terminal; where there is none, wide enough that no line is broken."""
    from rich.console import Console

    return Console(highlight=False, width=None if os.isatty(1) else 220)
