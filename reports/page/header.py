"""The head of the page: what was compared, and on what."""

from __future__ import annotations

from collections.abc import Sequence

from reports.inputs.report_data import ReportData
from reports.text.i18n import Translate

__all__ = ["facts"]


def facts(gathered: ReportData, _: Translate) -> list[tuple[str, str]]:
    """Pairs of a name and a text: models, regimes, devices, seeds, cells, data, split, training."""
    entries = gathered.entries
    models = list(dict.fromkeys(entry.label for entry in entries))
    seeds = sorted({entry.seed for entry in entries if entry.seed is not None})
    return [
        (_("Models"), f"{len(models)}: {_short(models)}"),
        (_("Setting"), _setting(gathered, _)),
        (_("Cells"), _("{ok} with scores of {all}").format(ok=len(gathered.ok), all=len(entries))),
        (_("Seeds"), ", ".join(map(str, seeds)) or "–"),
        (_("Data"), _data(gathered, _)),
        (_("Classes"), f"{len(gathered.classes)}: {_short(gathered.classes)}"),
        (_("Training"), _training(gathered, _)),
    ]


def _short(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" … (+{len(names) - most})" if len(names) > most else "")


def _setting(gathered: ReportData, _: Translate) -> str:
    found = (dict.fromkeys(getattr(e, key) for e in gathered.entries) for key in ("regime", "device", "precision"))
    return " · ".join(" + ".join(value for value in values if value) for values in found)


def _data(gathered: ReportData, _: Translate) -> str:
    card = gathered.dataset.get("card") or {}
    name = str(card.get("name") or gathered.dataset.get("source") or "?")
    splits = gathered.dataset.get("splits") or []
    counts = [(_(side), splits.count(side)) for side in ("train", "validation", "test")]
    text = ", ".join(f"{count} {side}" for side, count in counts)
    synthetic = f" ({_('synthetic')})" if gathered.is_synthetic else ""
    return f"{name}{synthetic}: {text}" if splits else f"{name}{synthetic}"


def _training(gathered: ReportData, _: Translate) -> str:
    train = gathered.study.get("train") or {}
    parts = [
        _("{n} epochs").format(n=train["epochs"]) if "epochs" in train else "",
        _("batch {n}").format(n=train["batch_size"]) if "batch_size" in train else "",
        str(train.get("optimizer") or ""),
        f"lr {train['lr']:g}" if isinstance(train.get("lr"), int | float) else "",
    ]
    return ", ".join(part for part in parts if part) or "–"
