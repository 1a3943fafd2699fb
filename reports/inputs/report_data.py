"""What a report is made from: the entries of one run, or of several that hold the same test images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from bench.results.dataset import DatasetManifest
from bench.results.environment import Environment
from bench.results.run import Run
from bench.study.schema import PublishedRow, Study
from reports.inputs.entry import Entry

__all__ = ["DETAILED", "ReportData", "detailed"]

DETAILED = 40
"""At most this many cells get matrices, curves and images of their own; the leaderboard has them all."""


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the page is made from."""

    runs: tuple[Run, ...]
    run_names: tuple[str, ...]
    studies: tuple[Study, ...]
    environments: tuple[Environment, ...]
    """One a run; without any fact where none is stored."""
    dataset: DatasetManifest
    entries: tuple[Entry, ...]
    """In the order of the plans."""

    @property
    def study(self) -> Study:
        """The study of the first run."""
        return self.studies[0]

    @property
    def name(self) -> str:
        """The study's name; names of several differing studies are joined."""
        return " + ".join(dict.fromkeys(study.name for study in self.studies))

    @cached_property
    def ok(self) -> list[Entry]:
        """Entries with scores, best accuracy first; of equals the first planned goes first."""
        found = [entry for entry in self.entries if entry.is_ok]
        return sorted(found, key=lambda e: 1.0 if e.accuracy is None else -e.accuracy)

    @cached_property
    def leading(self) -> list[Entry]:
        """Of `ok` the first seed of each configuration in each run, in the same order."""
        first: dict[tuple[str, ...], Entry] = {}
        for entry in sorted(self.ok, key=lambda e: e.seed):
            first.setdefault((*entry.configuration, entry.run_name), entry)
        chosen = set(map(id, first.values()))
        return [entry for entry in self.ok if id(entry) in chosen]

    @property
    def not_ok(self) -> list[Entry]:
        """Entries without scores, in the order of the plan."""
        return [entry for entry in self.entries if not entry.is_ok]

    @property
    def classes(self) -> list[str]:
        """The names of the classes in their order."""
        return self.dataset.classes

    @cached_property
    def test_images(self) -> int | None:
        """How many images the scores are computed on; None where no cell has scores."""
        for entry in self.ok:
            if entry.result and entry.result.confusion:
                return sum(map(sum, entry.result.confusion))
        return None

    @property
    def is_synthetic(self) -> bool:
        """Whether the images were made by a program."""
        return self.dataset.synthetic

    @cached_property
    def published(self) -> list[PublishedRow]:
        """Rows that others reported, each once."""
        rows = [row for study in self.studies for row in study.published]
        return [row for index, row in enumerate(rows) if row not in rows[:index]]

    @cached_property
    def thumbnails(self) -> dict[str, bytes]:
        """Small JPEG images of the test set by name."""
        found: dict[str, bytes] = {}
        for run in self.runs:
            found |= {name: jpeg for name, jpeg in run.thumbnails().items() if name not in found}
        return found

    def title(self, entry: Entry) -> str:
        """The shortest name that distinguishes an entry's configuration: label, and what varies beside it."""
        varied = (getattr(entry, key) for key in ("regime", "device", "precision") if self.same_everywhere(key) is None)
        run = [entry.run_name] if len(self.runs) > 1 else []
        return " · ".join([entry.label, *(value for value in varied if value), *run])

    def same_everywhere(self, attribute: str) -> str | None:
        """The value of an entry's attribute where all entries share it, else None."""
        values = {getattr(entry, attribute) for entry in self.entries}
        return str(values.pop()) if len(values) == 1 else None


def detailed(data: ReportData) -> list[Entry]:
    """The cells that are shown one by one: the first seed of each configuration before the others."""
    leading = set(map(id, data.leading))
    shown = [entry for entry in data.ok if entry.history or (entry.result and entry.result.confusion)]
    chosen = sorted(shown, key=lambda e: id(e) not in leading)[:DETAILED]
    return [entry for entry in data.ok if entry in chosen]
