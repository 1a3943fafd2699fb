from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from bench.cli.schema import schema
from bench.results.json_schema import STORED_FILES, run_schema
from bench.results.plan import FoundBatchSize, Plan
from bench.results.run import load_results

COMMITTED = Path(__file__).parents[3] / "docs" / "run-schema.json"


def test_the_committed_schema_is_the_present_one() -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert committed == run_schema(), "out of date: run `patchbench schema --out docs/run-schema.json` and commit it"


def test_it_is_printed_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schema(None)
    printed = json.loads(capsys.readouterr().out)
    schema(tmp_path / "schema.json")
    assert printed == json.loads((tmp_path / "schema.json").read_text(encoding="utf-8")) == run_schema()
    assert set(printed["properties"]) == set(STORED_FILES)


def test_what_a_run_stores_is_valid(tmp_path: Path) -> None:
    """Of a run of version 1, read and written again."""
    run = load_results(Path(__file__).parents[1] / "results" / "data" / "version_1")
    validator, whole = Draft202012Validator, run_schema()
    models: dict[str, Sequence[BaseModel]] = {
        "study.yaml": [run.study],
        "dataset.json": [run.dataset],
        "environment.json": [run.environment],
        "plan.json": [Plan(cells=run.plan())],
        "batch_size.json": [FoundBatchSize(batch_size=8, largest={"a": 8})],
        "cells/ID/result.json": run.results(),
        "cells/ID/history.jsonl": run.history("21727cf137e7"),
    }
    assert set(models) == set(STORED_FILES)
    for name, stored in models.items():
        check = validator({**whole["properties"][name], "$defs": whole["$defs"]})
        for model in stored:
            assert type(model) is STORED_FILES[name]
            check.validate(model.model_dump(mode="json"))
    broken = {**run.environment.model_dump(mode="json"), "cpu": {"cores": "many"}}
    assert not validator({**whole["properties"]["environment.json"], "$defs": whole["$defs"]}).is_valid(broken)


def test_every_stored_field_has_a_description() -> None:
    fields = [
        (f"{model}.{name}", field)
        for model, held in run_schema()["$defs"].items()
        for name, field in held.get("properties", {}).items()
    ]
    assert len(fields) > 200
    silent = [name for name, field in fields if not field.get("description") and "$ref" not in field]
    assert silent == [], "these have no docstring"
