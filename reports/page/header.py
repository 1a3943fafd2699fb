"""The head of the page: what was compared, and on what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from bench.results.dataset import Split
from reports.inputs.report_data import ReportData
from reports.text.i18n import Translator

__all__ = ["facts"]


def facts(data: ReportData, _: Translator) -> list[tuple[str, str]]:
    """Pairs of a name and a text: models, regimes, devices, seeds, cells, data, split, training."""
    entries = data.entries
    models = list(dict.fromkeys(entry.label for entry in entries))
    seeds = sorted({entry.seed for entry in entries})
    return [
        (_("Models"), f"{len(models)}: {_short(models)}"),
        (_("Setting"), _setting(data, _)),
        (_("Cells"), _("{ok} with scores of {all}").format(ok=len(data.ok), all=len(entries))),
        (_("Seeds"), ", ".join(map(str, seeds)) or "–"),
        (_("Data"), _data(data, _)),
        (_("Classes"), f"{len(data.classes)}: {_short(data.classes)}"),
        (_("Training"), _training(data, _)),
    ]


def _short(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" … (+{len(names) - most})" if len(names) > most else "")


def _setting(data: ReportData, _: Translator) -> str:
    found = (dict.fromkeys(getattr(e, key) for e in data.entries) for key in ("regime", "device", "precision"))
    return " · ".join(" + ".join(value for value in values if value) for values in found)


def _data(data: ReportData, _: Translator) -> str:
    dataset = data.dataset
    counts = Counter(dataset.splits)
    text = ", ".join(f"{counts[split]} {_(split)}" for split in get_args(Split))
    synthetic = f" ({_('synthetic')})" if data.is_synthetic else ""
    return f"{dataset.card.name or dataset.source}{synthetic}: {text}"


def _training(data: ReportData, _: Translator) -> str:
    train = data.study.train
    epochs = _.ngettext("{n} epoch", "{n} epochs", train.epochs).format(n=train.epochs)
    batch = _("batch {n}").format(n=train.batch_size)
    return f"{epochs}, {batch}, {train.optimizer}, lr {train.lr:g}"
