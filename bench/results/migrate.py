"""Files of older run folders, brought to the present schema: mapping in, mapping out.

The only place that knows the names and sentences of earlier versions. What version 1 stored as an English sentence
becomes a notice that repeats it as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bench.results.notice import Notice, verbatim

__all__ = ["upgrade_dataset", "upgrade_environment", "upgrade_result"]

Json = dict[str, Any]

_RENAMED_SETTINGS = {
    "depthwise_exchanged": "depthwise_kernels",
    "patches_exchanged": "patch_kernels",
    "fast_attention": "attention_kernels",  # was only whether, not how many: 1 stands for "some"
    "standardised": "standardized",
    "neighbours": "head_neighbors",
    "C": "head_c",
}
_RENAMED_TUNING = {
    "lr": "head_lr",
    "weight_decay": "head_weight_decay",
    "tried": "head_candidates",
    "tuning_seconds": "head_tuning_seconds",
}
_RENAMED_LOAD = {"stolen_share": "steal_fraction", "held_back_seconds": "cpu_throttled_seconds"}


def upgrade_result(raw: Json, _version: int) -> Json:
    """Bring a result.json of version 1 to version 2."""
    return {
        **raw,
        "error": _failure(raw.get("error")),
        "memory": _noticed(raw.get("memory"), "method"),
        "energy": _noticed(raw.get("energy"), "method", "not_measured"),
        "model": _model(raw.get("model") or {}),
        "profiles": [_profile(profile) for profile in raw.get("profiles") or []],
        "rounds": [_round(made) for made in raw.get("rounds") or []],
        "context": _context(raw.get("context") or {}),
        "settings": _settings(raw.get("settings") or {}),
    }


def upgrade_environment(raw: Json, _version: int) -> Json:
    """Bring an environment.json of version 1 to version 2."""
    cpu = raw.get("cpu") or {}
    clock = cpu.get("clock_mhz") or {}
    flat = {"clock_now_mhz": clock.get("now"), "clock_highest_mhz": clock.get("highest")}
    present = {key: value for key, value in raw.items() if value is not None}
    return {**present, "cpu": {**cpu, **flat}, "energy": _sentence(raw.get("energy"))}


def upgrade_dataset(raw: Json, _version: int) -> Json:
    """Bring a dataset.json of version 1 to version 2."""
    audit, card = raw["audit"], raw["card"]
    card = {**card, "license": card.get("license", card.get("licence")), "unknown": _sentences(card.get("unknown"))}
    return {
        **raw,
        "card": card,
        "audit": {**audit, **{key: _dropped(audit.get(key)) for key in ("unreadable", "ignored", "odd")}},
        "dropped": _dropped(raw["dropped"]),
        "warnings": _sentences(raw["warnings"]),
    }


def _sentence(text: str | None) -> Notice | None:
    return None if text is None else verbatim(text)


def _sentences(texts: Iterable[str] | None) -> list[Notice]:
    return [verbatim(text) for text in texts or ()]


def _noticed(raw: Json | None, *keys: str) -> Json:
    held = raw or {}
    return {**held, **{key: _sentence(held.get(key)) for key in keys}}


def _renamed(raw: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    return {names.get(key, key): value for key, value in raw.items()}


def _dropped(entries: Iterable[Json] | None) -> list[Json]:
    return [{"name": entry["name"], "notice": verbatim(entry["reason"])} for entry in entries or ()]


def _failure(raw: Json | None) -> Json | None:
    if raw is None:
        return None
    return {"kind": raw["kind"], "notice": verbatim(raw["message"]), "log_tail": raw.get("log_tail", "")}


def _model(raw: Json) -> Json:
    weights = raw.get("weights") or {}
    normalization = weights.get("normalization", weights.get("normalisation"))
    resampled = {
        key: {"before": how["from"], "after": how["to"], "method": how["method"]}
        for key in ("patch_resampled", "position_grid")
        if (how := weights.get(key))
    }
    notices = _sentences(weights.get("notes"))
    return {**raw, "weights": {**weights, **resampled, "normalization": normalization, "notices": notices}}


def _profile(raw: Json) -> Json:
    batches = [_noticed(batch, "unstable") for batch in raw.get("batches") or []]
    return {**_noticed(raw, "stopped", "not_measured"), "batches": batches}


def _round(raw: Json) -> Json:
    return {**_noticed(raw, "lost"), "system_load": _load(raw.get("during") or {})}


def _load(raw: Json) -> Json:
    gpu = raw.get("gpu")
    named = _renamed(raw, _RENAMED_LOAD)
    return {**named, "gpu": _noticed(gpu, "memory_method", "not_measured") if gpu is not None else None}


def _context(raw: Json) -> Json:
    """Version 1 kept what a reader has to know under keys of their own."""
    notices = [verbatim(f"warm-up: {raw['warm_up']}")] if "warm_up" in raw else []
    notices += [Notice.of("model_not_kept", reason=raw["model_not_kept"])] if "model_not_kept" in raw else []
    notices += [_late_failure(raw["exit"])] if "exit" in raw else []
    load = _load(raw["during"]) if raw.get("during") else None
    return {**raw, "system_load": load, "notices": notices}


def _late_failure(text: str) -> Notice:
    """What went wrong after the result; further rounds are not made where its code requires it."""
    cut = text.removeprefix("the inference profile was cut short: ")
    if cut != text:
        return Notice.of("profile_cut_short", reason=verbatim(cut))
    how, within, _ = text.removeprefix("its process ended by ").partition(" in the inference profile, ")
    if within:
        return Notice.of("failed_in_profile", how=how)
    return Notice.of("failed_after_result", how=how.removesuffix(" after the result was written"))


def _settings(raw: Json) -> Json:
    flat = {**raw, **_renamed(raw.get("head_tuned") or {}, _RENAMED_TUNING)}
    named = _renamed({key: value for key, value in flat.items() if value is not None}, _RENAMED_SETTINGS)
    if "attention_kernels" in named:
        named["attention_kernels"] = int(named["attention_kernels"])
    return named
