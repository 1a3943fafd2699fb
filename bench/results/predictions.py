"""A cell's predictions.parquet: the columns that its writer and its readers share."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.results.arrow import prepare_arrow
from bench.results.files import read_regular, write_atomic
from bench.results.read import damaged

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Predictions", "TestImages", "read_predictions", "write_predictions"]

_IMAGE = "image"
_LABEL = "label"
_LABEL_INDEX = "label_index"
_PROBABILITY = "p_"
_AGAIN = "Delete that cell's folder and run the study again."
_OVERHEAD = 2**20
"""Bytes of a parquet file beside its values."""
_PROBABILITY_BYTES = 8
"""Of one: its four, and its place in a dictionary of values that are all different."""


@dataclass(frozen=True)
class TestImages:
    """What a run's predictions are of: names and class indices of the test images in their order, and the classes."""

    __test__ = False

    names: list[str]
    labels: np.ndarray
    classes: list[str]


class Predictions:
    """The stored predictions of one cell on every test image.

    images: names, n; labels: true class indices, (n,) int64; probabilities: (n, classes) float32, rows sum to 1.
    """

    def __init__(self, images: list[str], labels: np.ndarray, probabilities: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.probabilities = probabilities

    @property
    def predicted(self) -> np.ndarray:
        """The class of highest probability, (n,) int64."""
        import numpy as np

        return np.asarray(self.probabilities.argmax(axis=1))


def write_predictions(
    path: Path, images: list[str], labels: np.ndarray, probabilities: np.ndarray, classes: list[str]
) -> None:
    """Store predictions: image, label (name), label_index, and p_<class> for each class, in the classes' order.

    labels: (n,) indices into ``classes``; probabilities: (n, classes). Raises `RunError` when it cannot be written.
    """
    prepare_arrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        _IMAGE: pa.array(images, pa.string()),
        _LABEL: pa.array([classes[i] for i in labels], pa.string()),
        _LABEL_INDEX: pa.array(labels, pa.int32()),
    }
    for index, name in enumerate(classes):
        columns[f"{_PROBABILITY}{name}"] = pa.array(probabilities[:, index], pa.float32())
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    write_atomic(path, sink.getvalue().to_pybytes())


def read_predictions(path: Path, tested: TestImages) -> Predictions | None:
    """Return what `write_predictions` wrote of these images; None where there is no such file.

    Raises `RunError` for a damaged file and for one of other images; no more is read than theirs can take.
    """
    if not os.path.lexists(path):
        return None
    prepare_arrow()
    import pyarrow as pa

    try:
        labels, probabilities = _columns(path, tested)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise damaged(path, str(error), _AGAIN) from error
    return Predictions(tested.names, labels, probabilities)


def _columns(path: Path, tested: TestImages) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities; ValueError where the file is not of these images."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = len(tested.names)
    content = read_regular(path, _largest(tested))
    file = pq.ParquetFile(io.BytesIO(content), read_dictionary=[_IMAGE])
    wanted = [f"{_PROBABILITY}{name}" for name in tested.classes]
    kinds = {_IMAGE: pa.string(), _LABEL: pa.string(), _LABEL_INDEX: pa.int32(), **dict.fromkeys(wanted, pa.float32())}
    schema = file.schema_arrow
    if file.metadata.num_rows != rows:
        raise ValueError(f"{file.metadata.num_rows:,} rows for {rows:,} test images")
    if schema.names != list(kinds):
        raise ValueError("its columns are not those of the run's classes")
    if not pa.types.is_dictionary(schema.field(_IMAGE).type):
        raise ValueError(f"the column {_IMAGE!r} holds {schema.field(_IMAGE).type}")
    if wrong := next((name for name in schema.names[1:] if schema.field(name).type != kinds[name]), None):
        raise ValueError(f"the column {wrong!r} holds {schema.field(wrong).type}")
    table = file.read(columns=[_IMAGE, _LABEL_INDEX, *wanted], use_threads=False)  # see `prepare_arrow`
    if any(column.null_count for column in table.columns):
        raise ValueError("a value is missing")
    labels = table[_LABEL_INDEX].to_numpy().astype(np.int64)
    if not _are(table[_IMAGE], tested.names) or not np.array_equal(labels, tested.labels):
        raise ValueError("it is of other images, or of other labels, than the run's dataset.json")
    probabilities = np.column_stack([table[name].to_numpy() for name in wanted])
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-2)):
        raise ValueError("the probabilities of an image are not all positive numbers that add up to 1")
    return labels, probabilities


def _largest(tested: TestImages) -> int:
    """Bytes that a file of these predictions has at most."""
    names = [len(name.encode()) for name in tested.classes]
    texts = sum(len(name.encode()) for name in tested.names) + sum(names[int(label)] for label in tested.labels)
    values = len(tested.names) * (len(names) * _PROBABILITY_BYTES + 32)
    return values + 2 * texts + sum(8 * length + 4096 for length in names) + _OVERHEAD


def _are(column: Any, names: Sequence[str]) -> bool:
    """Whether a column holds these names; one long name that is repeated a million times is not unfolded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    longest = max((len(name.encode()) for name in names), default=0)
    parts = column.chunks
    if any(len(part.dictionary) and pc.max(pc.binary_length(part.dictionary)).as_py() > longest for part in parts):
        return False
    found: list[str] = column.cast(pa.string()).to_pylist()
    return found == list(names)
