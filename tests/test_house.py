"""The shape of the code: which way imports point, what the parent never imports, and what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "timm", "torchvision"}
REPORTS_MAY = ("bench.results", "bench.stats", "bench.errors", "bench.registry", "bench.study.schema")


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imports(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", _files("models_zoo"), ids=str)
def test_the_zoo_knows_nothing_of_the_project(path: Path) -> None:
    assert not {name for name in _imports(path) if name.split(".")[0] in ("bench", "reports")}


@pytest.mark.parametrize("path", _files("reports"), ids=str)
def test_reports_read_results_and_nothing_else(path: Path) -> None:
    project = {name for name in _imports(path) if name.split(".")[0] in ("bench", "models_zoo")}
    assert all(name.startswith(REPORTS_MAY) for name in project)
    assert not {name.split(".")[0] for name in _imports(path)} & HEAVY


@pytest.mark.parametrize("path", [p for p in _files("bench") if p.parent.name != "cli"], ids=str)
def test_only_the_command_line_imports_reports(path: Path) -> None:
    assert not {name for name in _imports(path) if name.split(".")[0] == "reports"}


def test_a_parent_that_runs_everything_imports_no_torch() -> None:
    code = (
        "import sys, bench, reports, bench.cli.main, bench.cli.run, bench.runner.study, bench.study.load\n"
        "import models_zoo, bench.cli.progress, bench.data.prepare, bench.execution.local\n"
        "import bench.measure.system.environment\n"
        "for name in bench.__all__: getattr(bench, name)\n"
        f"sys.exit(bool({HEAVY!r} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_public_names_is_cheap() -> None:
    code = "import sys, bench; sys.exit(bool({'pydantic', 'numpy', 'pandas', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names() -> None:
    import bench

    assert bench.__all__ == sorted(bench.__all__)
    assert {"load_study", "run_study", "load_results", "render_report"} <= set(bench.__all__)
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bench.nothing  # noqa: B018


def test_every_package_ships_its_type_marker() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in ("bench", "models_zoo", "reports"))
