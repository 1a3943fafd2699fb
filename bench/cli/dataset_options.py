"""The data set of a command: its argument and options, defined once for all commands that take one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, TypeVar

import typer

from bench.data.sources import SOURCES
from bench.errors import StudyError, nearest

__all__ = ["Fields", "Settings", "build_spec", "takes_dataset", "with_settings"]

Fields = dict[str, Any]
"""Fields of a data set's specification, as they were given."""

_Spec = TypeVar("_Spec")


def _fields(
    path: Annotated[Path, typer.Argument(help="A folder of class folders, a zip of one, a CSV or an .npz file.")],
    source: Annotated[
        str | None,
        typer.Option(
            help=f"The kind of source, where the path does not show it: {', '.join(SOURCES.entries)}, or one that a "
            "package adds (patchbench list sources)."
        ),
    ] = None,
    classes: Annotated[int | None, typer.Option(help="For pbc: 8 or 13.")] = None,
    path_column: Annotated[
        str | None, typer.Option(help="For a CSV: the column with the paths, where it is not path.")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option(help="For a CSV: the column with the labels, where it is not label.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="For a folder or zip: which level of folders is what, such as '{split}/{class}/{group}/*'; found "
            "where it is left out (docs/data.md).",
        ),
    ] = None,
    zip_encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For a zip whose names are not UTF-8: their encoding, such as gbk."),
    ] = None,
) -> Fields:
    from bench.study.schema import absolute

    given = {"source": source, "classes": classes, "path_column": path_column, "label_column": label_column}
    return {"path": absolute(path, Path.cwd()), **given, "layout": layout, "zip_encoding": zip_encoding}


def takes_dataset(command: Callable[Concatenate[Fields, ...], None]) -> Callable[..., None]:
    """Give a command the options of a data set; it is called with their `Fields` as its first argument."""
    shared = inspect.signature(_fields, eval_str=True).parameters
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @wraps(command)
    def with_options(**given: Any) -> None:
        taken: dict[str, Any] = {name: given.pop(name) for name in shared}
        command(_fields(**taken), **given)

    together = [*shared.values(), *own]
    with_options.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in together}
    return with_options


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any key of a study's dataset: --set dataset.duplicates.near=report."
    ),
]


def with_settings(settings: Sequence[str] | None, **given: Fields) -> dict[str, Fields]:
    """Return the fields of each part of a study with what ``--set`` changes in them.

    Args:
        settings: ``key=value``, with a dotted key that begins with the name of a part.
        given: the fields of each part, None where they were not given.

    Raises:
        StudyError: a setting is no ``key=value``, or is of another part.
    """
    from bench.study.overrides import assign, split_setting

    tree: dict[str, Any] = {
        part: {key: value for key, value in fields.items() if value is not None} for part, fields in given.items()
    }
    for setting in settings or ():
        key, value, _ = split_setting(setting)
        if key[0] not in tree or len(key) < 2:
            allowed = " or ".join(f"{part}.KEY" for part in tree)
            raise StudyError(f"--set {setting[:80]!r}: this command has no such key. It takes {allowed}.")
        assign(tree, key, value)
    return tree


def build_spec(kind: type[_Spec], **given: Any) -> _Spec:
    """Return a pydantic model of what was given (not None).

    Raises:
        StudyError: naming the first field that is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            known = getattr(kind, "model_fields", {})
            message = f"unknown key.{nearest(str(first['loc'][-1]), known)} There are {', '.join(known)}"
        raise StudyError(f"{key + ': ' if key else ''}{message}") from error
