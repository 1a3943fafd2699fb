"""The schema of a cell's result: what result.json holds, and how it is read with suspicion."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.errors import RunError

__all__ = [
    "SCHEMA_VERSION",
    "BatchTiming",
    "CellResult",
    "Energy",
    "Failure",
    "InferenceProfile",
    "Memory",
    "ModelFacts",
    "Round",
    "Status",
    "Timings",
]

SCHEMA_VERSION = 1


class Status(StrEnum):
    """How a cell ended. Every one is a row in the report."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    DIVERGED = "diverged"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"


class _Stored(BaseModel):
    """Unknown keys are kept out of the way of older readers, so that a newer minor release can add some."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Failure(_Stored):
    """Why a cell is not ok."""

    kind: str
    """The name of the exception or of the limit: ``MemoryError``, ``time limit``, ``signal 9`` ..."""
    message: str
    """One sentence for the reader of the report."""
    log_tail: str = ""
    """The end of what the child printed; at most 4,000 characters."""


class Timings(_Stored):
    """Seconds of each phase of a cell by the wall clock; None: the phase did not happen or did not end."""

    import_seconds: float | None = None
    """Import of torch and the libraries on it."""
    data_seconds: float | None = None
    """Opening the pixel cache and reading the split."""
    model_seconds: float | None = None
    """Building the model, reading its weights, moving it to the device."""
    warmup_seconds: float | None = None
    """Forward (and backward) passes on one batch before anything is timed, until they take a steady time."""
    warmup_passes: tuple[float, ...] = ()
    """Raw samples of those passes."""
    compile_seconds: float | None = None
    """torch.compile, where the study asks for it."""
    features_seconds: float | None = None
    """Frozen regime: the backbone's pass over the train and validation images; part of train_seconds."""
    train_seconds: float | None = None
    """Training: the features' pass, all epochs and the validation after each of them."""
    evaluate_seconds: float | None = None
    """The one pass over the test images, from pixels to probabilities."""
    inference_seconds: float | None = None
    """The inference profile after the test; not part of total_seconds."""
    total_seconds: float | None = None
    """From the start of the child process to its end, seen by the parent; where an inference profile follows, to
    its beginning."""
    epoch_seconds: tuple[float, ...] = ()
    """Raw samples: the training part of each epoch."""
    steps_timed: int = 0
    """Steps of the optimizer whose parts were told apart: all on a CPU, every twentieth elsewhere. Their raw
    samples are in steps.npy (`bench.results.run.Run.steps`)."""
    step_parts: dict[str, float] = Field(default_factory=dict)
    """Seconds of those steps together by part: data (waiting for the next batch), forward, backward, optimizer."""


class Memory(_Stored):
    """Peak memory in MiB, with the method that found it. None: not measured."""

    peak_ram_mib: float | None = None
    """Peak of the process tree (child and its workers): proportional set size, sampled from outside."""
    peak_ram_hwm_mib: float | None = None
    """The kernel's high-water mark of the child's resident set (VmHWM): exact, but counts shared pages whole."""
    interpreter_mib: float | None = None
    """Proportional set size of the child before it imports torch: Python and patchbench."""
    baseline_mib: float | None = None
    """Proportional set size of the child right after its imports, before data and model."""
    by_phase: dict[str, float] = Field(default_factory=dict)
    """peak_ram_mib of each phase: start (imports), data, model, warm-up, train, evaluate ... What model, data and
    optimizer take is the difference from baseline_mib."""
    hwm_by_phase: dict[str, float] = Field(default_factory=dict)
    """The child's own VmHWM of each phase; empty where the kernel cannot start the mark anew."""
    method: str | None = None
    """How peak_ram_mib was found, in words."""
    samples: int = 0
    """How often the tree was sampled."""
    interval_seconds: float | None = None
    """Median time between two samples: a shorter peak can be missed by peak_ram_mib."""
    peak_vram_mib: float | None = None
    """Peak allocated by torch on the device."""
    reserved_vram_mib: float | None = None
    """Peak reserved by torch's allocator."""
    driver_vram_mib: float | None = None
    """Highest use of the device by this process that the driver reports."""


class Energy(_Stored):
    """Energy from hardware counters, or the reason why there is none."""

    joules: float | None = None
    """From the start of the child to its result, by all counters together."""
    by_counter: dict[str, float] = Field(default_factory=dict)
    """Joules of each counter: package-0, dram, the GPU's name."""
    by_phase: dict[str, float] = Field(default_factory=dict)
    """Joules of each phase, which are told apart from outside to within 0.1 s."""
    method: str | None = None
    not_measured: str | None = None
    """Why joules is empty, or which part of the machine is not in it."""


class BatchTiming(_Stored):
    """Raw samples of one batch size, in seconds for the whole batch."""

    batch_size: int
    seconds: tuple[float, ...]
    rounds: tuple[int, ...] = ()
    """How many of them each round took, in their order; empty where there was one round."""
    warmup_seconds: tuple[float, ...] = ()
    """The calls before it ran steadily; not part of any figure."""
    unstable: str | None = None
    """Why the median is not known within the study's tolerance; None when it is."""


class InferenceProfile(_Stored):
    """How fast one model runs in one backend: from normalized pixels on the device to logits on the device."""

    backend: str
    prepare_seconds: float | None = None
    """Making the backend's model: export, quantization. torch.compile works in the first call."""
    cold_start_seconds: float | None = None
    """The first call of all, with compilation and the libraries' first choices."""
    later_cold_starts: tuple[float, ...] = ()
    """The same of the further rounds, whose processes find what the first one left in the caches of the system."""
    cold_start_batch: int | None = None
    batches: tuple[BatchTiming, ...] = ()
    stopped: str | None = None
    """Why larger batches were not measured."""
    accuracy: float | None = None
    """On the test images; only where several backends were asked for."""
    agreement: float | None = None
    """Share of the test images to which it gives the class that the eager model gives."""
    not_measured: str | None = None
    """Why there is nothing: a package that is not installed, a model that cannot be exported ..."""


class Round(_Stored):
    """A further round of the inference profile: the same model built anew in a new process, once the others had theirs.

    A trained model goes through it with the weights it started from; the time of a call does not depend on them.
    """

    started: str
    """UTC, ISO 8601."""
    seconds: float
    """From the start of its process to its end."""
    during: dict[str, Any] = Field(default_factory=dict)
    """What else the machine did meanwhile, as in the context of the cell."""
    lost: str | None = None
    """Why the round gave nothing; None when it did."""


class ModelFacts(_Stored):
    """What the model is; from the model that was really built."""

    family: str | None = None
    patch: int | None = None
    """Side of a patch in pixels; None for a CNN."""
    image_size: int | None = None
    """Side of the square input in pixels."""
    tokens: int | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    flops: int | None = None
    """Floating-point operations of one image's forward pass; a multiply-add counts as two."""
    features: int | None = None
    """Width of what the head sees."""
    weights: dict[str, Any] = Field(default_factory=dict)
    """Provenance: where the weights came from and what was done to them."""


class CellResult(_Stored):
    """All that is known of one cell. `cell` is the full specification, so that a result can be read alone."""

    schema_version: int = SCHEMA_VERSION
    id: str
    cell: dict[str, Any]
    """The cell's specification: model, regime, device, precision, seed, train, data set fingerprint ..."""
    label: str
    """The model's name in every table."""
    status: Status
    error: Failure | None = None
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """Scores on the whole test set: accuracy, balanced_accuracy, kappa, macro_f1, ... Empty unless ok."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Test images counted by (true class, predicted class)."""
    best_epoch: int | None = None
    """The epoch (from 1) whose weights were tested; chosen on validation."""
    epochs: int = 0
    """Epochs that were finished."""
    timings: Timings = Timings()
    memory: Memory = Memory()
    energy: Energy = Energy()
    model: ModelFacts = ModelFacts()
    inference: dict[str, float | None] = Field(default_factory=dict)
    """latency_p50_ms, latency_p90_ms, latency_p99_ms (at batch 1), throughput_img_s (the best), throughput_batch and
    cold_start_ms, where they were measured; p99 needs a hundred samples."""
    profiles: tuple[InferenceProfile, ...] = ()
    """The samples behind them, and those of other backends; of all rounds together."""
    rounds: tuple[Round, ...] = ()
    """The rounds of the inference profile after the first."""
    price_per_hour: float | None = None
    """The study's price of the device at the time of the run."""
    context: dict[str, Any] = Field(default_factory=dict)
    """The child's own surroundings: device name, threads, determinism, versions; under ``during`` what else the machine
    did meanwhile: other_cores, stolen_share, throttling."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What the loop really did where the study left it open: feature cache, views, batch, normalization."""
    started: str | None = None
    """UTC, ISO 8601."""
    finished: str | None = None

    @property
    def cost_usd(self) -> float | None:
        """total time x the study's price; None without either."""
        if self.price_per_hour is None or self.timings.total_seconds is None:
            return None
        return self.timings.total_seconds / 3600 * self.price_per_hour

    @classmethod
    def from_json(cls, text: str, where: str) -> CellResult:
        """Read a stored result; a damaged one, or one of another schema, raises `RunError` naming ``where``."""
        try:
            raw = json.loads(text)
            version = raw["schema_version"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{where} is damaged ({error}). Delete that folder and run the study again.") from error
        if version != SCHEMA_VERSION:
            age = "a newer" if isinstance(version, int) and version > SCHEMA_VERSION else "an older"
            raise RunError(
                f"{where} was written by {age} patchbench (result schema {version}; this one reads {SCHEMA_VERSION}). "
                f"Use that version, or run the study into another folder."
            )
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise RunError(
                f"{where} is damaged ({key}: {first['msg']}). Delete that folder and run the study again."
            ) from error
