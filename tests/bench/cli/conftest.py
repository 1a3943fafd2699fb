"""A command line whose cells run in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.parent import Parent


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    started = Parent(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate()
