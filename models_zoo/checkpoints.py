"""Weight files: read without running a line of them, unwrapped, in float32, and held against a network."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models_zoo.errors import ModelZooError

__all__ = ["fill", "lift_to_float32", "read_checkpoint", "without_classifier"]

State = dict[str, Tensor]

# What a damaged or hostile file makes torch.load raise, beside the refusal of weights_only itself.
_READ_ERRORS = (
    RuntimeError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    OSError,
)
# Boxes that training scripts wrap a state dict in, the averaged weights first.
_BOXES = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "module", "teacher", "weights")
_PREFIXES = ("module.", "_orig_mod.", "backbone.net.", "backbone.", "model.", "net.", "encoder.")
# Left over from pretraining, used by no network here.
_IGNORABLE = ("mask_token", "AuxLogits.", "aux1.", "aux2.")
_SHOWN = 8


def read_checkpoint(path: Path) -> tuple[State, dict[str, str]]:
    """Read a safetensors file or a pickled state dict.

    Pickles are read with ``weights_only=True`` alone, so that none of their code runs.

    Returns:
        The tensors by name, on the CPU, and the file's own notes (safetensors metadata).

    Raises:
        ModelZooError: for a file that is damaged, holds more than tensors, or holds none.
    """
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelZooError(
            f"the weights file {path.name!r} holds more than tensors, and reading it could run code: refused "
            f"({_first_line(error)}). Save its state dict alone: torch.save(model.state_dict(), FILE), or as "
            "safetensors."
        ) from error
    except _READ_ERRORS as error:
        raise _damaged(path, error) from error
    return _unwrap(path, content), {}


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    return _unwrap(path, state), metadata


def _damaged(path: Path, error: BaseException) -> ModelZooError:
    return ModelZooError(
        f"the weights file {path.name!r} cannot be read: it is damaged, cut short or no weights file "
        f"({_first_line(error)}). Copy or download it again."
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


def _unwrap(path: Path, content: object) -> State:
    """Take a state dict out of the boxes and prefixes that training scripts put around it."""
    for _ in range(4):
        inner = next((content[box] for box in _BOXES if isinstance(content, dict) and _is_dict(content, box)), None)
        if inner is None:
            break
        content = inner
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not state:
        raise ModelZooError(f"the weights file {path.name!r} holds no tensors by name; a state dict is wanted.")
    for _ in range(3):
        prefix = next((p for p in _PREFIXES if _is_common(state, p)), None)
        if prefix is None:
            break
        state = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    return state


def _is_dict(content: dict[object, object], box: str) -> bool:
    return isinstance(content.get(box), dict)


def _is_common(state: Mapping[str, Tensor], prefix: str) -> bool:
    """Tell whether every key starts with ``prefix``, but for a head beside a backbone."""
    others = [key for key in state if not key.startswith(prefix)]
    return len(others) < len(state) and all(key.startswith("head.") for key in others)


def lift_to_float32(state: State) -> tuple[State, list[str]]:
    """Take all floating tensors up (or down) to float32; return them and the names of the other dtypes met."""
    dtypes = {str(v.dtype).removeprefix("torch.") for v in state.values() if v.is_floating_point()}
    lifted = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    return lifted, sorted(dtypes - {"float32"})


def without_classifier(state: State, classifier: Iterable[str]) -> tuple[State, list[str]]:
    """Drop a checkpoint's own classifier and leftovers of pretraining; return the rest and the dropped names."""
    prefixes = (*(f"{name}." for name in classifier), *_IGNORABLE)
    dropped = [key for key in state if key.startswith(prefixes)]
    return {key: value for key, value in state.items() if key not in set(dropped)}, dropped


def fill(module: nn.Module, state: State, *, source: str, model: str) -> None:
    """Load ``state`` into ``module``, whole or not at all.

    Raises:
        ModelZooError: listing what is missing, unexpected, or of another shape, and what to do.
    """
    own = module.state_dict()
    # A count of batches seen, absent from old files; it matters for no result here.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} {_size(state[key])} in the file, {_size(own[key])} in the model"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if not (missing or unexpected or shapes):
        module.load_state_dict(state, strict=False)
        return
    parts = [
        f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"
        for what, found in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if found
    ]
    raise ModelZooError(
        f"the weights {source} do not fit the model {model!r} ({len(own)} tensors in the model, {len(state)} in the "
        f"file). {'; '.join(parts)}. Use the model that the file was saved from (timm:NAME or torchvision:NAME), or "
        "a file for this model; the classifier alone may differ."
    )


def _size(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "scalar"
