"""Random changes to the files of a run folder: values of other types, damaged bytes, swapped files, pipes, links."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from tests.fuzz.mutate_tables import change_array, change_cells, change_table

__all__ = ["mutate"]

_LARGEST = 2**24
_OF_CELLS = 0.05
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, -3.5, 0.5, 2**31, 2**63, 10**40, 1e308, -1e308, 5e-324, float("nan"), float("inf")),
    *(
        "",
        "x",
        "-1",
        "1e999",
        "\ud800",
        "\x1b[2J",
        "a\nb",
        "\u202e",
        "x" * 5000,
        "Q00000Q",
        "{{ 1 }}",
        "%s{0}",
        "../..",
    ),
    *([], [[]], [None], ["x", "x"], {}, {"": ""}, {"x": {"y": []}}, {"code": "verbatim", "values": {"text": "t"}}),
    *("%s{0}", "../..", "2026-13-40", "no", "0x" + "f" * 5000, "\0", "/dev/zero"),
)


def _nested(rng: random.Random) -> Any:
    """Lists, mappings or notices in one another, by the hundred."""
    value: Any = "end"
    kind = rng.randrange(3)
    for _ in range(rng.choice((9, 50, 400))):
        value = (
            [value] if kind == 0 else {"k": value} if kind == 1 else {"code": "several", "values": {"parts": [value]}}
        )
    return value


def _places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += _places(value, (*path, key))
    return found


def _change_tree(tree: Any, rng: random.Random) -> Any:
    tree = copy.deepcopy(tree)
    places = _places(tree)
    if not places or rng.random() < 0.03:
        return rng.choice(_VALUES)
    *above, last = rng.choice(places)
    holder = tree
    for key in above:
        holder = holder[key]
    how = rng.randrange(8)
    if how == 0:
        del holder[last]
    elif how == 1 and isinstance(holder, dict):
        holder[rng.choice(("x", "", "\ud800", str(last) * 50))] = holder.pop(last)
    elif how == 2 and isinstance(holder[last], list):
        holder[last] = holder[last] * rng.choice((0, 2, 300))
    elif how == 3 and isinstance(holder[last], int | float):
        holder[last] = holder[last] * rng.choice((-1, 0, 10**12, 1.0000001)) + rng.choice((0, 1, 0.5))
    elif how == 4:
        holder[last] = _nested(rng)
    elif how == 5:
        other = rng.choice(places)
        value = tree
        for key in other:
            value = (
                value[key] if isinstance(value, dict | list) and (isinstance(value, dict) or key < len(value)) else 0
            )
        holder[last] = copy.deepcopy(value)
    else:
        holder[last] = copy.deepcopy(rng.choice(_VALUES))
    return tree


def _change_text(path: Path, rng: random.Random) -> None:
    """Change a value of a JSON, YAML or JSON-lines file, which stays one."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        try:
            path.write_text(yaml.safe_dump(_change_tree(yaml.safe_load(text), rng), sort_keys=False), encoding="utf-8")
        except (UnicodeEncodeError, RecursionError):
            path.write_text('name: "\\ud800"\nmodels: [resnet18]\n', encoding="utf-8")
    elif path.suffix == ".jsonl":
        lines = text.splitlines()
        place = rng.randrange(len(lines)) if lines else 0
        lines[place : place + 1] = [_json(_change_tree(json.loads(lines[place]), rng))] if lines else []
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        path.write_text(_json(_change_tree(json.loads(text), rng)), encoding="utf-8")


def _json(tree: Any) -> str:
    try:
        return json.dumps(tree)
    except RecursionError:
        return "[" * 100_000


def _change_bytes(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    how = rng.randrange(5)
    if how == 0 or not content:
        content = content[: rng.randrange(len(content) + 1)]
    elif how == 1:
        content += rng.randbytes(rng.choice((1, 100)))
    elif how == 2:
        start = rng.randrange(len(content))
        content[start : start + 64] = rng.randbytes(64)
    else:
        for _ in range(rng.choice((1, 3, 30))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _array(path: Path, rng: random.Random) -> None:
    """A .npy file that claims an absurd shape or kind."""
    shape = rng.choice(("(1000000000, 1000000)", "(-1, 5)", "(0, 5)", "()", "(3,)", "(2, 2, 2)", "(1, 5.5)"))
    kind = rng.choice(("<f4", "|O", "<c16", "<f8", "<M8[s]", "|S9999999999", "<i8"))
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + rng.randbytes(40))


def _no_file(path: Path, rng: random.Random) -> None:
    """Something else in the file's place."""
    path.unlink()
    how = rng.randrange(7)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
    elif how == 2:
        with path.open("wb") as file:
            file.truncate(rng.choice((2**20, 2**33)))
    elif how < 6:
        path.symlink_to(
            rng.choice(("/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem", path.name, "nowhere", ".."))
        )


def _alias_bomb(path: Path, rng: random.Random) -> None:
    bomb = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9 if n else ['lol'])}]\n" for n in range(9))
    path.write_text(f"{bomb}name: *x8\nmodels: [resnet18]\n", encoding="utf-8")


def _swap(path: Path, other: Path) -> None:
    kept = path.read_bytes()
    shutil.copyfile(other, path)
    other.write_bytes(kept)


def _is_small(path: Path) -> bool:
    """Whether no earlier change has made it a file of gigabytes, which this process would read whole."""
    return path.stat().st_size < _LARGEST


def mutate(run: Path, rng: random.Random) -> str:
    """Change one file of a run folder in place, or the folder of a cell; return what was done, for a message."""
    if rng.random() < _OF_CELLS and list(run.glob("cells/*/")):
        change_cells(run, rng)
        return "cells"
    files = sorted(path for path in run.rglob("*") if path.is_file() and not path.is_symlink() and _is_small(path))
    path = rng.choice(files)
    text = path.suffix in (".json", ".yaml", ".jsonl")
    changes: dict[str, Callable[[], object]] = {"bytes": lambda: _change_bytes(path, rng)}
    if text:
        changes = {f"value {n}": lambda: _change_text(path, rng) for n in range(8)} | changes
    if path.suffix == ".npy":
        changes |= {"array": lambda: _array(path, rng), "numbers": lambda: change_array(path, rng)}
    if path.suffix == ".parquet":
        changes |= {f"table {n}": lambda: change_table(path, rng) for n in range(6)}
    if path.suffix == ".yaml":
        changes["aliases"] = lambda: _alias_bomb(path, rng)
    other = rng.choice(files)
    changes |= {"no file": lambda: _no_file(path, rng), "swap": lambda: _swap(path, other)}
    how = rng.choice(list(changes))
    try:
        changes[how]()
    except (ValueError, EOFError, pa.ArrowException, shutil.SameFileError):
        how = "none"  # an earlier change left nothing that could be read
    return f"{how} of {path.relative_to(run)}"
