"""What was seen in a source's images, kept so that the next run need not look again.

The key is the source's stamp (sizes and times of a folder's files, checksums of a zip's members) and the versions of
what did the looking. A source without a stamp is looked at every time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from bench.data.audit.scan import ImageInfo
from bench.data.sources.base import Source
from bench.results.files import atomic_path

__all__ = ["load_facts", "save_facts"]

_VERSION = 4


def load_facts(source: Source, folder: Path) -> list[ImageInfo] | None:
    """Return what was seen earlier in these very files, or None."""
    path = _path(source, folder)
    if path is None:
        return None
    try:
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return None
        facts = [ImageInfo(*row) for row in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return None
    names = [record.name for record in source.records]
    return facts if [fact.name for fact in facts] == names else None


def save_facts(source: Source, facts: Sequence[ImageInfo], folder: Path) -> None:
    """Keep what was seen. A cache that cannot be written is done without."""
    path = _path(source, folder)
    if path is None:
        return
    fields = [field.name for field in dataclasses.fields(ImageInfo)]
    text = json.dumps([[getattr(fact, field) for field in fields] for fact in facts])
    # Only time is lost without it; the pixel cache tells the user where the folder is at fault.
    with contextlib.suppress(OSError), atomic_path(path, durable=False) as part:
        part.write_text(hashlib.sha256(text.encode()).hexdigest() + "\n" + text, encoding="utf-8")


def _path(source: Source, folder: Path) -> Path | None:
    if source.stamp is None:
        return None
    import PIL

    key = f"{_VERSION}\0{source.stamp}\0{PIL.__version__}"
    return folder / "facts" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
