"""One call of a function in a process of its own, for what imports torch or runs a user's code: JSON in, JSON out.

The child starts without the working directory at the head of its path (``-P``), so that no file there hides a module
of Python's, and ends with its parent. What the function prints goes to the standard error: the answer has a channel of
its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench import errors
from bench.execution.process.parent import die_with_parent
from bench.measure.system.process_env import SAFE_PATH

__all__ = ["IsolatedError", "call_isolated"]


class IsolatedError(errors.BenchError):
    """The child ended without an answer; the message is the last line that it wrote."""


def call_isolated(function: str, *arguments: Any, timeout: float | None = None) -> Any:
    """Call ``package.module:function`` with JSON values in a fresh process, and return its JSON answer.

    timeout: seconds after which the child is killed; None waits for ever.
    Raises the `BenchError` that the function raised, and `IsolatedError` for anything else. Ctrl-C ends the child, too.
    """
    command = [sys.executable, "-P", "-m", "bench.isolated", function, str(os.getpid())]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(arguments).encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**os.environ, **SAFE_PATH},
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise IsolatedError(f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise IsolatedError(f"no process could be started: {error.strerror or error}") from error
    except ValueError as error:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        if not lines or done.returncode < 0:  # what a killed process wrote last is not the reason
            lines = [f"the process ended with exit code {done.returncode}"]
        raise IsolatedError(lines[-1]) from error
    if "error" in answer:
        raise getattr(errors, answer["error"])(answer["message"])
    return answer["value"]


def main(function: str, parent: str) -> int:
    """Run the call that stands on the standard input; parent: the id of the process that waits for the answer."""
    die_with_parent(int(parent))
    channel = os.dup(1)
    os.dup2(2, 1)
    sys.path.append(str(Path.cwd()))  # a user's own models; last, so that no file there hides an installed module
    module, _, name = function.partition(":")
    try:
        answer = {"value": getattr(import_module(module), name)(*json.load(sys.stdin))}
    except errors.BenchError as error:
        known = next(kind.__name__ for kind in type(error).__mro__ if hasattr(errors, kind.__name__))
        answer = {"error": known, "message": str(error)}
    except KeyboardInterrupt:
        return 130  # the parent has been interrupted, too
    with os.fdopen(channel, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
