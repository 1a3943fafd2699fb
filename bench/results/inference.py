"""The inference profile of a cell as it is stored: raw samples, and the figures of the tables."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bench.results.environment import SystemLoad
from bench.results.notice import Notice
from bench.results.stored import Amount, Count, Share, Stored

__all__ = ["BatchTiming", "InferenceProfile", "InferenceSummary", "Round"]


class BatchTiming(Stored):
    """Raw samples of one batch size, in seconds for the whole batch."""

    batch_size: Annotated[int, Field(ge=1, le=10**9)]
    """Images in the batch."""
    seconds: tuple[Amount, ...]
    """The samples, of all rounds together."""
    rounds: tuple[Count, ...] = ()
    """How many of them each round took, in their order; empty where there was one round."""
    warmup_seconds: tuple[Amount, ...] = ()
    """Seconds of the calls before it ran steadily; not part of any figure."""
    unstable: Notice | None = None
    """Why the median is not known within the study's tolerance; None when it is."""


class InferenceProfile(Stored):
    """How fast one model runs in one backend: from normalized pixels on the device to logits on the device."""

    backend: str
    """``eager``, ``compile``, ``onnx`` or ``int8``."""
    prepare_seconds: Amount | None = None
    """Seconds to make the backend's model: export, quantization. torch.compile works in the first call."""
    cold_start_seconds: Amount | None = None
    """Seconds of the first call of all, with compilation and the libraries' first choices."""
    later_cold_starts: tuple[Amount, ...] = ()
    """The same of the further rounds, whose processes find what the first one left in the caches of the system."""
    cold_start_batch: Count | None = None
    """Images in that first call."""
    batches: tuple[BatchTiming, ...] = ()
    """The samples by batch size, the smallest first."""
    stopped: Notice | None = None
    """Why larger batches were not measured."""
    accuracy: Share | None = None
    """On the test images, 0 to 1; only where several backends were asked for."""
    agreement: Share | None = None
    """Share of the test images (0 to 1) to which it gives the class that the eager model gives."""
    not_measured: Notice | None = None
    """Why there is nothing: a package that is not installed, a model that cannot be exported ..."""


class InferenceSummary(Stored):
    """The figures of the tables, from the eager profile; None: not measured."""

    latency_p50_ms: Amount | None = None
    """Median time of one image, ms."""
    latency_p90_ms: Amount | None = None
    """90th percentile of the time of one image, ms; None with fewer than ten samples."""
    latency_p99_ms: Amount | None = None
    """99th percentile of the time of one image, ms; None with fewer than a hundred samples."""
    throughput_img_s: Amount | None = None
    """Images per second at the batch size that is fastest."""
    throughput_batch: Count | None = None
    """That batch size."""
    cold_start_ms: Amount | None = None
    """The first call of all, ms."""


class Round(Stored):
    """A further round of the inference profile: the same model built anew in a new process, once the others had theirs.

    A trained model goes through it with the weights it started from; the time of a call does not depend on them.
    """

    started: str
    """When it began; UTC, ISO 8601."""
    seconds: Amount
    """Seconds from the start of its process to its end."""
    system_load: SystemLoad = SystemLoad()
    """What else the machine did meanwhile."""
    lost: Notice | None = None
    """Why the round gave nothing; None when it did."""
