"""What a study measures beside training: the settings, their defaults and their limits. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bench.study.units import Seconds

__all__ = ["Backend", "MeasureSpec"]

Backend = Literal["eager", "compile", "onnxruntime", "int8"]


class MeasureSpec(BaseModel):
    """The ``measure`` section of a study."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    training: bool = True
    """``false``: the models are built and their inference is measured, but nothing is trained or scored."""
    inference: bool = True
    """Measure latency at batch 1 and throughput over batch sizes of every model once it has been tested."""
    backends: tuple[Backend, ...] = Field(default=("eager",), min_length=1)
    """How the model is run: ``eager`` (as PyTorch does it), ``compile`` (torch.compile), ``onnxruntime``, ``int8``
    (dynamic quantization of the linear layers, CPU only). With others than eager, the accuracy that each keeps
    is measured on the test images."""
    batch_sizes: tuple[Annotated[int, Field(ge=1, le=65_536)], ...] = Field(default=(1, 4, 16, 64, 256), min_length=1)
    """Images in one call. Sizes for which memory or ``call_seconds`` do not suffice are left out, and the result names
    them."""
    seconds: Seconds = 1.0
    """Time for each batch size, warm-up included; a call that has begun is finished. Batch 1 takes up to four times as
    long where its hundred samples, which a 99th percentile needs, are not there by then."""
    call_seconds: Seconds | None = None
    """No batch is tried of which a single call would take longer, judging by the size before; left out: ``seconds``."""
    rounds: int = Field(default=1, ge=1, le=100)
    """How often every model's inference is measured, each time in a new process. The rounds of all models take turns,
    so that a machine that grows warm or busy slows all of them alike; their samples are pooled, and where the rounds
    disagree by more than ``tolerance`` the result is ``unstable``."""
    tolerance: float = Field(default=0.05, gt=0, le=1)
    """A median counts as known when its 95 % interval is within this share of it on both sides; else the result is
    ``unstable``."""

    @model_validator(mode="after")
    def _something_is_measured(self) -> Self:
        if not (self.training or self.inference):
            raise ValueError("training: without training and without inference there is nothing to measure")
        for name in ("backends", "batch_sizes"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: names something twice: {', '.join(map(str, values))}")
        return self
