"""The shape of the code: which way imports point, what the parent never imports, and what is public."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "timm", "torchvision"}
ANYWHERE = {"bench.disk", "bench.errors", "bench.registry", "bench.signals", "bench.terminal"}
LAYERS = {
    "bench": "bench.results bench.runner bench.study",
    "bench.__main__": "bench.cli",
    "bench.cli": (
        "bench.data bench.data.audit bench.data.sources bench.data.split bench.execution bench.execution.messages "
        "bench.isolated bench.measure.system bench.results bench.runner bench.study models_zoo reports "
        "reports.comparison reports.exports reports.text"
    ),
    "bench.data": (
        "bench.data.audit bench.data.pixels bench.data.sources bench.data.split bench.locks bench.measure.system "
        "bench.results bench.study"
    ),
    "bench.data.audit": "bench.data bench.data.pixels bench.data.sources bench.data.split bench.results bench.study",
    "bench.data.pixels": "bench.data bench.data.audit bench.data.sources bench.results bench.study",
    "bench.data.sources": "bench.data bench.isolated bench.results bench.study",
    "bench.data.sources.synthetic": "bench.data bench.data.sources bench.results bench.study",
    "bench.data.split": "bench.data.sources bench.results bench.study",
    "bench.execution": (
        "bench.execution.messages bench.execution.process bench.execution.worker bench.measure bench.results "
        "bench.study"
    ),
    "bench.execution.messages": "bench.measure bench.results bench.study",
    "bench.execution.process": "bench.execution.messages bench.measure bench.measure.system bench.results",
    "bench.execution.worker": (
        "bench.data.pixels bench.execution.messages bench.execution.process bench.measure bench.measure.system "
        "bench.results bench.stats.metrics bench.study bench.training bench.training.cpu_kernels bench.training.heads "
        "bench.training.inputs bench.training.optim models_zoo models_zoo.networks"
    ),
    "bench.isolated": "bench.execution.process bench.measure.system",
    "bench.locks": "bench.soft_lock",
    "bench.measure": "bench.measure.system bench.results bench.stats bench.study",
    "bench.measure.system": "bench.measure bench.results",
    "bench.results": "bench.locks bench.stats.metrics bench.study",
    "bench.runner": (
        "bench.data bench.data.pixels bench.execution bench.execution.messages bench.isolated bench.measure "
        "bench.measure.system bench.results bench.stats.metrics bench.study bench.training.optim models_zoo"
    ),
    "bench.stats": "bench.stats.metrics",
    "bench.study": "bench.results models_zoo",  # of results the reader of files alone
    "bench.training": (
        "bench.measure bench.results bench.stats.metrics bench.study bench.training.heads bench.training.inputs "
        "bench.training.optim models_zoo.networks"
    ),
    "bench.training.heads": "bench.results bench.study bench.training bench.training.inputs bench.training.optim",
    "bench.training.inputs": "bench.data.pixels bench.study",
    "bench.training.optim": (
        "bench.isolated bench.measure.system bench.study bench.training models_zoo models_zoo.networks"
    ),
    "models_zoo": "models_zoo.catalog models_zoo.networks models_zoo.weights",
    "models_zoo.catalog": "models_zoo",
    "models_zoo.networks": "models_zoo models_zoo.weights",
    "models_zoo.weights": "models_zoo models_zoo.networks",
    "reports": "bench.results reports.comparison reports.exports reports.page reports.text",
    "reports.comparison": "bench.results bench.stats reports.inputs reports.page reports.text",
    "reports.exports": "bench.results bench.stats bench.stats.metrics reports.figures reports.inputs reports.text",
    "reports.figures": "bench.results reports.inputs reports.text",
    "reports.inputs": "bench.results bench.stats bench.stats.metrics bench.study reports.text",
    "reports.page": "bench.results reports.exports reports.inputs reports.sections reports.text",
    "reports.sections": (
        "bench.results bench.stats bench.stats.metrics bench.study reports.figures reports.inputs reports.text"
    ),
    "reports.sections.claims": "bench.results bench.stats reports.inputs reports.sections reports.text",
    "reports.text": "bench.results",
}
"""From each folder, or module beside the folders, to those that it may import; `ANYWHERE` goes without saying."""


def _modules() -> dict[str, Path]:
    files = [path for package in ("bench", "models_zoo", "reports") for path in sorted((ROOT / package).rglob("*.py"))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


MODULES = _modules()


def _imports(path: Path) -> set[str]:
    """Every module that a file names, also within functions and for types alone."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & MODULES.keys() or {node.module}
    return found


def _folder(module: str) -> str:
    """The folder that a module lies in; the module itself where it lies beside the folders of bench."""
    folder = ".".join(MODULES[module].relative_to(ROOT).parent.parts)
    return module if folder == "bench" else folder


ARROWS = {module: _imports(path) & MODULES.keys() - {module} for module, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_where_the_layers_say(module: str) -> None:
    allowed = {_folder(module), *LAYERS.get(_folder(module), "").split(), *ANYWHERE}
    assert {_folder(name) for name in ARROWS[module]} <= allowed


def test_the_layers_name_no_arrow_that_is_not_there() -> None:
    drawn: dict[str, set[str]] = {}
    for module, names in ARROWS.items():
        drawn.setdefault(_folder(module), set()).update(map(_folder, names))
    stale = {folder: set(names.split()) - drawn.get(folder, set()) for folder, names in LAYERS.items()}
    assert not {folder: names for folder, names in stale.items() if names}


def test_no_imports_run_in_a_circle() -> None:
    TopologicalSorter(ARROWS).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_the_packages_keep_apart(module: str) -> None:
    roots = {name.split(".")[0] for name in _imports(MODULES[module])}
    package = module.split(".")[0]
    assert package != "models_zoo" or not roots & {"bench", "reports"}
    assert package != "reports" or not roots & {"models_zoo", *HEAVY}
    assert package != "bench" or _folder(module) == "bench.cli" or "reports" not in roots or module == "bench"


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
