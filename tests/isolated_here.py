"""What `bench.isolated` does in a process of its own, in this one: seconds less where that process would import torch.

That a process of its own answers the same is shown by `tests/bench/test_isolated.py` and by a test of each caller.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

__all__ = ["call_here"]


def call_here(function: str, *arguments: Any) -> Any:
    """Call ``package.module:function`` with JSON values and return its JSON answer."""
    module, _, name = function.partition(":")
    return json.loads(json.dumps(getattr(import_module(module), name)(*json.loads(json.dumps(arguments)))))
