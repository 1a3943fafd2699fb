"""Control groups: their files are doubles here, except in the last test, which needs a group that was delegated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.execution.cgroup import MemoryGroup


def _tree(root: Path, controllers: str = "cpu memory", delegated: str = "memory") -> Path:
    base = root / "user.slice"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.subtree_control").write_text(delegated)
    return base


def test_a_group_with_its_limit(tmp_path: Path) -> None:
    base = _tree(tmp_path)
    group = MemoryGroup.open(1000, "abc", tmp_path, "/user.slice")
    assert group is not None
    assert group.folder.parent == base
    assert (group.folder / "memory.max").read_text() == "1000"
    assert (group.folder / "memory.oom.group").read_text() == "1"
    assert group.take(os.getpid())
    assert (group.folder / "cgroup.procs").read_text() == str(os.getpid())
    assert group.kills() == 0
    (group.folder / "memory.events").write_text("low 0\noom 1\noom_kill 3\n")
    assert group.kills() == 3


def test_the_controller_is_handed_down_where_it_is_not(tmp_path: Path) -> None:
    base = _tree(tmp_path, delegated="")
    assert MemoryGroup.open(1000, "abc", tmp_path, "/user.slice") is not None
    assert (base / "cgroup.subtree_control").read_text() == "+memory"


@pytest.mark.parametrize("own", ["/user.slice", "/elsewhere"])
def test_where_there_is_no_memory_controller_there_is_no_group(tmp_path: Path, own: str) -> None:
    base = _tree(tmp_path, controllers="cpu io")
    assert MemoryGroup.open(1000, "abc", tmp_path, own) is None
    assert len(list(base.iterdir())) == 2


def test_a_tree_that_may_not_be_written(tmp_path: Path) -> None:
    base = _tree(tmp_path, delegated="")
    (base / "cgroup.subtree_control").unlink()
    (base / "cgroup.subtree_control").mkdir()  # cannot be read or written, whoever asks
    assert MemoryGroup.open(1000, "abc", tmp_path, "/user.slice") is None


def test_a_group_whose_limit_cannot_be_set_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _tree(tmp_path)
    real = Path.write_text

    def refuse(self: Path, text: str) -> int:
        if self.name == "memory.max":
            raise PermissionError(13, "denied")
        # the kernel's own files vanish with their folder; a double's would keep it from being removed
        return len(text) if self.parent.name.startswith("patchbench-") else real(self, text)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert MemoryGroup.open(1000, "abc", tmp_path, "/user.slice") is None
    assert sorted(path.name for path in base.iterdir()) == ["cgroup.controllers", "cgroup.subtree_control"]


def test_the_kernels_limit_ends_a_process() -> None:
    group = MemoryGroup.open(64 << 20, "test")
    if group is None:
        pytest.skip("no control group with memory was delegated to this process")
    child = subprocess.Popen(
        [sys.executable, "-c", "input(); x = bytearray(b'x') * (200 << 20)"], stdin=subprocess.PIPE
    )
    try:
        assert group.take(child.pid)
        child.communicate(b"\n")
        assert child.returncode == -9
        assert group.kills() >= 1
    finally:
        group.close()
    assert not group.folder.exists()
