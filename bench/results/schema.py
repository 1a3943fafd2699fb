"""The schema of a cell's result: what result.json holds."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, field_validator

from bench.results.inference import BatchTiming, InferenceProfile, InferenceSummary, Round
from bench.results.migrate import upgrade_result
from bench.results.notice import Notice
from bench.results.read import parse_json
from bench.results.settings import CellContext, CellSettings
from bench.results.stored import SCHEMA_VERSION, Amount, Count, Stored
from bench.results.weights import WeightsProvenance
from bench.study.schema import Cell

__all__ = [
    "SCHEMA_VERSION",
    "BatchTiming",
    "CellResult",
    "Energy",
    "Failure",
    "InferenceProfile",
    "InferenceSummary",
    "Memory",
    "ModelFacts",
    "Round",
    "Status",
    "Timings",
]


class Status(StrEnum):
    """How a cell ended. Every one is a row in the report."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    DIVERGED = "diverged"
    UNAVAILABLE = "unavailable"
    INTERRUPTED = "interrupted"


class Failure(Stored):
    """Why a cell is not ok."""

    kind: str
    """The name of the exception or of the limit: ``MemoryError``, ``time limit``, ``signal 9`` ..."""
    notice: Notice
    """What happened, for the reader of the report."""
    log_tail: str = ""
    """The end of what the child printed; at most 4,000 characters."""


class Timings(Stored):
    """Seconds of each phase of a cell by the wall clock; None: the phase did not happen or did not end."""

    import_seconds: Amount | None = None
    """Import of torch and the libraries on it."""
    data_seconds: Amount | None = None
    """Opening the pixel cache and reading the split."""
    model_seconds: Amount | None = None
    """Building the model, reading its weights, moving it to the device."""
    warmup_seconds: Amount | None = None
    """Forward (and backward) passes on one batch before anything is timed, until they take a steady time."""
    warmup_passes: tuple[Amount, ...] = ()
    """Raw samples of those passes."""
    compile_seconds: Amount | None = None
    """torch.compile, where the study asks for it."""
    features_seconds: Amount | None = None
    """Frozen regime: the backbone's pass over the train and validation images; part of train_seconds."""
    train_seconds: Amount | None = None
    """Training: the features' pass, all epochs and the validation after each of them."""
    evaluate_seconds: Amount | None = None
    """The one pass over the test images, from pixels to probabilities."""
    inference_seconds: Amount | None = None
    """The inference profile after the test; not part of total_seconds."""
    total_seconds: Amount | None = None
    """From the start of the child process to its end, seen by the parent; where an inference profile follows, to
    its beginning."""
    epoch_seconds: tuple[Amount, ...] = ()
    """Raw samples: the training part of each epoch."""
    steps_timed: Count = 0
    """Steps of the optimizer whose parts were timed one by one: all on a CPU, every twentieth elsewhere. Their raw
    samples are in steps.npy (`bench.results.run.Run.steps`)."""
    step_parts: dict[str, Amount] = Field(default_factory=dict)
    """Seconds of those steps together by part: data (waiting for the next batch), forward, backward, optimizer."""


class Memory(Stored):
    """Peak memory in MiB, with the method that found it. None: not measured."""

    peak_ram_mib: Amount | None = None
    """Peak of the process tree (child and all that it started): pages in memory, each once; `method` says how."""
    peak_ram_hwm_mib: Amount | None = None
    """The kernel's high-water mark of the child's resident set (VmHWM): exact, but of the child alone."""
    interpreter_mib: Amount | None = None
    """Resident set of the child before it imports torch: Python and patchbench."""
    baseline_mib: Amount | None = None
    """Resident set of the child right after its imports, before data and model."""
    by_phase: dict[str, Amount] = Field(default_factory=dict)
    """peak_ram_mib of each phase: start (imports), data, model, warm-up, train, evaluate ... What model, data and
    optimizer take is the difference from baseline_mib."""
    hwm_by_phase: dict[str, Amount] = Field(default_factory=dict)
    """The child's own VmHWM of each phase; empty where the kernel cannot start the mark anew."""
    method: Notice | None = None
    """How peak_ram_mib was found."""
    samples: Count = 0
    """How often the tree was sampled."""
    interval_seconds: Amount | None = None
    """Median time between two samples. A shorter peak of one process is seen by its high-water mark; one of several
    processes together can be missed."""
    longest_gap_seconds: Amount | None = None
    """Longest time between two samples, from the child's start to its end."""
    unread_mib: Amount | None = None
    """By how much the resident sets of several processes exceeded those at any reading of their pages, MiB: as much
    can be missing from peak_ram_mib at most."""
    peak_vram_mib: Amount | None = None
    """Peak allocated by torch on the device."""
    reserved_vram_mib: Amount | None = None
    """Peak reserved by torch's allocator."""
    driver_vram_mib: Amount | None = None
    """Highest use of the device by this process that the driver reports."""


class Energy(Stored):
    """Energy from hardware counters, or the reason why there is none."""

    joules: Amount | None = None
    """From the start of the child to its result, by all counters together."""
    by_counter: dict[str, Amount] = Field(default_factory=dict)
    """Joules of each counter: package-0, dram, the GPU's name."""
    by_phase: dict[str, Amount] = Field(default_factory=dict)
    """Joules of each phase, whose ends are known to within 0.1 s."""
    method: Notice | None = None
    """Which counters were read; None without any."""
    not_measured: Notice | None = None
    """Why joules is empty, or which part of the machine is not in it."""


class ModelFacts(Stored):
    """What the model is, from the model that was really built; None: the cell did not get this far."""

    family: str | None = None
    """``vit``, ``cnn`` ..."""
    patch: Count | None = None
    """Side of a patch in pixels; None for a CNN."""
    image_size: Count | None = None
    """Side of the square input in pixels."""
    tokens: Count | None = None
    """Patches of an image; None for a CNN."""
    parameters: Count | None = None
    """Numbers in the model, head included."""
    trainable_parameters: Count | None = None
    """Those of them that learn."""
    flops: Count | None = None
    """Floating-point operations of one image's forward pass; a multiply-add counts as two."""
    features: Count | None = None
    """Width of what the head sees."""
    weights: WeightsProvenance = WeightsProvenance()
    """Where the weights came from and what was done to them."""


class CellResult(Stored):
    """result.json: all that is known of one cell. `cell` is the full specification, so that it can be read alone."""

    schema_version: int = SCHEMA_VERSION
    """Version of the layout."""
    id: str
    """The cell's id, the name of its folder."""
    cell: Cell
    """The cell's specification: model, regime, device, precision, seed, train, data set fingerprint ..."""
    label: str
    """The model's name in every table."""
    status: Status
    """How the cell ended."""
    error: Failure | None = None
    """Why it is not ok; None when it is."""
    metrics: dict[str, float | None] = Field(default_factory=dict)
    """Scores on the whole test set: accuracy, balanced_accuracy, kappa, macro_f1, ... Empty unless ok."""
    confusion: tuple[tuple[Count, ...], ...] = ()
    """Test images counted by (true class, predicted class)."""
    best_epoch: Count | None = None
    """The epoch (from 1) whose weights were tested; chosen on validation."""
    epochs: Count = 0
    """Epochs that were finished."""
    timings: Timings = Timings()
    """Seconds of each phase."""
    memory: Memory = Memory()
    """Peak memory."""
    energy: Energy = Energy()
    """Energy."""
    model: ModelFacts = ModelFacts()
    """Size, cost and weights of the model."""
    inference: InferenceSummary = InferenceSummary()
    """Latency and throughput of the tables."""
    profiles: tuple[InferenceProfile, ...] = ()
    """The samples behind them, and those of other backends; of all rounds together."""
    rounds: tuple[Round, ...] = ()
    """The rounds of the inference profile after the first."""
    price_per_hour: Amount | None = None
    """The study's price of the device at the time of the run, USD."""
    context: CellContext = CellContext()
    """What surrounded the cell in its own process, and what the machine did meanwhile."""
    settings: CellSettings = CellSettings()
    """What the loop did where the study left it open."""
    started: str | None = None
    """When it began; UTC, ISO 8601."""
    finished: str | None = None
    """When it ended; UTC, ISO 8601."""

    @field_validator("confusion")
    @classmethod
    def _square(cls, confusion: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
        if any(len(row) != len(confusion) for row in confusion):
            raise ValueError("a confusion matrix has a row and a column for each class")
        return confusion

    @property
    def cost_usd(self) -> float | None:
        """Total time x the study's price, USD; None without either."""
        if self.price_per_hour is None or self.timings.total_seconds is None:
            return None
        return self.timings.total_seconds / 3600 * self.price_per_hour

    @classmethod
    def from_json(cls, text: str, where: str) -> CellResult:
        """Read a stored result of this schema or an older one; `RunError` names ``where`` and the field."""
        return parse_json(text, where, cls, upgrade_result, advice="Delete that folder and run the study again.")
