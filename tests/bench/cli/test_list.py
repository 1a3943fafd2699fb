"""``patchbench list`` shows what the registries hold, and how to add to those that are empty."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.errors import StudyError
from bench.registry import REGISTRIES, Registry, registry
from bench.study.load import shipped_studies


def _listed(kind: str) -> str:
    return CliRunner().invoke(app, ["list", kind], catch_exceptions=False).output


def _registry(kind: str) -> Registry[object]:
    found = registry(kind)
    assert isinstance(found, Registry)
    return found


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_of_a_kind_is_listed_with_a_line_about_it(kind: str) -> None:
    found = _registry(kind)
    assert found.group == f"patchbench.{kind}"
    rows = [line.split(maxsplit=1) for line in _listed(kind).splitlines()]
    if found.names():
        assert tuple(row[0] for row in rows) == found.names()
        assert all(len(row) == 2 for row in rows)
    else:
        assert _listed(kind) == (
            f"There are no {kind} yet. A package adds one by an entry point in the group 'patchbench.{kind}'.\n"
        )


@pytest.mark.parametrize("kind", REGISTRIES)
def test_what_is_registered_is_there(kind: str) -> None:
    found = _registry(kind)
    assert list(found.load_all()) == list(found.names())


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys; from bench.cli.list import list_kind; from bench.registry import REGISTRIES;"
        "[list_kind(kind) for kind in REGISTRIES];"
        "sys.exit(bool({'torch', 'timm', 'torchvision', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_studies_and_models_are_listed_too() -> None:
    assert [line.split()[0] for line in _listed("studies").splitlines()] == list(shipped_studies())
    assert "patchbench models" in _listed("models")


def test_an_unknown_kind_gets_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"unknown kind 'source'; choose from sources, .* Did you mean 'sources'"):
        _listed("source")


def test_what_is_listed_cannot_command_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Registry, "describe", lambda _self: {"a\x1b[31m": "b\nc"})
    assert _listed("sources") == "a\\x1b[31m  b\\nc\n"
