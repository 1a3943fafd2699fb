from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from bench.data.parallel import map_chunks, worker_count
from bench.errors import DataError
from bench.measure.system.process_env import HUGE_PAGES


def _double(part: list[int]) -> list[int]:
    return [2 * item for item in part]


def _die_at_seven(part: list[int]) -> list[int]:
    if 7 in part:
        os._exit(1)
    return part


def _refuse_seven(part: list[int]) -> list[int]:
    if 7 in part:
        raise DataError("seven")
    return part


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_the_order_is_kept(workers: int, count: int) -> None:
    parts = map_chunks(_double, range(count), chunk=4, workers=workers)
    assert [item for part in parts for item in part] == [2 * item for item in range(count)]


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(DataError, match="A process that reads images died"):
        list(map_chunks(_die_at_seven, range(40), chunk=2, workers=2))


class _DiesOnArrival:
    """Work larger than a pipe holds, which ends the worker that unpickles it."""

    def __init__(self) -> None:
        self.ballast = bytes(2**20)

    def __setstate__(self, state: object) -> None:
        os._exit(1)

    def __call__(self, part: list[int]) -> list[int]:
        return part


def test_a_worker_that_dies_before_it_has_read_its_work_is_reported() -> None:
    with pytest.raises(DataError, match="A process that reads images died"):
        list(map_chunks(_DiesOnArrival(), range(40), chunk=2, workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_reaches_the_caller(workers: int) -> None:
    with pytest.raises(DataError, match=r"^seven$"):
        list(map_chunks(_refuse_seven, range(40), chunk=2, workers=workers))


def _tunables(part: list[int]) -> list[str | None]:
    return [os.environ.get("GLIBC_TUNABLES") for _ in part]


@pytest.mark.parametrize("chosen", [None, "glibc.malloc.hugetlb=0"])
def test_workers_ask_for_huge_pages_unless_the_user_sets_it(
    chosen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("GLIBC_TUNABLES", chosen)
    found = {one for part in map_chunks(_tunables, range(8), chunk=4, workers=2) for one in part}
    assert found == {chosen or HUGE_PAGES["GLIBC_TUNABLES"]}
    assert os.environ.get("GLIBC_TUNABLES") == chosen


def test_items_are_not_taken_long_before_they_are_needed() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for item in range(10_000):
            taken += 1
            yield item

    parts = map_chunks(_double, items(), chunk=4, workers=2)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    assert taken < 200


def test_there_is_a_worker() -> None:
    assert worker_count() >= 1


def test_no_room_for_temporary_files_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(DataError, match="TMPDIR"):
        list(map_chunks(_double, range(40), chunk=2, workers=2))
