"""The machines and versions behind the figures, and the command that repeats each run."""

from __future__ import annotations

import shlex
from typing import Any

from bench.results.environment import Clock, Confinement, Cpu, Environment, Gpu
from bench.results.settings import CellContext
from reports.inputs.entry import Entry
from reports.sections.base import Page, Section
from reports.text.i18n import N_, Translator
from reports.text.messages import word

__all__ = ["SECTION", "environment_rows"]

_LEADING_PACKAGES = ("torch", "torchvision", "timm", "numpy", "scikit-learn", "pandas")


def build(page: Page) -> dict[str, Any]:
    """Command, machine and versions of each run, and the training settings of the study."""
    data = page.data
    runs = [
        {
            "name": name,
            "command": shlex.join(environment.command),
            "rows": environment_rows(environment, [e for e in data.entries if e.run is run], page.translate),
        }
        for run, name, environment in zip(data.runs, data.run_names, data.environments, strict=True)
    ]
    return {"runs": runs, "settings": data.study.train.model_dump(mode="json")}


def environment_rows(environment: Environment, entries: list[Entry], _: Translator) -> list[tuple[str, str]]:
    """Machine, versions, and what its cells say of their own surroundings, as pairs of a name and a text.

    What is not stored is left out.
    """
    contexts = [entry.result.context for entry in entries if entry.result]
    load, git = environment.load_average_1min, environment.git
    revision = (git.revision + (f" + {_('uncommitted changes')}" if git.dirty else "")) if git else ""
    rows = [
        (N_("Started"), environment.started),
        (N_("CPU"), _cpu(environment.cpu, _)),
        (N_("Clock"), _clock(environment.clock, environment.cpu, _)),
        (N_("Memory"), _memory(environment, _)),
        (N_("Container and limits"), _confinement(environment.confinement, _)),
        (N_("Devices"), _distinct([context.device_name for context in contexts])),
        (N_("GPUs"), _gpus(environment, _)),
        (N_("Energy of the CPU"), word(environment.energy, _) if environment.energy else ""),
        (N_("Load when it began"), "" if load is None else str(load)),
        (N_("Threads"), _distinct([_threads(context, _) for context in contexts])),
        (N_("Determinism"), _distinct([_determinism(context) for context in contexts])),
        (N_("Variables"), ", ".join(f"{name}={value}" for name, value in sorted(environment.variables.items()))),
        (N_("System"), environment.platform),
        (N_("Python"), environment.python),
        ("patchbench", environment.patchbench),
        (N_("Revision"), revision),
        (N_("Packages"), _packages(environment.packages)),
    ]
    return [(name, text) for name, text in rows if text]


_THREADS_BY = {
    "study": N_("set by the study"),
    "OMP_NUM_THREADS": "OMP_NUM_THREADS",
    "quota": N_("CPU quota"),
    "affinity": N_("all CPUs that it may use"),
}


def _threads(context: CellContext, _: Translator) -> str | None:
    """Threads of torch, and what decided how many."""
    if context.threads is None:
        return None
    return f"torch: {context.threads}" + (f" ({_(_THREADS_BY[context.threads_by])})" if context.threads_by else "")


def _cpu(cpu: Cpu, _: Translator) -> str:
    usable = None if cpu.usable == cpu.threads else cpu.usable
    counts = ((cpu.cores, _("cores")), (cpu.threads, _("threads")), (usable, _("usable")))
    return ", ".join([cpu.model or "", *(f"{count} {what}" for count, what in counts if count), *cpu.instructions])


def _clock(clock: Clock, cpu: Cpu, _: Translator) -> str:
    parts = [
        clock.governor and _("governor {name}").format(name=clock.governor),
        cpu.clock_highest_mhz and _("at most {mhz} MHz").format(mhz=f"{cpu.clock_highest_mhz:.0f}"),
        cpu.clock_now_mhz and _("{mhz} MHz when it began").format(mhz=f"{cpu.clock_now_mhz:.0f}"),
        clock.turbo is not None and (_("turbo on") if clock.turbo else _("turbo off")),
        clock.smt is not None and (_("several threads per core") if clock.smt else _("one thread per core")),
    ]
    return ", ".join(part for part in parts if part)


def _memory(environment: Environment, _: Translator) -> str:
    if environment.memory_gib is None:
        return ""
    free = environment.memory_available_gib
    whole = f"{environment.memory_gib:.3g} GiB"
    return whole if free is None else whole + ", " + _("{gib} GiB free when it began").format(gib=f"{free:.3g}")


def _confinement(limits: Confinement, _: Translator) -> str:
    parts = [
        limits.container,
        limits.cpu_quota is not None and _("{n} cores at once").format(n=f"{limits.cpu_quota:g}"),
        limits.memory_limit_mib is not None and _("{mib} MiB of memory").format(mib=f"{limits.memory_limit_mib:.0f}"),
        limits.memory_left_mib is not None and _("{mib} MiB left").format(mib=f"{limits.memory_left_mib:.0f}"),
    ]
    return ", ".join(part for part in parts if part)


def _gpus(environment: Environment, _: Translator) -> str:
    if environment == Environment():
        return ""  # nothing is stored, so it is not known that there was none
    return "; ".join(_gpu(gpu) for gpu in environment.gpus) or _("none")


def _gpu(gpu: Gpu) -> str:
    known = gpu.model_dump(exclude_none=True)
    known = {key: ", ".join(value) if isinstance(value, tuple) else value for key, value in known.items()}
    return ", ".join(f"{key}: {value}" for key, value in known.items())


def _determinism(context: CellContext) -> str | None:
    """Without the seed, which each cell has its own of."""
    if context.determinism is None:
        return None
    kept = context.determinism.model_dump(exclude={"seed"})
    return ", ".join(f"{key}: {value}" for key, value in kept.items())


def _packages(versions: dict[str, str]) -> str:
    leading = [name for name in _LEADING_PACKAGES if name in versions]
    ordered = leading + sorted(versions.keys() - set(leading))
    return ", ".join(f"{name} {versions[name]}" for name in ordered)


def _distinct(texts: list[str | None]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


SECTION = Section(N_("Environment and how to reproduce it"), build)
