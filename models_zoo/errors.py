"""The one error of ``models_zoo``.

ModelZooError   shown to the user as one message, without a traceback: what was wrong, what is allowed, what to do
"""

from __future__ import annotations

__all__ = ["ModelZooError"]


class ModelZooError(Exception):
    """A model is unknown, cannot take the asked image size, or its weights cannot be had or do not fit it."""
