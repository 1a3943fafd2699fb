"""A run's data set as Croissant metadata (MLCommons, format 1.0): JSON-LD that data-set search engines read."""

from __future__ import annotations

import json
from typing import Any

from bench.errors import RunError
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
    card = dataset.get("card") or {}
    classes = [str(name) for name in dataset.get("classes") or []]
    found: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": str(card.get("name") or dataset.get("source") or "images"),
        "description": _description(dataset, classes),
        "version": f"1.0.0+{str(dataset.get('fingerprint'))[:12]}",
        "recordSet": [_classes(classes), _images(dataset, classes)],
    }
    for key, stored in (("license", "license"), ("citeAs", "citation"), ("url", "url")):
        if card.get(stored):
            found[key] = str(card[stored])
    return escaped(json.dumps(found, indent=1, ensure_ascii=False)) + "\n"


def _description(dataset: dict[str, Any], classes: list[str]) -> str:
    kind = "Synthetic images" if dataset.get("synthetic") else "Images"
    return (
        f"{kind} of {len(classes)} classes, as split by patchbench: fingerprint {dataset.get('fingerprint')}, "
        f"split {dataset.get('split_hash')}."
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


def _images(dataset: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    columns = [dataset.get(key) or [] for key in ("names", "labels", "splits")]
    if len(set(map(len, columns))) > 1 or any(not 0 <= index < len(classes) for index in columns[1]):
        raise RunError(
            "dataset.json is damaged: its names, labels and splits do not fit together. Run the study again."
        )
    rows = zip(*columns, strict=True)
    label = _field("images", "label", "sc:Text", references={"field": {"@id": "classes/name"}})
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "key": {"@id": "images/name"},
        "field": [_field("images", "name", "sc:Text"), label, _field("images", "split", "sc:Text")],
        "data": [
            {"images/name": name, "images/label": classes[index], "images/split": split} for name, index, split in rows
        ],
    }


EXPORT = text_export("croissant.json", _croissant)
"""Metadata of the data set, as data-set search engines read it."""
