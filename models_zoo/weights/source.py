"""What ``weights`` may say, and the hash that makes a file part of a cell's identity; torch-free."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models_zoo.errors import ModelZooError

__all__ = ["WEIGHT_SUFFIXES", "WeightsSource", "parse_weights", "weights_hash"]

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".pth.tar")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")
_FORMS = (
    "none (random), default (the library's own pretrained ones), hub:OWNER/REPOSITORY[@REVISION] on the "
    f"Hugging Face hub, or the path of a file ({', '.join(WEIGHT_SUFFIXES)})"
)


@dataclass(frozen=True)
class WeightsSource:
    """Where weights come from.

    ``path`` is set for a file, ``hub`` (with its ``revision``) for a repository of the Hugging Face hub.
    """

    kind: Literal["none", "default", "hub", "file"]
    path: Path | None = None
    hub: str = ""
    revision: str | None = None


def parse_weights(weights: str | Path) -> WeightsSource:
    """Read a study's ``weights`` and check that a file that it names is there.

    Raises:
        ModelZooError: for a word that is none of the forms, or a file that is missing or of another kind.
    """
    text = str(weights).strip()
    if text == "none":
        return WeightsSource("none")
    if text == "default":
        return WeightsSource("default")
    if text.startswith("hub:"):
        if not _HUB_ID.fullmatch(text[4:]):
            raise ModelZooError(f"weights {text!r} name no repository: write hub:OWNER/REPOSITORY[@REVISION].")
        repository, _, revision = text[4:].partition("@")
        return WeightsSource("hub", hub=repository, revision=revision or None)
    path = Path(text).expanduser()
    if text and path.is_dir():
        raise ModelZooError(
            f"weights {text!r} is a folder. Name the file in it that holds the weights ({', '.join(WEIGHT_SUFFIXES)})."
        )
    if not text or not path.name.lower().endswith(WEIGHT_SUFFIXES):
        raise ModelZooError(f"weights {text!r} are not understood. Allowed: {_FORMS}.")
    if not path.is_file():
        raise ModelZooError(f"weights file {text!r} not found (looked for {path.absolute()}). Allowed: {_FORMS}.")
    return WeightsSource("file", path=path)


def weights_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        ModelZooError: for a file that cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelZooError(f"the weights file {str(path)!r} cannot be read: {error.strerror}.") from error
