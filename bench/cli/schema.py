"""``patchbench schema``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["schema"]


def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
) -> None:
    """Print the JSON schema of the files that a run stores: study, data set, environment, plan, results, history."""
    import json

    from bench.results.json_schema import run_schema
    from bench.results.output import write_output

    text = json.dumps(run_schema(), indent=1, ensure_ascii=False)
    if out is None:
        print(text)
    else:
        write_output(out, text + "\n")
