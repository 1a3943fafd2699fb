"""Work on many images at once, in processes that can die without harm to this one.

loky's processes start a fresh interpreter, so they neither import the caller's ``__main__`` again, as spawn does, nor
copy its threads and locks, as fork does.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

from bench.data.leftovers import own_folder
from bench.data.quiet import silence
from bench.errors import DataError
from bench.measure.system.cpus import usable_cpus
from bench.measure.system.process_env import HUGE_PAGES, SAFE_PATH

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

__all__ = ["map_chunks", "worker_count"]

In = TypeVar("In")
Out = TypeVar("Out")

_IN_FLIGHT = 4  # chunks waiting for each worker: enough to never starve, little enough to hold in memory

_WATCH_SECONDS = 0.5
"""A worker looks so often whether its parent is still there: the kernel's own signal for that is Linux's alone, and is
sent as soon as the thread ends that started the worker."""

# glibc gives the memory of every decoded image back to the system and asks for it again: a fifth of all the time.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20)}


def worker_count() -> int:
    """Return how many processes may run at once here: the cores that this process may use."""
    return usable_cpus()


def map_chunks(
    work: Callable[[list[In]], Out], items: Iterable[In], *, chunk: int, workers: int | None = None
) -> Iterator[Out]:
    """Yield ``work(part)`` for every part of ``chunk`` items, in order.

    With one worker (or only one part) the work is done here. Otherwise ``work`` is pickled, and read once by
    each worker.

    Raises:
        DataError: a worker died (out of memory, or a decoder crashed).
    """
    todo = iter(items)
    parts = iter(lambda: list(islice(todo, chunk)), [])
    count = worker_count() if workers is None else workers
    head = list(islice(parts, 2))
    if count == 1 or len(head) < 2:
        yield from (work(part) for part in head)
        yield from (work(part) for part in parts)
        return
    yield from _in_processes(work, head, parts, count)


def _in_processes(
    work: Callable[[list[In]], Out], head: list[list[In]], parts: Iterator[list[In]], count: int
) -> Iterator[Out]:
    # Through a file: a pipe holds 64 KiB, and a worker that dies before it has read more leaves this process waiting
    # for ever, since loky keeps the other end open.
    with ExitStack() as stack:
        try:
            file = stack.enter_context(own_folder("patchbench-work-")) / "work"
            file.write_bytes(pickle.dumps(work))
        except OSError as error:
            raise DataError(
                f"no temporary file can be written ({error.strerror or error}); free some room, or set TMPDIR to "
                "another folder"
            ) from error
        pool = _start_pool(count, file)
        if pool is None:
            yield from (work(part) for part in chain(head, parts))
        else:
            yield from _in_order(pool, head, parts, count)


def _start_pool(count: int, file: Path) -> Executor | None:
    """Start the processes; None where the system has no room for what they wait on (a full or read-only /dev/shm)."""
    from concurrent.futures.process import BrokenProcessPool

    env = {**HUGE_PAGES, **_KEEP_MEMORY, **os.environ, **SAFE_PATH}
    pool = None
    try:
        from loky import ProcessPoolExecutor  # type: ignore[import-untyped]

        pool = ProcessPoolExecutor(count, initializer=_start, initargs=(file, os.getpid()), timeout=None, env=env)
        pool.submit(_call, None).result()
    except BrokenProcessPool:
        pass  # reported where the work is done, in one place
    except BaseException as error:
        if pool is not None:
            pool.shutdown(wait=False, kill_workers=True)
        if not isinstance(error, OSError | ImportError):  # ImportError: a Python without semaphores
            raise
        return None
    return pool


def _in_order(pool: Executor, head: list[list[In]], parts: Iterator[list[In]], count: int) -> Iterator[Any]:
    from concurrent.futures.process import BrokenProcessPool

    waiting: deque[Future[Any]] = deque()
    try:
        waiting.extend(pool.submit(_call, part) for part in head)
        for part in islice(parts, _IN_FLIGHT * count):
            waiting.append(pool.submit(_call, part))
        while waiting:
            result = waiting.popleft().result()
            for part in islice(parts, 1):
                waiting.append(pool.submit(_call, part))
            yield result
    except BrokenProcessPool as error:
        raise DataError(
            "A process that reads images died: the machine ran out of memory, or an image crashed the decoder; "
            "free memory, or audit smaller parts of the data set to find the image"
        ) from error
    finally:
        # Not killed: a worker that is killed in the middle of a result leaves the pool's own thread with an error.
        for future in waiting:
            future.cancel()
        pool.shutdown(wait=True)


_work: Callable[[list[Any]], Any] | None = None


def _start(file: Path, parent: int) -> None:
    """Load the work; leave signals to the parent, end with it however it ends, and print nothing.

    The terminal's keys and a cluster's SIGTERM reach the workers too, and the parent ends them in its own time.
    """
    global _work
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    Thread(target=_end_with, args=(parent,), daemon=True).start()
    try:
        _work = pickle.loads(file.read_bytes())
    except FileNotFoundError:  # the parent was interrupted before this process had begun
        os._exit(1)
    silence()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def _call(part: list[Any] | None) -> Any:
    """Do a part of the work; of None, nothing."""
    assert _work is not None
    return None if part is None else _work(part)
