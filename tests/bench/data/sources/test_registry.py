"""A source that is added by one line is one that studies may name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bench.data.sources import SOURCES, open_source
from bench.data.sources.base import Sample, Source, SourceKind
from bench.results.dataset import DataCard
from bench.study.dataset import DatasetSpec


class _Reader:
    def read(self, name: str) -> bytes:
        return name.encode()


def _open(spec: DatasetSpec, *, cache_dir: Path | None, group_column: str | None) -> Source:
    return Source((Sample("1", "a"), Sample("2", "b")), _Reader(), DataCard(name=str(spec.path), source="slides"))


def _check(spec: DatasetSpec) -> None:
    if spec.name is not None:
        raise ValueError("name: slides have none")


SLIDES = SourceKind(help="Slides.", open=_open, check=_check, suffixes=(".svs",))


@pytest.fixture
def with_slides(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more line in the registry, as whoever adds a source writes it."""
    monkeypatch.setitem(SOURCES.entries, "slides", f"{__name__}:SLIDES")


@pytest.mark.usefixtures("with_slides")
@pytest.mark.parametrize("given", [{"source": "slides"}, {"path": "a.SVS"}])
def test_one_more_source_is_named_or_guessed_and_opened(given: dict[str, Any], tmp_path: Path) -> None:
    spec = DatasetSpec.model_validate(given | ({"path": tmp_path / given["path"]} if "path" in given else {}))
    assert spec.kind == "slides"
    assert [(record.name, record.label) for record in open_source(spec).records] == [("1", "a"), ("2", "b")]


@pytest.mark.usefixtures("with_slides")
def test_one_more_source_checks_what_a_study_says_of_it() -> None:
    with pytest.raises(ValidationError, match="slides have none"):
        DatasetSpec(source="slides", name="x")
    with pytest.raises(ValidationError, match="only a csv source takes a list of labels, and this one is slides"):
        DatasetSpec(source="slides", labels=["a", "b"])
    with pytest.raises(ValidationError, match=r"unknown source 'slide'; choose from folder, .*slides.*'slides'\?"):
        DatasetSpec(source="slide")


def test_every_shipped_source_has_a_description() -> None:
    kinds = SOURCES.load_all()
    assert SOURCES.describe() == {name: kind.help for name, kind in kinds.items()}
    suffixes = [suffix for kind in kinds.values() for suffix in kind.suffixes]
    assert sorted(suffixes) == [".csv", ".npz", ".zip"]


def test_reading_what_a_study_says_of_its_data_loads_no_image_library() -> None:
    code = (
        "import sys; from bench.data.sources import SOURCES; SOURCES.load_all();"
        "sys.exit(bool({'numpy', 'PIL', 'torch', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_registry_names_is_light() -> None:
    heavy = {"pydantic", "numpy", "bench.study.dataset"}
    code = f"import sys, bench.data.sources; sys.exit(bool({heavy!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
