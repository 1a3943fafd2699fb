"""What is fuzzed: each target takes bytes as a user or attacker gives them, and may only refuse by `BenchError`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.errors import BenchError

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
    state, _ = lift_to_float32(state)
    fill(network, state, source="weights", model="small")


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
    "checkpoints": lambda: Target(_resumed),
    "weights": _weights_target,
}
"""By name, made when it is run: some import torch."""


def corpus(name: str) -> list[bytes]:
    """The stored inputs of a target: what `make_corpus` drew, and every input that was a fault once."""
    return [path.read_bytes() for path in sorted((_CORPUS / name).iterdir())]
