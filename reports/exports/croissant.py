"""A run's data set as Croissant metadata (MLCommons, format 1.0): JSON-LD that data-set search engines read."""

from __future__ import annotations

import json
from typing import Any

from bench.results.dataset import DatasetManifest
from bench.results.run import Run
from reports.exports.base import text_export
from reports.text.formatting import escaped

__all__ = ["EXPORT"]

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification prescribes."""


def _croissant(run: Run) -> str:
    """The metadata as JSON: name, license, citation, classes, and each image with its label and split.

    The images themselves are named, not contained. Raises `RunError` where the run cannot be read.
    """
    dataset = run.dataset
    card = dataset.card
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name or dataset.source,
        "description": _description(dataset),
        "version": f"1.0.0+{dataset.fingerprint[:12]}",
        "recordSet": [_classes(dataset.classes), _images(dataset)],
    }
    known = {"license": card.license, "citeAs": card.citation, "url": card.url}
    found |= {key: value for key, value in known.items() if value}
    return escaped(json.dumps(found, indent=1, ensure_ascii=False)) + "\n"


def _description(dataset: DatasetManifest) -> str:
    kind = "Synthetic images" if dataset.synthetic else "Images"
    return (
        f"{kind} of {len(dataset.classes)} classes, as split by patchbench: fingerprint {dataset.fingerprint}, "
        f"split {dataset.split_hash}."
    )


def _field(record: str, name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{record}/{name}", "name": name, "dataType": kind, **more}


def _classes(classes: list[str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/name"},
        "field": [_field("classes", "name", "sc:Text")],
        "data": [{"classes/name": name} for name in classes],
    }


def _images(dataset: DatasetManifest) -> dict[str, Any]:
    rows = zip(dataset.names, dataset.labels, dataset.splits, strict=True)
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "key": {"@id": "images/name"},
        "field": [
            _field("images", "name", "sc:Text"),
            _field("images", "label", "sc:Text", references={"field": {"@id": "classes/name"}}),
            _field("images", "split", "sc:Text"),
        ],
        "data": [
            {"images/name": name, "images/label": dataset.classes[index], "images/split": split}
            for name, index, split in rows
        ],
    }


EXPORT = text_export("croissant.json", _croissant)
"""Metadata of the data set, as data-set search engines read it."""
