"""The bundle of DataTables as it is installed, and what becomes of one that is not as expected."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Never

import pytest

from bench.errors import DependencyError
from reports.page import datatables

MODULE = 'var a=1,$b="<!-- x";export{a as ITable,$b as default,a as jQuery};\n/*! license */'


def test_the_export_becomes_an_assignment() -> None:
    script = datatables.as_script(MODULE)
    assert script == ('(function(){"use strict";var a=1,$b="<!-- x";window.DataTable=$b;\n/*! license */\n})();')


def test_the_installed_bundle_is_as_expected() -> None:
    script = datatables.datatables()
    assert len(re.findall(r"window\.DataTable=[\w$]+;", script)) == 1
    assert not re.search(r"\bexport\s*\{", script)
    assert "DataTables" in script
    assert "SpryMedia" in script, "the licenses stay"


@pytest.mark.parametrize(
    "module",
    [
        "var a=1;",
        "export{a as ITable};",
        MODULE + MODULE,
        'var s="</SCRIPT>";' + MODULE,
        MODULE.replace("1", '"<script>"').replace("a=", "c='<!--',a="),
    ],
)
def test_another_text_is_refused(module: str) -> None:
    with pytest.raises(DependencyError, match=r"cannot stand in a page.*pip install"):
        datatables.as_script(module)


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Never:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(datatables, "distribution", missing)
    datatables.datatables.cache_clear()
    with pytest.raises(DependencyError, match=r"needs the package itables.*pip install"):
        datatables.datatables()


def test_a_damaged_file_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "dt_bundle.js").write_bytes(b"var a=1;\xff\xfe")

    class Damaged:
        def locate_file(self, _name: str) -> Path:
            return tmp_path / "dt_bundle.js"

    monkeypatch.setattr(datatables, "distribution", lambda _name: Damaged())
    datatables.datatables.cache_clear()
    with pytest.raises(DependencyError, match=r"cannot be read: 'utf-8'.*pip install"):
        datatables.datatables()


def test_the_code_stays_under_two_megabytes(full_page: Path) -> None:
    page = full_page.read_text(encoding="utf-8")
    code = re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)
    assert [tag for tag, _text in code] == ["style", "script", "script", "script", "script"]
    assert sum(len(text.encode()) for _tag, text in code) < 2_000_000
