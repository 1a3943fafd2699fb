"""``python -m bench`` is ``patchbench``."""

from bench.cli import main

main()
