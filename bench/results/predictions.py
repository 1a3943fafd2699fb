"""A cell's predictions.parquet: the columns that its writer and its readers share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import RunError
from bench.results.files import write_atomic

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Predictions", "read_predictions", "write_predictions"]

_IMAGE = "image"
_LABEL = "label"
_LABEL_INDEX = "label_index"
_PROBABILITY = "p_"


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


def read_predictions(path: Path) -> Predictions | None:
    """Return what `write_predictions` wrote; None where there is no such file. Raises `RunError` for a damaged one."""
    if not path.is_file():
        return None
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        labels = table[_LABEL_INDEX].to_numpy().astype(np.int64)
        columns = [name for name in table.column_names if name.startswith(_PROBABILITY)]
        probabilities = np.column_stack([table[name].to_numpy() for name in columns]).astype(np.float32)
        return Predictions(table[_IMAGE].to_pylist(), labels, probabilities)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        raise RunError(f"{path} is damaged ({error}). Delete that cell's folder and run the study again.") from error
