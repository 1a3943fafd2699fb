"""``python -m bench`` is ``patchbench``."""

from bench.cli.main import main

main()
