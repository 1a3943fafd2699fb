"""The project's tasks. All of them share one environment: PyTorch is gigabytes, and once is enough.

nox -s study                     the shipped study quickstart, and its report
nox -s study -- NAME [options]   any study
nox -s reproduce -- RUN          a stored run again, and whether it agrees
nox -s tests lint typecheck      what a change has to pass
nox -s fuzz                      random input at every door, for an hour
nox -s translations              the texts of the page, in every language
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests", "lint", "typecheck"]

HERE = Path(__file__).parent
SHARED = HERE / ".nox" / "shared"
BIN = SHARED / ("Scripts" if os.name == "nt" else "bin")
LOCK = HERE / "requirements.lock"
PARALLEL = ("-n", "2", "--dist", "worksteal")
"""Two processes, each with half of the files; one that is done takes from the other's. More would need more memory."""


def shared(session: nox.Session) -> None:
    """Make the shared environment and install into it, unless that was done already; put it first on the PATH."""
    session.env["PATH"] = os.pathsep.join((str(BIN), os.environ["PATH"]))
    session.env["VIRTUAL_ENV"] = str(SHARED)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    cause = version.encode() + LOCK.read_bytes() + (HERE / "pyproject.toml").read_bytes()
    digest = hashlib.sha256(cause).hexdigest()
    stamp = SHARED / "installed.sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return
    if not (SHARED / f"made-with-{version}").is_file():
        session.run(sys.executable, "-m", "venv", "--clear", str(SHARED))
        (SHARED / f"made-with-{version}").touch()
    pip = (str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check")
    session.run(*pip, "--constraint", str(LOCK), "--editable", ".[dev]")
    stamp.write_text(digest)


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests, two at a time; what takes longer is left to `nox -s tests -- -m slow`.

    Benchmarks assert ratios of times, for which nothing else may run: `nox -s bench`.
    """
    shared(session)
    words = session.posargs or [*PARALLEL, "-m", "not slow and not gpu"]
    session.run(str(BIN / "python"), "-m", "pytest", "--ignore=tests/benchmarks", *words)


@nox.session(venv_backend="none")
def fuzz(session: nox.Session) -> None:
    """Give random input to everything that reads input, for an hour; nox -s fuzz -- --seconds 60 for a minute each."""
    shared(session)
    session.run(str(BIN / "python"), "-m", "tests.fuzz", *(session.posargs or ["--seconds", "720"]))


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check the style and the formatting."""
    shared(session)
    session.run(str(BIN / "ruff"), "check", ".")
    session.run(str(BIN / "ruff"), "format", "--check", ".")


@nox.session(venv_backend="none")
def typecheck(session: nox.Session) -> None:
    """Check the types."""
    shared(session)
    session.run(str(BIN / "mypy"))


@nox.session(venv_backend="none")
def study(session: nox.Session) -> None:
    """Run a study (quickstart unless named) and render its report."""
    shared(session)
    session.run(str(BIN / "patchbench"), "run", *(session.posargs or ["quickstart"]))


@nox.session(venv_backend="none")
def report(session: nox.Session) -> None:
    """Render the report of run folders again."""
    shared(session)
    session.run(str(BIN / "patchbench"), "report", *(session.posargs or ["runs/quickstart"]))


@nox.session(venv_backend="none")
def reproduce(session: nox.Session) -> None:
    """Run a stored study again and report whether its scores and times agree: nox -s reproduce -- RUN."""
    shared(session)
    session.run(str(BIN / "patchbench"), "reproduce", *(session.posargs or ["runs/quickstart"]))


@nox.session(venv_backend="none")
def bench(session: nox.Session) -> None:
    """Run the benchmarks, with pytest-benchmark's table and the ratios."""
    shared(session)
    session.run(str(BIN / "python"), "-m", "pytest", "tests/benchmarks", "--benchmark-enable", "-s", *session.posargs)


@nox.session(venv_backend="none")
def translations(session: nox.Session) -> None:
    """Extract the texts of the page and bring the catalog of every language up to date, then list what is missing.

    A new language: nox -s translations -- LANG
    """
    shared(session)
    pybabel = str(BIN / "pybabel")
    session.run(pybabel, "extract")
    for lang in session.posargs:
        session.run(pybabel, "init", "-i", "reports/locale/messages.pot", "-d", "reports/locale", "-l", lang)
    session.run(pybabel, "update")
    session.run(str(BIN / "python"), "-m", "pytest", "-q", "tests/reports/text/test_i18n.py", "-k", "translated")


@nox.session(reuse_venv=False)
def lock(session: nox.Session) -> None:
    """Resolve the ranges of pyproject.toml anew and write requirements.lock."""
    session.install("--upgrade-strategy", "eager", ".[dev]")
    frozen = session.run("python", "-m", "pip", "freeze", "--exclude", "patchbench", silent=True) or ""
    pins = sorted((line for line in frozen.splitlines() if "==" in line), key=str.lower)
    header = "# What the nox sessions install: constraints for pip, written by `nox -s lock`.\n"
    LOCK.write_text(header + "\n".join(pins) + "\n", encoding="utf-8")
