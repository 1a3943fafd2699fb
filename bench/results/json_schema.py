"""The JSON schema of all text files that a run stores, from the models that write and read them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from bench.results.dataset import DatasetManifest
from bench.results.environment import Environment
from bench.results.history import EpochRecord
from bench.results.plan import FOUND_BATCH, FoundBatchSize, Plan
from bench.results.schema import CellResult
from bench.results.stored import SCHEMA_VERSION
from bench.study.schema import Study

__all__ = ["STORED_FILES", "run_schema"]

STORED_FILES: Final[dict[str, type[BaseModel]]] = {
    "study.yaml": Study,
    "dataset.json": DatasetManifest,
    "environment.json": Environment,
    "plan.json": Plan,
    FOUND_BATCH: FoundBatchSize,
    "cells/ID/result.json": CellResult,
    "cells/ID/history.jsonl": EpochRecord,
}
"""The model of each file of a run folder; of a .jsonl file, of each of its lines."""

_WRITTEN: JsonSchemaMode = "serialization"


def run_schema() -> dict[str, Any]:
    """Return one JSON schema (draft 2020-12) whose properties are the files of a run folder."""
    references, shared = models_json_schema([(model, _WRITTEN) for model in STORED_FILES.values()])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A run folder of patchbench, schema version {SCHEMA_VERSION}",
        "description": "Each property is a file of the folder; of history.jsonl, each line.",
        "type": "object",
        "properties": {name: references[model, _WRITTEN] for name, model in STORED_FILES.items()},
        **shared,
    }
