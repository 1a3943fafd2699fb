"""Image classifiers by name: what they are, how they are built, and what they cost.

This module and everything that it names is torch-free. Building and measuring live in ``models_zoo.builder``
and ``models_zoo.complexity``, which import torch.
"""

from __future__ import annotations

from models_zoo.errors import ModelZooError
from models_zoo.registry import check, get_spec, list_specs, suggest
from models_zoo.spec import ModelSpec
from models_zoo.weights import weights_hash

__all__ = ["ModelSpec", "ModelZooError", "check", "get_spec", "list_specs", "suggest", "weights_hash"]
