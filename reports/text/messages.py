"""Sentences that a run stores in English, in the language of the page: warnings of the data, reasons, phases.

They are made by `bench` with names and figures already in them, so they are known again by what stands around those.
"""

from __future__ import annotations

import re

from reports.text.i18n import Translate

__all__ = ["SENTENCES", "WORDS", "told"]

_OF_FILES = (
    "the file is empty",
    "no image (JPEG, PNG, TIFF, BMP, GIF and WebP can be read)",
    "claims more than {n} pixels; refused",
    "claims {width} x {height} pixels, more than {n}; refused",
    "damaged or cut short ({why})",
    "it has no label: the file name begins with no known prefix",
    "its name is not valid UTF-8",
    "its name does not end like an image's",
    "it lies in a hidden folder",
    "it lies in no class folder",
    "a link to a folder that is listed already",
    "a broken link",
    "not a regular file",
)
"""Why a file is no image of the data set; such a reason also stands behind a file's name in other sentences."""

SENTENCES = (
    "{n} unreadable, left out: {file}",
    "{n} files not taken for images, such as {file}",
    "identical images carry different labels ({n} such sets), for example {names}",
    "{n} exact duplicates left out",
    "{n} pairs of duplicates lie on different sides of the split, such as {names}",
    "The largest class has {n} times as many images as the smallest",
    "The patient of each image is not known (the names carry no patient id), so images of one patient may lie on both "
    "sides of the split: scores may be optimistic for new patients.",
    "These are drawings, not cells: scores on them say nothing about how a model does on blood.",
    "License and citation: see the page of the data set.",
    "a duplicate of {name}",
    "the same pixels carry different labels: {names}",
    "not in the split file",
    *_OF_FILES,
    "CPU: this system shows no RAPL counters (virtual machines and macOS have none)",
    "CPU: its RAPL counters cannot be read ({why})",
    "reading them takes the rights of root, or zeus with its daemon ({why})",
    "zeus is not installed",
    "zeus does not know {device}",
    "no NVIDIA driver answers ({why})",
    "the driver does not know {device} ({why})",
    "there is no energy counter for {device} devices",
    "it was over before a counter could be read twice",
    "a counter could not be read to the end: {why}",
    "sum of the proportional set size (PSS) of the process tree, sampled from outside",
    "sum of the resident set size (RSS, shared pages counted whole) of the process tree, sampled from outside",
    "the median of {n} samples in {rounds} rounds is not known within {share}, and the warm-up did not become steady",
    "the median of {n} samples in {rounds} rounds is not known within {share}",
    "the median of {n} samples is not known within {share}, and the warm-up did not become steady",
    "the median of {n} samples is not known within {share}",
    "the medians of {rounds} rounds lie between {low} and {high} of all samples'",
    "the time allowed {n} {samples} only",
    "a batch of {n} images would take {seconds} s; measure.call_seconds is {allowed}",
    "a batch of {n} images does not fit in memory",
    "{backend} is measured on the CPU only",
    "the model has no linear layers to quantize",
    "this build of torch has no engine for int8",
    "torch cannot export the model to ONNX: {why}",
    "{names} not installed: pip install {packages}",
)
"""The texts of `bench` with places for what they name; the longest come before those that they contain."""

WORDS = (
    *("start", "data", "model", "warm-up", "compile", "train", "evaluate", "inference"),
    *("stratified", "grouped", "sample", "samples"),
)
"""Phases of a cell, ways to split, and words that sentences are made with."""


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    places = (f"(?P<{part}>.+)" if index % 2 else re.escape(part) for index, part in enumerate(parts))
    return re.compile("".join(places), re.DOTALL)


def _unnamed(sentence: str) -> str:
    return ".+".join(re.escape(part) for part in re.split(r"\{\w+\}", sentence))


_PATTERNS = tuple((sentence, _pattern(sentence)) for sentence in SENTENCES)
_REASONS = "|".join(_unnamed(sentence) for sentence in _OF_FILES)
_FILE = re.compile(rf"(?P<name>.+?)(?: \((?P<why>{_REASONS})\))?(?: and (?P<more>\d+) more)?", re.DOTALL)


def told(text: str, _: Translate) -> str:
    """The stored text in the page's language, each part between semicolons for itself where they are sentences.

    What is none of `SENTENCES` is looked up as it is, and stays as it is stored where no translation is known.
    """
    stored = text.split("; ")
    known = [_sentence(part, _) for part in stored]
    whole = _sentence(text, _)
    if all(known) or (whole is None and any(known)):
        return "; ".join(found or part for found, part in zip(known, stored, strict=True))
    return whole or _(text)


def _sentence(text: str, _: Translate) -> str | None:
    """One of `SENTENCES`, with what stands in its places; None for another text."""
    if text.startswith("GPU: "):
        return "GPU: " + told(text.removeprefix("GPU: "), _)
    for sentence, pattern in _PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            return _(sentence).format(**{place: _placed(place, part, _) for place, part in found.groupdict().items()})
    return None


def _placed(place: str, text: str, _: Translate) -> str:
    """Names and figures as they are, reasons and words in the page's language."""
    if place == "file":
        return _file(text, _)
    if place == "names" and text.count(" and ") == 1:  # else it may be part of a name
        first, last = text.split(" and ")
        return _("{first} and {last}").format(first=first, last=last)
    return told(text, _) if place in ("why", "samples") else text


def _file(text: str, _: Translate) -> str:
    """A file's name, the reason behind it, and how many more there are."""
    found = _FILE.fullmatch(text)
    if found is None:
        return text
    why = f" ({told(found['why'], _)})" if found["why"] else ""
    more = " " + _("and {n} more").format(n=found["more"]) if found["more"] else ""
    return found["name"] + why + more
