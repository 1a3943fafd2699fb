"""Signals as exceptions, wherever the main thread is when they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

FINALIZER = """
import time
from bench.signals import Interrupted, raise_interrupts
class Held:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(600)
raise_interrupts()
raise_interrupts()  # as the command line does
try:
    held = Held()
    del held
    time.sleep(600)
except Interrupted as stop:
    print(stop.number)
"""


@pytest.mark.skipif(os.name == "nt", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_finalizer_is_not_lost(number: int) -> None:
    """Python drops what is raised there."""
    process = subprocess.Popen(
        [sys.executable, "-c", FINALIZER], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == (f"{int(number)}\n", "", 0)
