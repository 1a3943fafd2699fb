"""``python -m bench`` is ``patchbench``."""

import os
import sys

if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(__file__)):  # noqa: PTH120 - see below
    sys.path.append(sys.path.pop(0))  # the working directory: no file there hides a module, not even pathlib

from bench.cli.main import main

main()
