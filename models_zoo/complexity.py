"""What a model weighs and costs: parameters, operations, and the memory that training it takes.

**Multiply-adds and FLOPs.** Papers and libraries print "GFLOPs" and mean multiply-adds (MACs). Here ``macs`` are
multiply-adds, as those figures, and ``flops`` are floating-point operations, ``2 * macs``: a multiplication and
an addition each. Both count matrix products and convolutions, attention included, and nothing elementwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from models_zoo.networks.classifier import Classifier
from models_zoo.networks.pooling import is_token_model

__all__ = [
    "Activations",
    "Flops",
    "Parameters",
    "count_flops",
    "count_layers",
    "count_parameters",
    "count_tokens",
    "measure_activations",
    "training_bytes",
    "working_bytes",
]

_STEM_PARTS = ("patch_embed", "pos_embed", "cls_token", "reg_token")
# Bytes a parameter in float32: its gradient, and the state that the optimizer keeps beside it.
_OPTIMIZER_BYTES = {"adamw": 8, "sgd": 4}
_PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Parameters:
    """Parameters by part; buffers, such as batch-norm statistics, are not counted."""

    stem: int
    """Patch projection, positions, class token and registers of a transformer; 0 for a network of stages."""
    patch_projection: int
    """The patch projection alone, a part of ``stem``; it grows with the square of the patch size."""
    backbone: int
    """The rest of the backbone: blocks or stages, norms."""
    head: int
    """The classifier."""

    @property
    def total(self) -> int:
        return self.stem + self.backbone + self.head


@dataclass(frozen=True)
class Flops:
    """Operations of one forward pass over one image."""

    macs: int
    """Multiply-adds: what papers print as FLOPs."""

    @property
    def flops(self) -> int:
        """Floating-point operations, two for each multiply-add."""
        return 2 * self.macs


@dataclass(frozen=True)
class Activations:
    """Bytes that a forward pass keeps for the backward one."""

    per_image: int
    fixed: int
    """What does not grow with the batch: under autocast, the weights' copies in the lower precision."""


def count_parameters(module: Classifier) -> Parameters:
    """Count the parameters of ``module`` by part."""
    head = _size(module.head)
    net = getattr(module.backbone, "net", module.backbone)
    stem = projection = 0
    if is_token_model(net):
        stem = sum(p.numel() for name, p in net.named_parameters() if name.startswith(_STEM_PARTS))
        projection = _size(getattr(net.patch_embed, "proj", nn.Identity()))
    return Parameters(stem, projection, _size(module.backbone) - stem, head)


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def count_flops(module: nn.Module, image_size: int) -> Flops:
    """Count one forward pass over one image, ``image_size`` pixels wide and high.

    The pass is played through with tensors that have a shape and no content, so that it costs neither arithmetic
    nor memory on any device; a network whose way depends on what it computes is run for real. torch's counter
    reads 0 for fused attention on the CPU, so the plain kernel counts here.
    """
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _count(module, image_size)
    except (DynamicOutputShapeException, DataDependentOutputException, UnsupportedFakeTensorException):
        return _count(module, image_size)


def _count(module: nn.Module, image_size: int) -> Flops:
    with (
        _evaluation(module),
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        module(_images(module, image_size, 1))
    return Flops(macs=counter.get_total_flops() // 2)


def count_tokens(module: Classifier) -> int | None:
    """Return how many tokens a plain transformer makes of an image, class token and registers included.

    None for a network of stages.
    """
    net = getattr(module.backbone, "net", module.backbone)
    patch = getattr(getattr(net, "patch_embed", None), "num_patches", None)
    if not is_token_model(net) or patch is None:
        return None
    return int(patch) + int(net.num_prefix_tokens)  # type: ignore[arg-type]


def count_layers(module: nn.Module) -> int:
    """Count the layers with weights on the way: convolutions and linear layers."""
    return sum(isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear) for layer in module.modules())


def measure_activations(module: nn.Module, image_size: int, precision: str = "fp32") -> Activations:
    """Measure what a forward pass in training keeps for the backward one, with torch's saved-tensor hooks.

    Every storage counts once, parameters and buffers not at all. Two batch sizes show what grows with the batch
    from what does not. On the CPU attention runs fused, as in training; on the meta device it does not, so that
    there the attention matrices count as well. Of a frozen backbone nothing is kept but what the head reads.

    Args:
        module: on the CPU or the meta device.
        image_size: width and height in pixels.
        precision: ``fp32``, or ``bf16`` or ``fp16`` for autocast (not on the meta device).
    """
    two, three = (_kept_bytes(module, image_size, precision, batch) for batch in (2, 3))
    return Activations(per_image=three - two, fixed=max(2 * (two - three) + two, 0))


def _kept_bytes(module: nn.Module, image_size: int, precision: str, batch_size: int) -> int:
    own = {t.untyped_storage()._cdata for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, Tensor] = {}  # holds what it counts, so that no address is given out twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept.setdefault(storage._cdata, tensor)
        return tensor

    images = _images(module, image_size, batch_size)
    with _training(module), _autocast(module, precision), saved_tensors_hooks(pack, lambda tensor: tensor):
        module(images)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def working_bytes(module: nn.Module, image_size: int, precision: str = "fp32") -> int:
    """Return the bytes for each image that the largest layer holds at once: what goes in and what comes out.

    A forward pass that keeps nothing, as of a frozen backbone, needs at least this much.
    """
    largest = 0

    def watch(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        tensors = [t for t in (*inputs, output) if isinstance(t, Tensor)]
        storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}
        largest = max(largest, sum(storages.values()))

    leaves = [layer for layer in module.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(watch) for layer in leaves]
    try:
        with _evaluation(module), torch.no_grad(), _autocast(module, precision):
            module(_images(module, image_size, 1))
    finally:
        for handle in handles:
            handle.remove()
    return largest


def training_bytes(
    parameters: int, trainable: int, activations: Activations, batch_size: int, optimizer: str = "adamw"
) -> int:
    """Estimate the memory of training, without the interpreter and its libraries.

    Weights in float32, gradients and the optimizer's state of what is trained (AdamW keeps two numbers a
    parameter, SGD with momentum one), and the activations of a batch. Mixed precision changes the activations
    alone.
    """
    states = (4 + _OPTIMIZER_BYTES[optimizer]) * trainable
    return 4 * parameters + states + activations.fixed + activations.per_image * batch_size


def _images(module: nn.Module, image_size: int, batch_size: int) -> Tensor:
    return torch.zeros(batch_size, 3, image_size, image_size, device=next(module.parameters()).device)


def _autocast(module: nn.Module, precision: str) -> AbstractContextManager[object]:
    dtype = _PRECISIONS[precision]
    return torch.autocast(next(module.parameters()).device.type, dtype) if dtype else nullcontext()


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


@contextmanager
def _training(module: nn.Module) -> Iterator[None]:
    """Train inside the block; batch-norm statistics and torch's random state are as before after it."""
    was_training = module.training
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    random_state = torch.default_generator.get_state()
    module.train()
    try:
        yield
    finally:
        torch.default_generator.set_state(random_state)
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
        module.train(was_training)
