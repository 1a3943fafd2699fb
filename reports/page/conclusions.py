"""The verdict: sentences made from the tests, which name no winner that the tests do not separate."""

from __future__ import annotations

from collections.abc import Sequence

from reports.inputs.entry import Entry
from reports.inputs.report_data import ReportData
from reports.inputs.significance import ALPHA, Significance
from reports.sections.devices import device_pairs
from reports.text.formatting import duration, percent, points
from reports.text.i18n import Translator

__all__ = ["verdict"]


def verdict(data: ReportData, significance: Significance, _: Translator) -> list[str]:
    """Return the sentences, the most important first."""
    if not data.ok:
        return [_("No cell ended with scores, so nothing can be compared yet. The leaderboard says why.")]
    sentences = (
        _best(data, significance, _),
        _below(data, significance, _),
        _seeds(data, significance, _),
        _incomplete(data, _),
        _families(data, significance, _),
        _cheapest(data, significance, _),
        _speedup(data, _),
    )
    return [sentence for sentence in sentences if sentence]


def _best(data: ReportData, significance: Significance, _: Translator) -> str:
    """The winner where the tests name one, otherwise who is tied for the first place."""
    order = [significance.by_key[key] for key in significance.groups.order]
    if len(order) < 2:
        return _alone(data, significance, _)
    best = order[0]
    values = {"model": data.title(best), "accuracy": _with_interval(best, significance, _), "n": data.test_images}
    if significance.groups.winner:
        text = _(
            "{model} is the most accurate: {accuracy} of {n} test images, and the paired tests separate it from each "
            "of the {others} others."
        )
        return text.format(**values, others=len(order) - 1)
    tied = [significance.by_key[key] for key in significance.groups.tied_with_best if key != best.key]
    text = _(
        "No single winner. No figure is above that of {model}, {accuracy} of {n} test images, but the paired tests do "
        "not separate it from {tied}."
    )
    return text.format(**values, tied=_listed(tied, data, _))


def _alone(data: ReportData, significance: Significance, _: Translator) -> str:
    """What can be said where no two models were tested on the same images."""
    scored = [entry for entry in data.ok if _accuracy(entry) is not None]
    if not scored:
        return _("No cell has an accuracy, so nothing can be compared.")
    if len({entry.label for entry in scored}) == 1:
        text = _(
            "{model} classifies {accuracy} of {n} test images correctly. There is no other model to compare it with."
        )
        accuracy = _with_interval(scored[0], significance, _)
        return text.format(model=scored[0].label, accuracy=accuracy, n=data.test_images)
    text = _(
        "Accuracy runs from {low} to {high}. No predictions are stored that could be compared image by image, so no "
        "model is called better than another."
    )
    return text.format(low=percent(_accuracy(scored[-1])).text, high=percent(_accuracy(scored[0])).text)


def _below(data: ReportData, significance: Significance, _: Translator) -> str:
    """Who is behind the first beyond chance."""
    tied = set(significance.groups.tied_with_best)
    behind = [significance.by_key[key] for key in significance.groups.order if key not in tied]
    if not behind or significance.groups.winner:
        return ""
    text = _("Significantly less accurate: {models} (p < {alpha} after Holm's correction over {pairs} pairs).")
    return text.format(models=_listed(behind, data, _), alpha=ALPHA, pairs=len(significance.comparisons))


def _seeds(data: ReportData, significance: Significance, _: Translator) -> str:
    """That one seed of each model was tested, and how far its others lie from it."""
    tested = {entry.configuration for entry in significance.tested}
    scores: dict[tuple[str, ...], list[float]] = {}
    for entry in data.ok:
        if entry.configuration in tested and (score := _accuracy(entry)) is not None:
            scores.setdefault((*entry.configuration, entry.run_name), []).append(score)
    spread = max((max(found) - min(found) for found in scores.values()), default=0.0)
    if len(significance.tested) < 2 or all(len(found) < 2 for found in scores.values()):
        return ""
    text = _(
        "The tests are of the first seed of each model; from seed to seed a model's accuracy differed by up to {d} "
        "points."
    )
    return text.format(d=f"{spread * 100:.1f}")


def _incomplete(data: ReportData, _: Translator) -> str:
    """Models without scores, which the verdict leaves out."""
    scored = {entry.label for entry in data.ok}
    absent = list(dict.fromkeys(entry.label for entry in data.entries if entry.label not in scored))
    if not absent:
        return ""
    names = ", ".join(absent[:6]) + (_(" and {n} more").format(n=len(absent) - 6) if len(absent) > 6 else "")
    return _("No conclusion about {models}: none of their cells has scores.").format(models=names)


def _families(data: ReportData, significance: Significance, _: Translator) -> str:
    """The most accurate ViT beside the most accurate CNN."""
    order = [significance.by_key[key] for key in significance.groups.order]
    vit = next((entry for entry in order if entry.group == "vit"), None)
    cnn = next((entry for entry in order if entry.group == "cnn"), None)
    found = significance.pair(vit, cnn) if vit and cnn else None
    if not (vit and cnn and found):
        return ""
    comparison, sign = found
    ends = sorted((comparison.difference.low * sign, comparison.difference.high * sign))
    text = (
        _("ViT against CNN: {vit} minus {cnn} is {d} points (95 % interval {low} to {high}); the test separates them.")
        if comparison.separated(ALPHA)
        else _(
            "ViT against CNN: {vit} minus {cnn} is {d} points (95 % interval {low} to {high}); "
            "the test does not separate them."
        )
    )
    if vit.start != cnn.start and vit.regime != "scratch":
        starts = _("They started from different weights ({vit} and {cnn}), so this is not of the architecture alone.")
        text += " " + starts.format(vit=vit.start or "?", cnn=cnn.start or "?")
    return text.format(
        vit=data.title(vit),
        cnn=data.title(cnn),
        d=points(comparison.difference.estimate * sign),
        low=points(ends[0]),
        high=points(ends[1]),
    )


def _cheapest(data: ReportData, significance: Significance, _: Translator) -> str:
    """On each device, who trained fastest among those that are tied for the first place: measured once, not tested."""
    tied = {_kind(significance.by_key[key]) for key in significance.groups.tied_with_best}
    parts = []
    for device in dict.fromkeys(entry.device for entry in data.entries):
        timed = [
            (entry.result.timings.train_seconds, entry.label)
            for entry in data.ok
            if entry.device == device and entry.result and entry.result.timings.train_seconds is not None
            if not tied or _kind(entry) in tied
        ]
        if len(timed) > 1:
            (fast, first), (slow, last) = min(timed), max(timed)
            text = _("on {device} from {fast} ({first}) to {slow} ({last})")
            values = {"fast": duration(fast).text, "slow": duration(slow).text}
            parts.append(text.format(device=device, first=first, last=last, **values))
    if not parts:
        return ""
    text = _("Among those tied for first place, training took {parts}.") if tied else _("Training took {parts}.")
    return text.format(parts="; ".join(parts))


def _kind(entry: Entry) -> tuple[str, str, str]:
    return (entry.label, entry.regime, entry.precision)


def _speedup(data: ReportData, _: Translator) -> str:
    """Over how wide a range the other device was faster than the CPU."""
    pairs = device_pairs(data)
    parts = []
    for device in dict.fromkeys(pair.other.device for pair in pairs):
        ratios = [p.train_speedup for p in pairs if p.other.device == device and not p.train_speedup.is_missing]
        if ratios:
            low, high = (pick(ratios, key=lambda v: v.raw or 0).text.replace(" ×", "") for pick in (min, max))
            values = {"times": low if low == high else _("{low} to {high}").format(low=low, high=high)}
            text = _("Training on {device} was {times} times as fast as on the CPU (pairs of cells: {n}).")
            parts.append(text.format(device=device, n=len(ratios), **values))
    return " ".join(parts)


def _accuracy(entry: Entry) -> float | None:
    return entry.result.metrics.get("accuracy") if entry.result else None


def _with_interval(entry: Entry, significance: Significance, _: Translator) -> str:
    text = percent(_accuracy(entry)).text
    span = significance.interval(entry)
    if span is None:
        return text
    ends = _("95 % interval {low} to {high}").format(low=f"{span.low * 100:.1f}", high=f"{span.high * 100:.1f}")
    return f"{text} ({ends})"


def _listed(entries: Sequence[Entry], data: ReportData, _: Translator, most: int = 6) -> str:
    names = [data.title(entry) for entry in entries]
    if len(names) > most:
        return ", ".join(names[:most]) + _(" and {n} more").format(n=len(names) - most)
    if len(names) > 1:
        return _("{first} and {last}").format(first=", ".join(names[:-1]), last=names[-1])
    return "".join(names)
