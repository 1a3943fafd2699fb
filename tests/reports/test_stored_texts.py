"""What a run stores in English is told in the language of the page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import bench
from reports.language import translator
from reports.stored_texts import SENTENCES, WORDS, told

SPANISH = translator("es")


def written_in_bench() -> str:
    """Every text of `bench`, with the places of f-strings left out."""
    found = []
    for path in Path(bench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_sentences_are_those_that_bench_writes():
    written = written_in_bench()
    parts = {part for sentence in SENTENCES for part in re.split(r"\{\w+\}", sentence) if len(part) > 2}
    inserted = r"proportional set size \(PSS\)|resident set size \(RSS, shared pages counted whole\)"
    parts = {piece for part in parts for piece in re.split(f"({inserted})", part)}
    assert [part for part in parts if part not in written] == []
    assert [word for word in WORDS if word not in written] == []


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("4 exact duplicates left out", "4 duplicados exactos excluidos"),
        ("a duplicate of a {b}/<i>.jpg", "un duplicado de a {b}/<i>.jpg"),
        ("train", "entrenamiento"),
        ("something that an older version stored", "something that an older version stored"),
        ("2 exact duplicates left out, and more", "2 exact duplicates left out, and more"),
    ],
)
def test_names_and_figures_are_kept(stored, shown):
    assert told(stored, SPANISH) == shown
    assert told(stored, lambda text: text) == stored


def test_each_sentence_is_known_again():
    for sentence in SENTENCES:
        stored = re.sub(r"\{\w+\}", "7 x", sentence)
        assert told(stored, SPANISH) != stored
