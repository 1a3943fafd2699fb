"""Sentences that a run stores in English, in the language of the page: warnings of the data, reasons, phases.

They are made by `bench` with names and figures already in them, so they are known again by what stands around those.
"""

from __future__ import annotations

import re

from reports.language import Translate

__all__ = ["SENTENCES", "WORDS", "told"]

SENTENCES = (
    "{n} unreadable, left out: {name}",
    "{n} files not taken for images, such as {name}",
    "identical images carry different labels ({n} such sets), for example {names}",
    "{n} exact duplicates left out",
    "{n} pairs of duplicates lie on different sides of the split, such as {names}",
    "The largest class has {n} times as many images as the smallest",
    "The patient of each image is not known (the names carry no patient id), so images of one patient may lie on both "
    "sides of the split: scores may be optimistic for new patients.",
    "These are drawings, not cells: scores on them say nothing about how a model does on blood.",
    "Licence and citation: see the page of the data set.",
    "a duplicate of {name}",
    "the same pixels carry different labels: {names}",
    "no image (JPEG, PNG, TIFF, BMP, GIF and WebP can be read)",
    "processor: this system shows no RAPL counters (virtual machines and macOS have none)",
    "there is no energy counter for {device} devices",
    "sum of the proportional set size (PSS) of the process tree, sampled from outside",
    "sum of the resident set size (RSS, shared pages counted whole) of the process tree, sampled from outside",
    "the median of {n} samples in {rounds} rounds is not known within {share}, and the warm-up did not become steady",
    "the median of {n} samples in {rounds} rounds is not known within {share}",
    "the median of {n} samples is not known within {share}, and the warm-up did not become steady",
    "the median of {n} samples is not known within {share}",
    "the medians of {rounds} rounds lie between {low} and {high} of all samples'",
    "a batch of {n} images would take {seconds} s; measure.call_seconds is {allowed}",
    "{names} not installed: pip install {packages}",
)
"""The texts of `bench` with places for what they name; the longest come before those that they contain."""

WORDS = ("start", "data", "model", "warm-up", "compile", "train", "evaluate", "inference", "stratified", "grouped")
"""Phases of a cell and ways to split."""


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    places = (f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile("".join(places), re.DOTALL)


_PATTERNS = tuple((sentence, _pattern(sentence)) for sentence in SENTENCES)


def told(text: str, _: Translate) -> str:
    """The stored text in the page's language; as it is stored where it is none of `SENTENCES` or `WORDS`."""
    if text in WORDS:
        return _(text)
    for sentence, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return _(sentence).format(**found.groupdict())
    return text
