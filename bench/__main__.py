"""``patchbench`` and ``python -m bench`` begin here: signals are answered before the command line is imported."""

import os
import sys


def main() -> None:
    """Run the command line."""
    from bench.cli.interrupts import report_interrupt
    from bench.signals import raise_interrupts

    raise_interrupts()
    try:
        from bench.cli.main import main as run
    except KeyboardInterrupt as stop:
        sys.exit(report_interrupt(stop))
    run()


if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):  # noqa: PTH120 - see below
        sys.path.append(sys.path.pop(0))  # the working directory: no file there hides a module, not even pathlib
    main()
