"""A signal is not lost in what pyarrow imports of its own accord."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.results.predictions import write_predictions
from bench.results.thumbnails import write_thumbnails

CODE = """
import sys
from pathlib import Path
import numpy as np
from bench.results.predictions import TestImages, read_predictions, write_predictions
from bench.results.thumbnails import read_thumbnails, write_thumbnails
class Interrupts:
    def find_spec(self, name, *rest):
        if name == "pandas":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
path = Path(sys.argv[1])
try:
    {call}
except KeyboardInterrupt:
    print("interrupted")
"""
CALLS = (
    "write_predictions(path / 'new', ['a'], np.array([0]), np.ones((1, 1)), ['x'])",
    "read_predictions(path / 'p', TestImages(('a',), np.array([0]), ('x',)))",
    "write_thumbnails(path / 'new', ['a'], ['x'], [b'j'])",
    "read_thumbnails(path / 't', 1)",
)


@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_while_pandas_is_imported(tmp_path: Path, call: str) -> None:
    write_predictions(tmp_path / "p", ["a"], np.array([0]), np.ones((1, 1)), ["x"])
    write_thumbnails(tmp_path / "t", ["a"], ["x"], [b"j"])
    words = [sys.executable, "-c", CODE.format(call=call), str(tmp_path)]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == "interrupted\n"
