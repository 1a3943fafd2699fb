"""How a study's cells are trained: the settings, their defaults and their limits. Torch-free: the parent reads it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bench.errors import StudyError, nearest
from bench.registry import registry
from bench.study.units import parse_seconds

__all__ = ["Head", "TrainSpec"]

Head = Literal["linear", "logistic", "knn"]
Pause = Annotated[float, BeforeValidator(parse_seconds), Field(ge=0, allow_inf_nan=False)]


def _known_score(name: str) -> str:
    metrics = registry("metrics").load_all()  # imports numpy, which a study that keeps the default does without
    choices = ("loss", *(key for key, metric in metrics.items() if metric.of_matrices is not None))
    if name not in choices:
        raise ValueError(f"unknown score {name!r}; choose from {', '.join(choices)}.{nearest(name, choices)}")
    return name


class TrainSpec(BaseModel):
    """How every cell is trained: the same for every model of a study."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    epochs: int = Field(default=20, ge=1, le=100_000)
    """Passes over the training images."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | Literal["auto"] = 32
    """The effective batch: images per step of the optimizer. ``auto``: the largest power of two that fits in memory for
    every cell of the study; it is found once, before the first cell, and written to the run's study.yaml."""
    micro_batch: int | None = Field(default=None, ge=1, le=65_536)
    """Images passed through the model at once, where that is less than the effective batch: their gradients add up.
    Batch normalization sees the smaller batch."""
    inference_batch: int | None = Field(default=None, ge=1, le=65_536)
    """Images at once where nothing learns; null: what is fast, by the size of an image on a CPU and at least 256
    elsewhere."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """The optimizer."""
    lr: float = Field(default=1e-3, gt=0, le=100, allow_inf_nan=False)
    """The highest learning rate, reached after the warm-up."""
    head_lr: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    """The same for the new head alone; null: ``lr``."""
    layer_decay: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    """Each layer below the head learns at this fraction of the rate of the layer above it; null: all at the same."""
    weight_decay: float = Field(default=0.01, ge=0, le=10, allow_inf_nan=False)
    """Not applied to biases and normalization weights."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """For sgd."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_epochs: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Linear rise of the learning rate over this many epochs, at most half of all."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Share of a label (0 to 1) that is spread over all classes."""
    augment: Literal["none", "light", "full"] = "none"
    """``light``: flips, quarter turns and small shifts; ``full``: also brightness, contrast and color."""
    mixup: float = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    """Blend pairs of training images: alpha of the beta distribution that the share is sampled from; 0: off."""
    cutmix: float = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    """Paste a rectangle of one image into another, by the same rule; with mixup too, each batch gets one of the two."""
    balance: Literal["none", "weights", "sampling"] = "none"
    """Rare classes count as much as common ones: by ``weights`` in the loss, or by ``sampling`` their images more often
    (an epoch then draws as many images as there are, with repeats)."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Validate and test a moving average of the weights that keeps this share of itself at each step."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after this many epochs without a better validation score; null: never."""
    views: int = Field(default=1, ge=1, le=64)
    """Regime frozen with cached features and augmentation: how many augmented copies of each image are passed through
    the backbone; the epochs take turns."""
    cache_features: bool = True
    """Regime frozen: pass each image through the backbone once and train the head on the stored features.
    ``false`` passes it again in every epoch; the outcome is the same within rounding. Mixing images turns it off."""
    head: Head = "linear"
    """Regime frozen: what learns from the features. ``linear``: the shared loop; ``logistic``: multinomial logistic
    regression, solved to its optimum; ``knn``: votes of the nearest training images. Other regimes train the linear."""
    standardize: bool = False
    """Regime frozen with cached features: train the linear head on features of mean 0 and deviation 1 over the training
    images, which it learns from faster and better; the finished head takes them as they are."""
    tune_head: bool = False
    """Regime frozen with cached features: try a small grid of learning rates and weight decays for the linear head, and
    keep the one with the best validation score."""
    clip_norm: float | None = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Largest norm of the gradient; null: no clipping."""
    select: Annotated[str, AfterValidator(_known_score)] = "accuracy"
    """The validation score that picks the epoch whose weights are tested; a tie goes to the lower loss. Either ``loss``
    or a metric that a confusion matrix gives: ``accuracy``, ``balanced_accuracy``, ``kappa``, ``macro_f1``, or one of
    an installed package."""
    compile: bool = False
    """Compile the model with torch.compile; what that takes is timed apart."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    """Threads of the CPU for torch; null: as many as the affinity and a CPU quota allow, or OMP_NUM_THREADS where that
    is less."""
    workers: int | None = Field(default=None, ge=0, le=64)
    """Threads that read and augment the next batches meanwhile; null: on a CPU one for eight of its threads,
    none below that, and 4 elsewhere or fewer where there are fewer cores."""
    checkpoint: Pause | None = 60.0
    """At the end of an epoch, store all that is needed to resume from there after a kill, unless less time than this
    has gone by since the last time; 0: after every epoch; null: never."""

    @model_validator(mode="after")
    def _views_need_augmentation(self) -> Self:
        if self.views > 1 and self.augment == "none":
            raise ValueError("views: more than one view of an image needs augmentation (augment: light)")
        return self

    @model_validator(mode="after")
    def _heads_need_features(self) -> Self:
        wishes = {
            "tune_head": self.tune_head,
            "standardize": self.standardize,
            f"head: {self.head}": self.head != "linear",
        }
        needy = next((wish for wish, there in wishes.items() if there), None)
        if needy and (not self.cache_features or self.mixes):
            raise ValueError(f"{needy} learns from cached features: leave cache_features on, mixup and cutmix at 0")
        if self.tune_head and self.head != "linear":
            raise ValueError(f"tune_head is for the linear head; head: {self.head} always searches its own setting")
        return self

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> Self:
        if self.micro_batch is not None and self.batch_size != "auto" and self.micro_batch > self.batch_size:
            raise ValueError(f"micro_batch: {self.micro_batch} is more than the batch_size of {self.batch_size}")
        return self

    @property
    def mixes(self) -> bool:
        """Whether images are blended with each other."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def step_images(self) -> int:
        """Images per step of the optimizer; `StudyError` while ``auto`` has not been replaced by what was found."""
        if self.batch_size == "auto":
            raise StudyError("train.batch_size is still auto: run the study, which finds it before its first cell.")
        return self.batch_size
