"""What is fuzzed: each target takes bytes as a user or attacker gives them, and may only refuse by `BenchError`."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from bench.errors import BenchError, RunError

__all__ = ["TARGETS", "Target", "corpus"]

_CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Target:
    """One door."""

    run: Callable[[bytes, Path], None]
    """Takes the input and an empty folder; raises what is wrong."""
    refusals: tuple[type[Exception], ...] = (BenchError,)
    """What a good refusal is."""


@dataclass
class _InMemory:
    """A reader of one image that is no file."""

    data: bytes = field(repr=False)

    def read(self, name: str) -> bytes:  # noqa: ARG002 - there is one only
        """Return the bytes."""
        return self.data


def _image(data: bytes, folder: Path) -> None:
    from bench.data.audit.scan import examine

    examine(_InMemory(data), ["image"])


def _source(suffix: str, data: bytes, folder: Path) -> None:
    """List a data set and read every image of it."""
    from bench.data.audit.scan import examine
    from bench.data.sources import open_source
    from bench.study.dataset import DatasetSpec

    path = folder / f"set{suffix}"
    path.write_bytes(data)
    (folder / "a.png").write_bytes(b"")
    source = open_source(DatasetSpec(path=path), cache_dir=folder / "cache")
    examine(source.reader, [record.name for record in source.records][:50])


def _split(data: bytes, folder: Path) -> None:
    from bench.data.split.csv_file import read_split

    path = folder / "split.csv"
    path.write_bytes(data)
    read_split(path)


def _study(data: bytes, folder: Path) -> None:
    from bench.study.load import load_study

    path = folder / "study.yaml"
    path.write_bytes(data)
    load_study(path)


def _setting(data: bytes, folder: Path) -> None:
    from bench.study.load import load_study

    load_study("quickstart", settings=[data.decode("utf-8", "surrogateescape")])


def _weights(data: bytes, folder: Path) -> None:
    from torch import nn

    from models_zoo.weights.checkpoint import fill, lift_to_float32, read_checkpoint, without_prefixes

    path = folder / "weights.pth"
    path.write_bytes(data)
    network = nn.Sequential(nn.Linear(3, 2))
    state, _ = without_prefixes(read_checkpoint(path).state, network.state_dict())
    fill(network, lift_to_float32(state)[0], source="weights", model="small")


def _resumed(data: bytes, folder: Path) -> None:
    """A damaged checkpoint of a training is no error: the training begins anew."""
    from bench.training.checkpoint import Checkpoint

    path = folder / "checkpoint.pt"
    path.write_bytes(data)
    Checkpoint(path, "key", 60.0).load()


def _message(data: bytes, folder: Path) -> None:
    """What a child says; nonsense is a reason, not an error."""
    from bench.execution.messages.outcome import read_outcome
    from bench.execution.messages.progress import ProgressFile

    (folder / "outcome.json").write_bytes(data)
    (folder / "progress.json").write_bytes(data)
    read_outcome(folder)
    ProgressFile(folder / "progress.json").read()


def _run_folder(data: bytes, folder: Path) -> None:
    """Read a run folder with random changes, which the input decides on, in some of the ways that there are."""
    from tests.fuzz.run_folders import TARGETS as READERS
    from tests.fuzz.run_folders import tries

    rng = random.Random(data)
    slow, quick = ("report", "figures"), sorted(set(READERS) - {"report", "figures"})
    chosen = rng.sample(quick, 3) + [name for name in slow if rng.random() < 0.1]
    ended = tries(_whole_run(folder.parent), folder, rng.getrandbits(64), {name: READERS[name] for name in chosen})
    if wrong := [how for how in ended.values() if how not in ("ok", "refused")]:
        raise AssertionError(wrong[0])
    if "refused" in ended.values():
        raise RunError("refused")


@cache
def _whole_run(folder: Path) -> Path:
    from tests.fuzz.run_folders import build

    shutil.rmtree(folder / "built", ignore_errors=True)
    return build(folder / "built")


def _weights_target() -> Target:
    from models_zoo.errors import ModelZooError

    return Target(_weights, (ModelZooError,))


TARGETS: Mapping[str, Callable[[], Target]] = {
    "images": lambda: Target(_image),
    "zips": lambda: Target(partial(_source, ".zip")),
    "csv": lambda: Target(partial(_source, ".csv")),
    "splits": lambda: Target(_split),
    "yaml": lambda: Target(_study),
    "settings": lambda: Target(_setting),
    "messages": lambda: Target(_message),
    "folders": lambda: Target(_run_folder),
    "checkpoints": lambda: Target(_resumed),
    "weights": _weights_target,
}
"""By name, made when it is run: some import torch."""


def corpus(name: str) -> list[bytes]:
    """The stored inputs of a target: what `make_corpus` drew, and every input that was a fault once."""
    return [path.read_bytes() for path in sorted((_CORPUS / name).iterdir())]
