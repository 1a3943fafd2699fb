"""What a run stores is a code and values; every code has its words, in every language."""

from __future__ import annotations

import ast
import json
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import bench
from bench.results.notice import Notice, verbatim
from reports import render_report
from reports.text.i18n import ENGLISH, LANGUAGES, Plural, Translator, translator
from reports.text.messages import MESSAGES, word

SPANISH = translator("es")
UNEMITTED = {
    "unstable_median_cold",  # what unstable_median says where warm is 0
    "pss_sampled",  # stored by earlier versions
}
CHOOSING = {"unstable_median": {"warm"}}
"""Values that choose the words and do not stand in them."""
BROKEN = Notice.of("damaged_image", reason="broken (x)")
SAME_IN_EVERY_LANGUAGE = {"verbatim", "several", "exception", "gpu_energy_missing", "image_labeled"}


class Emitted(NamedTuple):
    """A notice that the code makes."""

    where: str
    code: str | None
    """None: it is no literal."""
    places: frozenset[str]


def literals(code: ast.expr) -> list[str | None]:
    """The codes that an expression can be: a literal, or the choice of one of two; else None."""
    if isinstance(code, ast.IfExp):
        return [*literals(code.body), *literals(code.orelse)]
    return [code.value if isinstance(code, ast.Constant) and isinstance(code.value, str) else None]


def notices_of(tree: ast.AST, where: str) -> Iterator[Emitted]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "verbatim":
            yield Emitted(f"{where}:{node.lineno}", "verbatim", frozenset({"text"}))
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "Notice.of":
            places = frozenset(str(keyword.arg) for keyword in node.keywords)
            for code in literals(node.args[0]):
                yield Emitted(f"{where}:{node.lineno}", code, places)


def emitted() -> list[Emitted]:
    root = Path(bench.__file__).parent
    paths = sorted(root.rglob("*.py"))
    return [found for path in paths for found in notices_of(ast.parse(path.read_text()), str(path.relative_to(root)))]


EMITTED = emitted()


def forms(message: str | Plural) -> tuple[str, ...]:
    return (message.singular, message.plural) if isinstance(message, Plural) else (message,)


def places(message: str | Plural) -> set[str]:
    parsed = (part for form in forms(message) for part in string.Formatter().parse(form))
    return {name for _text, name, _format, _conversion in parsed if name}


def formats(message: str | Plural) -> dict[str, str]:
    parsed = (part for form in forms(message) for part in string.Formatter().parse(form))
    return {name: str(how) for _text, name, how, _conversion in parsed if name}


def test_notices_are_found() -> None:
    assert len(EMITTED) > 40
    source = 'Notice.of("one", name=x)\nverbatim("y")\nNotice.of(code)\nNotice.of("a" if x else "b")'
    found = list(notices_of(ast.parse(source), "f"))
    assert [(notice.code, set(notice.places)) for notice in found] == [
        ("one", {"name"}),
        ("verbatim", {"text"}),
        (None, set()),
        ("a", set()),
        ("b", set()),
    ]


def test_every_notice_of_bench_has_a_literal_code_with_words() -> None:
    assert [notice for notice in EMITTED if notice.code not in MESSAGES] == []


def test_every_notice_gives_what_its_words_have_places_for() -> None:
    assert [
        notice
        for notice in EMITTED
        if notice.code in MESSAGES and notice.places != places(MESSAGES[notice.code]) | CHOOSING.get(notice.code, set())
    ] == []


def test_every_message_is_of_a_notice() -> None:
    assert sorted(MESSAGES.keys() - {notice.code for notice in EMITTED}) == sorted(UNEMITTED)


def example(code: str, number: int) -> Notice:
    """A notice of this code with a value in each place: a number where one is formatted."""
    message = MESSAGES[code]
    values: dict[str, str | int | float | tuple[Notice, ...]] = {}
    for name, how in formats(message).items():
        counted = isinstance(message, Plural) and name == message.number
        words = "x {1}" if how != "and" else tuple(map(verbatim, ("a", "b", "c")))
        values[name] = number if counted else float(number) if how not in ("", "and", "word") else words
    return Notice.of(code, **values)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", MESSAGES)
def test_every_code_is_worded(code: str, lang: str) -> None:
    translate = translator(lang)
    for number in (1, 5, 123_456):
        notice = example(code, number)
        worded = word(notice, translate)
        assert not worded.startswith((f"{code} (", f"{code}:"))
        assert worded.replace("\N{NO-BREAK SPACE}", " ").isprintable()
        assert "{" not in worded.replace("x {1}", "")
        assert ("x {1}" in worded) == ("x {1}" in notice.values.values())
        assert code in SAME_IN_EVERY_LANGUAGE or lang == "en" or worded != word(notice)


@pytest.mark.parametrize(
    ("notice", "english", "spanish"),
    [
        (
            Notice.of("duplicates_left_out", count=4),
            "4 exact duplicates left out",
            "4 duplicados exactos excluidos",
        ),
        (
            Notice.of("duplicates_left_out", count=1),
            "1 exact duplicate left out",
            "1 duplicado exacto excluido",
        ),
        (
            Notice.of("duplicate_of", name="a {b}/<i>.jpg"),
            "a duplicate of a {b}/<i>.jpg",
            "un duplicado de a {b}/<i>.jpg",
        ),
        (
            Notice.of("unreadable_files", count=1, name="a (1).jpg", reason=Notice.of("file_empty")),
            "1 unreadable file left out: a (1).jpg (the file is empty)",
            "1 archivo ilegible excluido: a (1).jpg (el archivo está vacío)",
        ),
        (
            Notice.of("unreadable_files", count=3, name="<b>.png", reason=BROKEN),
            "3 unreadable files left out, such as <b>.png (damaged or cut short (broken (x)))",
            "3 archivos ilegibles excluidos, como <b>.png (dañada o incompleta (broken (x)))",
        ),
        (
            Notice.of("ignored_files", count=2, name="notes (old)", reason=Notice.of("hidden_folder")),
            "2 files not taken for images, such as notes (old) (it lies in a hidden folder)",
            "2 archivos que no se tomaron por imágenes, como notes (old) (está en una carpeta oculta)",
        ),
        (
            Notice.of("conflicting_labels", count=2, names=(verbatim("a/{1}.jpg"), verbatim("b/2.jpg"))),
            "identical images carry different labels (2 such sets), for example a/{1}.jpg and b/2.jpg",
            "imágenes idénticas llevan etiquetas distintas (2 grupos), por ejemplo a/{1}.jpg y b/2.jpg",
        ),
        (
            Notice.of("package_missing", names="onnx, onnxruntime", command="pip install 'patchbench[onnx]'"),
            "onnx, onnxruntime not installed: pip install 'patchbench[onnx]'",
            "sin instalar: onnx, onnxruntime; pip install 'patchbench[onnx]'",
        ),
        (
            Notice.of("time_allowed_samples", count=1),
            "the time allowed 1 sample only",
            "el tiempo solo permitió 1 muestra",
        ),
        (
            Notice.of("unstable_median", samples=12, rounds=1, share=0.05, warm=1),
            "the median of 12 samples is not known within 5\N{NO-BREAK SPACE}%",
            "la mediana de 12 muestras no se conoce con un margen del 5\N{NO-BREAK SPACE}%",
        ),
        (
            Notice.of("unstable_median", samples=36, rounds=3, share=0.05, warm=1),
            "the median of 36 samples in 3 rounds is not known within 5\N{NO-BREAK SPACE}%",
            "la mediana de 36 muestras en 3 rondas no se conoce con un margen del 5\N{NO-BREAK SPACE}%",
        ),
        (
            Notice.of("unstable_median", samples=12, rounds=1, share=0.05, warm=0),
            "the median of 12 samples is not known within 5\N{NO-BREAK SPACE}%, and the warm-up did not become steady",
            "la mediana de 12 muestras no se conoce con un margen del 5\N{NO-BREAK SPACE}%, y el calentamiento no se "
            "estabilizó",
        ),
        (
            Notice.of("batch_too_slow", batch=64, seconds=12.0, allowed=5.0),
            "a batch of 64 images would take 12.0 s; measure.call_seconds is 5",
            "un lote de 64 imágenes tardaría 12.0 s; measure.call_seconds es 5",
        ),
        (
            Notice.of("memory_limit", used=12_902.4, mib=12_700.0),
            "used 12,902 MiB of memory, above the study's memory_limit of 12,700 MiB",
            "ocupó 12\N{NO-BREAK SPACE}902 MiB de memoria, más que el memory_limit del estudio, "
            "12\N{NO-BREAK SPACE}700 MiB",
        ),
        (Notice.of("time_limit", seconds=21_600.0), "not done after the study's time_limit of 21,600 s", None),
        (verbatim("an answer {of} 100 % the driver"), "an answer {of} 100 % the driver", None),
        (verbatim("model"), "model", "model"),
    ],
)
def test_names_and_figures_are_kept(notice: Notice, english: str, spanish: str | None) -> None:
    assert word(notice) == english
    if spanish:
        assert word(notice, SPANISH) == spanish


def test_notices_within_a_notice_are_worded_too() -> None:
    missing = Notice.of("zeus_missing")
    found = Notice.of(
        "several",
        parts=(
            Notice.of("rapl_needs_rights", reason="denied", zeus=missing),
            Notice.of(
                "gpu_energy_missing",
                reason=Notice.of("several", parts=(Notice.of("no_nvidia_driver", reason="NVML"), missing)),
            ),
        ),
    )
    assert word(found) == (
        "CPU: its RAPL counters cannot be read (denied); reading them needs root rights, or zeus with its "
        "daemon (zeus is not installed); GPU: no NVIDIA driver answers (NVML); zeus is not installed"
    )
    assert word(found, SPANISH) == (
        "procesador: sus contadores RAPL no se pueden leer (denied); para leerlos hacen falta los derechos de root, o "
        "zeus con su servicio (zeus no está instalado); GPU: ningún controlador de NVIDIA responde (NVML); zeus no "
        "está instalado"
    )


@pytest.mark.parametrize(
    ("names", "english", "spanish"),
    [
        (["a/{1}.jpg"], "a/{1}.jpg", "a/{1}.jpg"),
        (["a/{1}.jpg", "b and c.jpg"], "a/{1}.jpg and b and c.jpg", "a/{1}.jpg y b and c.jpg"),
        (["a", "b", "c"], "a, b and c", "a, b y c"),
    ],
)
def test_names_are_joined(names: list[str], english: str, spanish: str) -> None:
    notice = Notice.of("conflicting_pixels", names=tuple(map(verbatim, names)))
    assert word(notice) == f"the same pixels carry different labels: {english}"
    assert word(notice, SPANISH) == f"los mismos píxeles llevan etiquetas distintas: {spanish}"


def test_names_of_something_are_translated() -> None:
    assert word(Notice.of("round_lost", status="out_of_memory")) == "the round ended as out of memory"
    assert word(Notice.of("round_lost", status="out_of_memory"), SPANISH) == "la ronda terminó así: sin memoria"


def test_what_turns_the_direction_of_writing_is_made_visible() -> None:
    assert word(Notice.of("duplicate_of", name="a\u202egpj.exe")) == "a duplicate of a\ufffdgpj.exe"
    assert word(verbatim("a\u2066b\x1b[0m")) == "a\ufffdb\ufffd[0m"
    assert word(Notice.of("later", name="a\u202eb")) == "later (name: a\ufffdb)"


@pytest.mark.parametrize("translate", [ENGLISH, SPANISH])
def test_what_a_newer_version_stores_is_shown_as_it_is(translate: Translator) -> None:
    assert word(Notice.of("shiny_new"), translate) == "shiny_new"
    found = word(Notice.of("shiny_new", name="x", count=3, why=(verbatim("a"), verbatim("b"))), translate)
    assert found == "shiny_new (name: x, count: 3, why: a; b)"


def test_other_values_than_the_words_need_are_shown_as_they_are() -> None:
    assert word(Notice.of("duplicate_of", file="x")) == "duplicate_of (file: x)"
    assert word(Notice.of("duplicates_left_out", count="many")) == "many exact duplicates left out"
    assert word(Notice.of("conflicting_pixels", names=3)) == "the same pixels carry different labels: 3"
    assert word(Notice.of("round_lost", status=2.5)) == "the round ended as 2.5"
    assert word(Notice.of("time_limit", seconds="long")) == "not done after the study's time_limit of long s"
    huge = 10**400
    assert word(Notice.of("time_limit", seconds=huge)) == f"not done after the study's time_limit of {huge} s"
    assert f"would take {huge}; " in word(Notice.of("batch_too_slow", batch=1, seconds=huge, allowed=5.0))


def test_a_text_of_the_page_is_translated() -> None:
    assert word("not measured", SPANISH) == "no medido"
    assert word("something else", SPANISH) == "something else"


def test_reasons_of_missing_figures_are_worded_on_the_page(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """In the leaderboard, and in the table of inference."""
    run = make_run(images=80, devices=("cpu",))
    energy, backend = Notice.of("no_rapl"), Notice.of("no_linear_layers")
    for path in run.glob("cells/*/result.json"):
        result = json.loads(path.read_text()) | {"energy": {"not_measured": energy.model_dump(mode="json")}}
        if result["status"] == "ok":
            result["profiles"].append({"backend": "int8", "not_measured": backend.model_dump(mode="json")})
        path.write_text(json.dumps(result))
    page = render_report([run], tmp_path / "es.html", lang="es").read_text(encoding="utf-8")
    assert word(energy, SPANISH) in page
    assert word(backend, SPANISH) in page
    assert [notice for notice in (energy, backend) if word(notice) in page] == []
