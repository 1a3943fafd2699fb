from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import DependencyError, StudyError
from bench.registry import Registry

GROUP = "patchbench.tests"
SHIPPED = {"square": "shapes.plain:Square", "circle": "shapes.plain:circle", "dot": "shapes.plain:DOT"}
PLAIN = '''"""Plain shapes."""
import absent_package_of_the_tests
class Square:
    """Four equal sides.

    More about it.
    """
'''


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package ``shapes`` whose one module stands for what is heavy."""
    folder = tmp_path / "site"
    (folder / "shapes").mkdir(parents=True)
    (folder / "shapes/__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "shapes"]:
        del sys.modules[name]


def write_plain(folder: Path, heavy: bool = False) -> None:
    text = PLAIN if heavy else PLAIN.replace("import absent_package_of_the_tests\n", "")
    text += "def circle(): pass\nDOT: int = 3\nLINE: object = dict(width=1, help='Straight.')\n"
    (folder / "shapes/plain.py").write_text(text)


def install(folder: Path, package: str, **points: str) -> None:
    """Install a distribution with entry points in the tests' group, as pip leaves it behind."""
    about = folder / f"{package}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (about / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")


def registry() -> Registry[object]:
    return Registry("shape", SHIPPED, group=GROUP)


def test_what_is_shipped_comes_in_its_order_and_is_imported_when_it_is_asked_for(shapes: Path) -> None:
    write_plain(shapes)
    assert registry().names() == ("square", "circle", "dot")
    assert "shapes.plain" not in sys.modules
    assert registry().load("dot") == 3
    assert registry().load("square").__name__ == "Square"  # type: ignore[attr-defined]


def test_installed_packages_follow_sorted(shapes: Path) -> None:
    write_plain(shapes)
    install(shapes, "more-shapes", zigzag="shapes.plain:DOT", arc="shapes.plain:circle")
    assert registry().names() == ("square", "circle", "dot", "arc", "zigzag")
    assert registry().load("zigzag") == 3
    assert list(registry().load_all()) == list(registry().names())
    assert Registry("shape", SHIPPED).names() == ("square", "circle", "dot")


def test_an_unknown_name_gets_the_nearest_and_all_that_there_are() -> None:
    with pytest.raises(StudyError) as caught:
        registry().load("circel")
    assert str(caught.value) == ("unknown shape 'circel'; choose from square, circle, dot. Did you mean 'circle'?")
    with pytest.raises(StudyError, match="unknown shape 'x'; there is none yet"):
        Registry[object]("shape", {}).load("x")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import absent_package_of_the_tests", "absent_package_of_the_tests"),
        ("", "AttributeError"),
        ("1 +", "SyntaxError"),
        ("raise RuntimeError('no license')", "no license"),
    ],
)
def test_an_installed_one_that_cannot_be_imported_names_its_package(shapes: Path, body: str, reason: str) -> None:
    (shapes / "shapes/broken.py").write_text(body)
    install(shapes, "more-shapes", arc="shapes.broken:arc")
    installed = registry()
    assert "arc" in installed.names()
    with pytest.raises(DependencyError, match="'arc' of more-shapes cannot be imported") as caught:
        installed.load("arc")
    assert reason in str(caught.value)


def test_a_name_is_taken_once(shapes: Path) -> None:
    install(shapes, "more-shapes", circle="shapes.plain:circle")
    with pytest.raises(DependencyError, match="'circle': one of patchbench and one of more-shapes"):
        registry().names()


def test_a_name_of_two_installed_packages_is_refused(shapes: Path) -> None:
    install(shapes, "more-shapes", arc="shapes.plain:circle")
    install(shapes, "yet-more-shapes", arc="shapes.plain:circle")
    with pytest.raises(DependencyError, match="'arc': one of more-shapes and one of yet-more-shapes"):
        registry().load("arc")


def test_what_is_shipped_does_not_depend_on_what_installed_packages_break(shapes: Path) -> None:
    write_plain(shapes)
    install(shapes, "more-shapes", arc="shapes.plain", circle="shapes.plain:DOT")
    assert registry().load("square").__name__ == "Square"  # type: ignore[attr-defined]
    with pytest.raises(DependencyError, match="'arc' of more-shapes"):
        registry().load("bow")


def test_a_package_that_breaks_in_any_way_is_listed_with_the_reason(shapes: Path) -> None:
    write_plain(shapes)
    (shapes / "broken").mkdir()
    (shapes / "broken/__init__.py").write_text("raise RuntimeError('no license')")
    install(shapes, "more-shapes", arc="broken.module:arc")
    assert registry().describe()["arc"] == "cannot be imported (of more-shapes): no license"


def test_an_entry_point_names_an_attribute(shapes: Path) -> None:
    install(shapes, "more-shapes", arc="shapes.plain")
    with pytest.raises(DependencyError, match=r"'arc' of more-shapes points at 'shapes.plain': it must be"):
        registry().names()


def test_descriptions_are_read_without_importing(shapes: Path) -> None:
    write_plain(shapes, heavy=True)
    install(shapes, "more-shapes", arc="shapes.plain:Square", bow="shapes.absent:Bow", line="shapes.plain:LINE")
    found = registry().describe()
    assert found["square"] == "Four equal sides."
    assert found["circle"] == "Plain shapes."  # what has no words of its own is described by its module
    assert found["dot"] == "Plain shapes."
    assert found["line"] == "Straight. (of more-shapes)"
    assert found["arc"] == "Four equal sides. (of more-shapes)"
    assert found["bow"] == "cannot be imported (of more-shapes): there is no module shapes.absent"
    assert "shapes.plain" not in sys.modules
