"""What was seen in a source's images, kept so that the next run need not read them again.

The key is the source's stamp (sizes, times and inodes of files, checksums of a zip's members) and the versions of
what read them. A source without a stamp is read every time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.audit.scan import ImageInfo
from bench.data.sources.base import Source
from bench.results.files import atomic_path
from bench.results.notice import Notice

__all__ = ["load_facts", "save_facts"]

_VERSION = 7


def load_facts(source: Source, folder: Path) -> list[ImageInfo] | None:
    """Return what was seen earlier in these very files, or None."""
    path = _path(source, folder)
    if path is None:
        return None
    try:
        digest, _, text = path.read_text(encoding="utf-8").partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return None
        facts = [_info(row) for row in json.loads(text)]
    except (OSError, ValueError, TypeError):
        return None
    names = [record.name for record in source.records]
    return facts if [fact.name for fact in facts] == names else None


def save_facts(source: Source, facts: Sequence[ImageInfo], folder: Path) -> None:
    """Keep what was seen. A cache that cannot be written is done without."""
    path = _path(source, folder)
    if path is None:
        return
    text = json.dumps([_row(fact) for fact in facts])
    # Only time is lost without it; the pixel cache reports where the folder is at fault.
    with contextlib.suppress(OSError), atomic_path(path, durable=False) as part:
        part.write_text(hashlib.sha256(text.encode()).hexdigest() + "\n" + text, encoding="utf-8")


_PLAIN = [field.name for field in dataclasses.fields(ImageInfo) if field.name != "notice"]


def _row(fact: ImageInfo) -> list[object]:
    notice = None if fact.notice is None else fact.notice.model_dump(mode="json")
    return [*(getattr(fact, name) for name in _PLAIN), notice]


def _info(row: list[Any]) -> ImageInfo:
    plain = dict(zip(_PLAIN, row[:-1], strict=True))
    plain["changes"] = tuple(plain["changes"])
    return ImageInfo(**plain, notice=None if row[-1] is None else Notice.model_validate(row[-1]))


def _path(source: Source, folder: Path) -> Path | None:
    if source.stamp is None:
        return None
    import PIL

    key = f"{_VERSION}\0{source.stamp}\0{PIL.__version__}"
    return folder / "facts" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
