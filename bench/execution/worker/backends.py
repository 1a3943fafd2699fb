"""Other ways to run a trained model: torch.compile, ONNX Runtime, int8 linear layers."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bench.results.notice import Notice
from bench.study.measure import Backend

__all__ = ["prepare"]

Forward = Callable[[Tensor], Tensor]


def prepare(backend: Backend, module: nn.Module, example: Tensor, device: torch.device) -> Forward | Notice:
    """Return the model in a backend, or why it cannot be had there.

    module: in evaluation mode, on the device; it is left as it is. example: two images, (2, 3, side, side).
    """
    if backend == "eager":
        return module
    if backend == "compile":
        return torch.compile(copy.deepcopy(module))
    if device.type != "cpu":
        return Notice.of("cpu_only_backend", backend=backend)
    return _int8(module) if backend == "int8" else _onnx(module, example)


def _int8(module: nn.Module) -> Forward | Notice:
    """Weights of the linear layers as int8, their inputs quantized as they come."""
    usable = [name for name in torch.backends.quantized.supported_engines if name != "none"]
    if not usable:
        return Notice.of("no_int8_engine")
    if not any(isinstance(part, nn.Linear) for part in module.modules()):
        return Notice.of("no_linear_layers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch points to another package for new code
        quantized: nn.Module = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
            copy.deepcopy(module), {nn.Linear}, dtype=torch.qint8
        )
    return quantized


def _onnx(module: nn.Module, example: Tensor) -> Forward | Notice:
    """The model exported to ONNX and run by ONNX Runtime with the threads that torch uses."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        return Notice.of("package_missing", names=", ".join(missing), command="pip install 'patchbench[onnx]'")
    ort = import_module("onnxruntime")  # optional
    batch = torch.export.Dim("batch", min=1)
    try:
        program = torch.onnx.export(
            copy.deepcopy(module), (example.contiguous(),), dynamo=True, dynamic_shapes=({0: batch},), verbose=False
        )
    except torch.onnx.OnnxExporterError as error:
        return Notice.of("onnx_export_failed", reason=str(error).splitlines()[0])
    assert program is not None
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory(prefix="patchbench-") as folder:
        path = Path(folder) / "model.onnx"
        program.save(path)
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def forward(images: Tensor) -> Tensor:
        (logits,) = session.run(None, {name: np.ascontiguousarray(images.numpy())})
        return torch.from_numpy(logits)

    return forward
