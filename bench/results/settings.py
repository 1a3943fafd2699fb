"""How a cell was really run, where the study left it open, and what surrounded it in its own process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench.results.environment import SystemLoad
from bench.results.notice import Notice
from bench.results.stored import Stored

__all__ = ["CellContext", "CellSettings", "Determinism", "ThreadsBy"]

ThreadsBy = Literal["study", "OMP_NUM_THREADS", "quota", "affinity"]
"""What decided the number of threads: the study's train.threads, the environment variable, a CPU quota of the control
group, or the CPUs that the process may run on."""

_LATE = frozenset({"profile_cut_short", "failed_in_profile", "failed_after_result"})


class CellSettings(Stored):
    """What the loop did; None: it does not apply, or the cell did not get this far."""

    batch_size: int | None = None
    """Images per step of the optimizer."""
    micro_batch: int | None = None
    """Images at once through the model in a step; None: the whole batch."""
    inference_batch: int | None = None
    """Images at once where nothing learns."""
    memory_format: str | None = None
    """Layout of the tensors: ``channels_last`` or ``contiguous``."""
    compiled: bool | None = None
    """Whether torch.compile was used."""
    workers: int | None = None
    """Threads that prepare batches beside the one that trains."""
    depthwise_kernels: int = 0
    """Depthwise convolutions whose gradients were our own."""
    patch_kernels: int = 0
    """Patch projections whose gradients were our own."""
    attention_kernels: int = 0
    """Attention layers whose gradients were our own."""
    cached_features: bool | None = None
    """Frozen regime: whether the backbone's features were computed once and kept."""
    features_in: str | None = None
    """Where those features lay: ``memory`` or ``file``, which is mapped into memory."""
    views: int | None = None
    """Augmented views of each training image whose features were kept."""
    backbone_precision: str | None = None
    """Number format of the frozen backbone."""
    head: str | None = None
    """The kind of head that was trained: ``linear``, ``knn``, ``logistic``."""
    head_threads: int | None = None
    """Threads while the head learned on kept features."""
    head_neighbors: int | None = None
    """knn: how many training images vote; chosen on validation."""
    head_c: float | None = None
    """logistic: scikit-learn's C, the inverse strength of the L2 penalty; chosen on validation."""
    head_lr: float | None = None
    """Tuned linear head: the learning rate that was chosen on validation."""
    head_weight_decay: float | None = None
    """Tuned linear head: the weight decay that was chosen on validation."""
    head_candidates: int | None = None
    """Tuned linear head: how many pairs of learning rate and weight decay were tried."""
    head_tuning_seconds: float | None = None
    """Tuned linear head: seconds of all its trainings together; part of train_seconds."""
    standardized: bool | None = None
    """Whether features were brought to mean 0 and variance 1 before the head."""
    checkpoint_seconds: float | None = None
    """Seconds spent writing checkpoints; part of train_seconds."""
    resumed_after: int | None = None
    """The epoch after which a killed training was resumed; None: it was not."""


class Determinism(Stored):
    """What was set for the sake of repeatability."""

    seed: int
    """The seed of Python, NumPy and torch."""
    deterministic_algorithms: str
    """``warn_only``: deterministic kernels where torch has them."""
    cudnn_benchmark: bool
    """Whether cuDNN chose its kernels by trying them."""
    tf32: bool
    """Whether fp32 matrix products were rounded to TF32."""


class CellContext(Stored):
    """What surrounded the cell in its own process, and what the machine did meanwhile."""

    device_name: str | None = None
    """The device's name by its driver; None for a CPU."""
    threads: int | None = None
    """CPU threads that torch was set to."""
    threads_by: ThreadsBy | None = None
    """What decided how many; None: not known."""
    threads_found: tuple[int, ...] = ()
    """CPU threads that torch was found with when the training began and when it ended (without training: when the
    inference profile began and ended); a model can have changed them."""
    determinism: Determinism | None = None
    """What was set for the sake of repeatability."""
    glibc_tunables: str | None = None
    """The variable GLIBC_TUNABLES of the process."""
    torch: str | None = None
    """Version of torch, with its build."""
    torchvision: str | None = None
    """Version of torchvision, with its build."""
    timm: str | None = None
    """Version of timm."""
    system_load: SystemLoad | None = None
    """What else the machine did while the cell ran."""
    executor: str = "local"
    """What ran the cell."""
    notices: tuple[Notice, ...] = Field(default=())
    """What a reader has to know of this cell: a warm-up that did not become steady, weights that could not be kept,
    a process that failed after the result."""

    @property
    def late_failure(self) -> Notice | None:
        """What went wrong after the result was stored, so that an inference profile may be cut short; None: nothing."""
        return next((notice for notice in self.notices if notice.code in _LATE), None)
