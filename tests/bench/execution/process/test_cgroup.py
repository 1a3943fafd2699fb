"""Control groups: their files are doubles in the first half; the second needs a group that was delegated."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.execution.process import exit_status
from bench.execution.process.cgroup import MemoryGroup
from bench.measure.monitor import Monitor
from bench.measure.system.cgroups import MOUNT, oom_kills
from bench.results.notice import Notice
from bench.results.schema import CellResult, Status

RunScript = Callable[..., CellResult]

OWN = "1:name=systemd:/x\n0::/user.slice\n"


def _tree(root: Path, controllers: str = "cpu memory", delegated: str = "memory") -> Path:
    base = root / "user.slice"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.subtree_control").write_text(delegated)
    return base


def test_a_group_with_its_limit(tmp_path: Path) -> None:
    base = _tree(tmp_path)
    group = MemoryGroup.open(1000, "abc", tmp_path, OWN)
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
    assert MemoryGroup.open(1000, "abc", tmp_path, OWN) is not None
    assert (base / "cgroup.subtree_control").read_text() == "+memory"


@pytest.mark.parametrize("own", [OWN, "0::/elsewhere\n", "", "nonsense"])
def test_where_there_is_no_memory_controller_there_is_no_group(tmp_path: Path, own: str) -> None:
    base = _tree(tmp_path, controllers="cpu io")
    assert MemoryGroup.open(1000, "abc", tmp_path, own) is None
    assert len(list(base.iterdir())) == 2


def test_a_tree_that_may_not_be_written(tmp_path: Path) -> None:
    base = _tree(tmp_path, delegated="")
    (base / "cgroup.subtree_control").unlink()
    (base / "cgroup.subtree_control").mkdir()  # cannot be read or written, whoever asks
    assert MemoryGroup.open(1000, "abc", tmp_path, OWN) is None


def test_a_group_whose_limit_cannot_be_set_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _tree(tmp_path)
    real = Path.write_text

    def refuse(self: Path, text: str) -> int:
        if self.name == "memory.max":
            raise PermissionError(13, "denied")
        # the kernel's own files vanish with their folder; a double's would keep it from being removed
        return len(text) if self.parent.name.startswith("patchbench-") else real(self, text)

    monkeypatch.setattr(Path, "write_text", refuse)
    assert MemoryGroup.open(1000, "abc", tmp_path, OWN) is None
    assert sorted(path.name for path in base.iterdir()) == ["cgroup.controllers", "cgroup.subtree_control"]


def test_a_group_of_version_1(tmp_path: Path) -> None:
    base = tmp_path / "memory" / "job"
    base.mkdir(parents=True)
    (base / "memory.limit_in_bytes").write_text("9223372036854771712")
    group = MemoryGroup.open(1000, "abc", tmp_path, "4:memory:/job\n0::/\n")
    assert group is not None
    assert group.folder.parent == base
    assert (group.folder / "memory.limit_in_bytes").read_text() == "1000"
    assert (group.folder / "memory.memsw.limit_in_bytes").read_text() == "1000"
    (group.folder / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.kills() == 2


def test_groups_that_a_killed_run_left_are_removed(tmp_path: Path) -> None:
    base = _tree(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, kept = base / f"patchbench-abc-{gone.pid}", base / f"patchbench-abc-{os.getppid()}"
    left.mkdir()
    kept.mkdir()
    assert MemoryGroup.open(1000, "new", tmp_path, OWN) is not None
    assert (left.exists(), kept.exists()) == (False, True)


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    """A real one of 64 MiB."""
    made = MemoryGroup.open(64 << 20, "test")
    if made is None:
        pytest.skip("no control group with memory was delegated to this process")
    yield made
    made.close()


def test_the_kernels_limit_ends_a_process(group: MemoryGroup) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "input(); x = bytearray(b'x') * (200 << 20)"], stdin=subprocess.PIPE
    )
    assert group.take(child.pid)
    child.communicate(b"\n")
    assert child.returncode == -9
    assert group.kills() >= 1
    group.close()
    assert not group.folder.exists()


def test_what_is_left_in_a_group_is_ended_with_it(group: MemoryGroup) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    assert group.take(child.pid)
    group.close()
    assert child.wait() == -9
    assert not group.folder.exists()


HOG = "held = bytearray(b'x') * (200 << 20); time.sleep(60)"


def test_a_cell_whose_limit_the_kernel_keeps(
    group: MemoryGroup, run_script: RunScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for all at once: the watchdog would come too late, and here it sees nothing."""
    monkeypatch.setattr(Monitor, "poll", lambda *_: None)
    result = run_script(HOG, memory_limit="64MiB")
    assert result.status is Status.OUT_OF_MEMORY
    assert result.error is not None
    assert result.error.notice == Notice.of("memory_limit_by_kernel", mib=64.0)
    assert not list(group.folder.parent.glob(f"patchbench-{result.id}-*"))


def test_a_worker_whose_memory_the_kernel_refuses(group: MemoryGroup, run_script: RunScript) -> None:
    worker = HOG.replace("time.sleep(60)", "0")
    result = run_script(
        f'code = subprocess.call([sys.executable, "-I", "-S", "-c", {worker!r}]); sys.exit(code)', memory_limit="64MiB"
    )
    assert result.status is Status.OUT_OF_MEMORY


def test_a_cell_that_the_kernel_kills_because_the_machine_is_out_of_memory(
    group: MemoryGroup, run_script: RunScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No limit of the study: the machine is the group, which its child enters by itself."""
    first = MOUNT / "memory"
    is_older = group.folder.is_relative_to(first)
    own = f"4:memory:/{group.folder.relative_to(first)}" if is_older else f"0::/{group.folder.relative_to(MOUNT)}"
    monkeypatch.setattr(exit_status, "oom_kills", lambda: oom_kills(own=own))
    result = run_script(f"open({str(group.folder / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); {HOG}")
    assert result.status is Status.OUT_OF_MEMORY
    assert result.error is not None
    assert result.error.kind == "SIGKILL"
    assert result.error.notice == Notice.of("killed_by_kernel")


def test_kills_of_an_earlier_cell_in_the_same_group_do_not_count(tmp_path: Path) -> None:
    base = _tree(tmp_path)
    left = base / f"patchbench-abc-{os.getpid()}"
    left.mkdir()
    (left / "memory.events").write_text("oom_kill 2\n")
    group = MemoryGroup.open(1000, "abc", tmp_path, OWN)
    assert group is not None
    assert group.kills() == 0
    (left / "memory.events").write_text("oom_kill 3\n")
    assert group.kills() == 1
