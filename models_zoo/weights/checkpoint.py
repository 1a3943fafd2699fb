"""Weight files: read without running a line of them, unwrapped, in float32, and held against a network."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from models_zoo.errors import ModelZooError

__all__ = ["fill", "lift_to_float32", "read_checkpoint", "without_classifier", "without_prefixes"]

State = dict[str, Tensor]

# Boxes that training scripts wrap a state dict in, the averaged weights first.
_AVERAGED = ("state_dict_ema", "model_ema", "ema", "ema_state_dict")
_BOXES = (
    *_AVERAGED,
    *("state_dict", "model", "model_state_dict", "model_state", "module", "net", "network", "teacher", "weights"),
)
_PREFIXES = ("module.", "_orig_mod.", "backbone.net.", "backbone.", "model.", "net.", "network.", "encoder.")
# Left over from pretraining, used by no network here.
_IGNORABLE = ("mask_token", "AuxLogits.", "aux1.", "aux2.")
_SHOWN = 8
_EXPANSION = 4
"""Weights themselves hardly compress."""
_FOREIGN = 0.1
"""Share of tensors beside the network: few, or it is another kind of file."""


class Checkpoint(NamedTuple):
    """What a weights file holds."""

    state: State
    """The tensors by name, on the CPU."""
    metadata: dict[str, str]
    """The file's own notes (safetensors metadata)."""
    notes: list[str]
    """What a reader has to know: which of several states was taken."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a safetensors file or a pickled state dict.

    Pickles are read with ``weights_only=True`` alone, so that none of their code runs.

    Raises:
        ModelZooError: for a file that is damaged, holds more than tensors, or holds none.
    """
    if _is_safetensors(path):
        return _read_safetensors(path)
    _refuse_packed(path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive", category=UserWarning)  # it is refused
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # struct.error, IndexError ...: torch's readers check little
        if "TorchScript" in str(error):
            raise _refused(path, "GLOBAL TorchScript") from error
        raise _damaged(path, error) from error
    state, notes = _unwrap(path, content)
    return Checkpoint(state, {}, notes)


def _is_safetensors(path: Path) -> bool:
    """By its suffix or its first bytes (a length, then JSON), for files are renamed."""
    if path.suffix.lower() == ".safetensors":
        return True
    try:
        with path.open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError as error:
        raise _damaged(path, error) from error


def _refused(path: Path, text: str) -> ModelZooError:
    """The error for what torch did not let through, by the name that its long message holds."""
    met = re.search(r"GLOBAL ([\w.]+)", text)
    if met is None:
        return _damaged(path, ValueError("no pickle of tensors"))
    return ModelZooError(
        f"the weights file {path.name!r} holds more than tensors ({met[1]}), and reading it could run code: refused. "
        "Save its state dict alone: torch.save(model.state_dict(), FILE), or as safetensors."
    )


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    state, notes = _unwrap(path, state)
    return Checkpoint(state, metadata, notes)


def _damaged(path: Path, error: BaseException) -> ModelZooError:
    return ModelZooError(
        f"the weights file {path.name!r} cannot be read: it is damaged, cut short or no weights file "
        f"({_first_line(error)}). Copy or download it again."
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


def _unwrap(path: Path, content: object) -> tuple[State, list[str]]:
    """Take a state dict out of the boxes that training scripts put around it; tell which where there are several."""
    notes = []
    for _ in range(4):
        boxes = _boxes(content)
        if not isinstance(content, dict) or not boxes:
            break
        if len(boxes) > 1 and boxes[0] in _AVERAGED:
            others = " and ".join(boxes[1:])
            notes.append(f"the averaged weights of the file were taken ({boxes[0]}), not those beside them ({others})")
        elif len(boxes) > 1:
            notes.append(f"of several sets of weights in the file, {boxes[0]} was taken, not {' and '.join(boxes[1:])}")
        content = content[boxes[0]]
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not state:
        if isinstance(content, dict) and (sets := [str(key) for key, value in content.items() if _is_state(value)]):
            raise ModelZooError(
                f"the weights file {path.name!r} holds several sets of weights ({', '.join(sets[:_SHOWN])}), and "
                "nothing tells which is the model's. Save that one alone: torch.save(content[NAME], FILE)."
            )
        raise ModelZooError(f"the weights file {path.name!r} holds no tensors by name; a state dict is wanted.")
    odd = next((key for key, value in state.items() if value.layout != torch.strided or value.is_quantized), None)
    if odd is not None:
        raise ModelZooError(
            f"the weights file {path.name!r} holds sparse or quantized tensors ({odd}). Save plain ones: "
            "tensor.to_dense() or tensor.dequantize()."
        )
    sizes, held = [value.numel() * value.element_size() for value in state.values()], path.stat().st_size
    if max(sizes) > held:  # a view that repeats its numbers; made whole, it could fill the memory
        raise _damaged(path, ValueError(f"a tensor claims {max(sizes):,} bytes, more than the file has"))
    if sum(sizes) > _EXPANSION * held:  # many views of one storage
        raise _damaged(path, ValueError(f"its tensors claim {sum(sizes):,} bytes, the file has {held:,}"))
    return state, notes


def without_prefixes(state: State, own: Collection[str]) -> tuple[State, list[str]]:
    """Take off the prefixes that wrappers put before the names, until the names are those of ``own``.

    Args:
        state: tensors by name.
        own: the network's own names; a user's network may itself have a ``backbone.`` or a ``model.``.

    Returns:
        The tensors, and the names of those that lay outside of a prefix: a loss with weights of its own, a metric.
    """
    foreign: list[str] = []
    for _ in range(3):
        prefix = next((p for p in _PREFIXES if _is_common(state, p, own)), None)
        if prefix is None or any(key in own for key in state):
            break
        foreign += [key for key in state if not key.startswith((prefix, "head."))]
        state = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    return state, foreign


def _boxes(content: object) -> list[str]:
    """The boxes that hold tensors; the only one of an unknown name, where none is known and none lies beside it."""
    if not isinstance(content, dict):
        return []
    known = [box for box in _BOXES if _is_box(content.get(box))]
    if known or any(isinstance(value, Tensor) for value in content.values()):
        return known
    unknown = [str(key) for key, value in content.items() if _is_state(value)]
    return unknown if len(unknown) == 1 else []


def _is_box(value: object) -> bool:
    return isinstance(value, dict) and (_is_state(value) or any(map(_is_state, value.values())))


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(inner, Tensor) for inner in value.values())


def _is_common(state: Mapping[str, Tensor], prefix: str, own: Collection[str]) -> bool:
    """Whether nearly every key starts with ``prefix``, but for a head beside a backbone, or those that do suffice."""
    inner = {key[len(prefix) :] for key in state if key.startswith(prefix)}
    others = sum(not key.startswith((prefix, "head.")) for key in state)
    return bool(inner) and (others <= _FOREIGN * len(state) or len(inner & set(own)) >= (1 - _FOREIGN) * len(own))


def _refuse_packed(path: Path) -> None:
    """Refuse a compressed file that unpacks to far more than it has, before torch unpacks it: it stores, and never
    compresses."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        size = path.stat().st_size
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # an old pickle, or what torch finds fault with
    if unpacked > _EXPANSION * size + 2**20:
        raise _damaged(path, ValueError(f"it is compressed: {size:,} bytes would unpack to {unpacked:,}"))


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
        ModelZooError: listing what is missing, unexpected, of another shape, no real numbers (quantized or complex
            weights), or not finite, and what to do.
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
    kinds = [
        f"{key} {_kind(state[key])} in the file, {_kind(own[key])} in the model"
        for key in own
        if key in state and _kind(state[key]) != _kind(own[key])
    ]
    broken = [key for key in own if key in state and not bool(torch.isfinite(state[key]).all())]
    if not (missing or unexpected or shapes or kinds or broken):
        module.load_state_dict(state, strict=False)
        return
    parts = [
        f"{len(found)} {what}: {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"
        for what, found in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of another shape", shapes),
            ("of another kind of number", kinds),
            ("with values that are infinite or not a number", broken),
        )
        if found
    ]
    raise ModelZooError(
        f"the weights {source} do not fit the model {model!r} ({len(own)} tensors in the model, {len(state)} in the "
        f"file). {'; '.join(parts)}. Use the model that the file was saved from (timm:NAME or torchvision:NAME), or "
        "a file for this model; the classifier alone may differ."
    )


def _size(tensor: Tensor) -> str:
    return "x".join(str(n) for n in tensor.shape) or "scalar"


def _kind(tensor: Tensor) -> str:
    return "float" if tensor.is_floating_point() else "complex" if tensor.is_complex() else "integer"
