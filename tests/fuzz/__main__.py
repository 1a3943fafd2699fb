"""Fuzz every door at which input comes in: python -m tests.fuzz [TARGET ...] [--seconds N] [--seed N].

Ends with 1 at a fault, which it prints with the input that did it.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.fuzz.guard import Campaign, Fault
from tests.fuzz.targets import TARGETS


def _fuzz(seconds: float, seed: int, folder: Path, name: str) -> Fault | None:
    campaign = Campaign(name, seconds, seed, folder / name)
    fault = campaign.wait()
    if fault is None:
        counts = campaign.counts()
        print(
            f"{name}: {counts['inputs']:,} inputs, {counts['refused']:,} refused, none with a traceback; "
            f"peak {campaign.peak_mib:,.0f} MiB",
            flush=True,
        )
    else:
        print(f"{fault}", file=sys.stderr, flush=True)
    return fault


def main() -> int:
    """Fuzz the targets, two at a time, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all unless named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the inputs; by default the time")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="for what is under way, and for faults")
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown targets {', '.join(sorted(unknown))}; choose from {', '.join(TARGETS)}")
    print(f"seed {given.seed}, {given.seconds:g} s for each target", flush=True)
    with ThreadPoolExecutor(2) as pool:
        work = partial(_fuzz, given.seconds, given.seed, given.folder.resolve())
        faults = list(pool.map(work, given.targets or TARGETS))
    return 1 if any(faults) else 0


if __name__ == "__main__":
    sys.exit(main())
