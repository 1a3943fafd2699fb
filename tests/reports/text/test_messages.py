"""What a run stores in English is told in the language of the page."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from reports import render_report
from reports.text.i18n import translator
from reports.text.messages import SENTENCES, WORDS, told

SPANISH = translator("es")


def written_in_bench() -> str:
    """Every text of `bench`, with the places of f-strings left out."""
    found = []
    for path in Path(bench.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_the_sentences_are_those_that_bench_writes() -> None:
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
        (
            "identical images carry different labels (1 such sets), for example a/{1}.jpg and b/2.jpg",
            "imágenes idénticas llevan etiquetas distintas (1 grupos), por ejemplo a/{1}.jpg y b/2.jpg",
        ),
        ("a duplicate of a {b}/<i>.jpg", "un duplicado de a {b}/<i>.jpg"),
        ("train", "entrenamiento"),
        ("something that an older version stored", "something that an older version stored"),
        ("2 exact duplicates left out, and more", "2 exact duplicates left out, and more"),
        (
            "2 unreadable, left out: a (1).jpg (the file is empty)",
            "2 ilegibles, excluidas: a (1).jpg (el archivo está vacío)",
        ),
        (
            "3 unreadable, left out: <b>.png (damaged or cut short (broken (x))) and 2 more",
            "3 ilegibles, excluidas: <b>.png (dañada o incompleta (broken (x))) y 2 más",
        ),
        (
            "1 files not taken for images, such as notes (old) (it lies in a hidden folder)",
            "1 archivos que no se tomaron por imágenes, como notes (old) (está en una carpeta oculta)",
        ),
        (
            "9 unreadable, left out: a.jpg (something new) and 8 more",
            "9 ilegibles, excluidas: a.jpg (something new) y 8 más",
        ),
        (
            "CPU: its RAPL counters cannot be read (denied); reading them takes the rights of root, or zeus "
            "with its daemon (zeus is not installed); GPU: no NVIDIA driver answers (NVML); zeus is not installed",
            "procesador: sus contadores RAPL no se pueden leer (denied); para leerlos hacen falta los derechos de "
            "root, o zeus con su servicio (zeus no está instalado); GPU: ningún controlador de NVIDIA responde "
            "(NVML); zeus no está instalado",
        ),
        (
            "CPU: this system shows no RAPL counters (virtual machines and macOS have none); GPU: no counter",
            "procesador: este sistema no muestra contadores RAPL (las máquinas virtuales y macOS no los tienen); "
            "GPU: no counter",
        ),
        ("the time allowed 1 sample only", "el tiempo solo permitió 1 muestra"),
        (
            "a batch of 64 images would take 12 s; measure.call_seconds is 5",
            "un lote de 64 imágenes tardaría 12 s; measure.call_seconds es 5",
        ),
        (
            "onnx, onnxruntime not installed: pip install 'patchbench[onnx]'",
            "sin instalar: onnx, onnxruntime; pip install 'patchbench[onnx]'",
        ),
    ],
)
def test_names_and_figures_are_kept(stored, shown) -> None:
    assert told(stored, SPANISH) == shown
    assert told(stored, lambda text: text) == stored


def test_each_sentence_is_known_again() -> None:
    for sentence in SENTENCES:
        stored = re.sub(r"\{\w+\}", "7 x", sentence)
        assert told(stored, SPANISH) != stored


def test_reasons_of_missing_figures_are_told_on_the_page(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """In the leaderboard, and in the table of inference."""
    run = make_run(images=80, devices=("cpu",))
    energy = "CPU: this system shows no RAPL counters (virtual machines and macOS have none)"
    backend = "the model has no linear layers to quantize"
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text()) | {"energy": {"not_measured": energy}}
        if result["status"] == "ok":
            result["profiles"].append({"backend": "int8", "not_measured": backend})
        path.write_text(json.dumps(result))
    page = render_report([run], tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
    assert SPANISH(energy) in page
    assert SPANISH(backend) in page
    assert [text for text in (energy, backend) if text in page] == []
