"""What a run was made on, as ``environment.json`` holds it; and what the machine did while a cell ran."""

from __future__ import annotations

from pydantic import Field

from bench.results.notice import Notice
from bench.results.stored import SCHEMA_VERSION, Amount, Count, Stored

__all__ = [
    "Clock",
    "Confinement",
    "Cpu",
    "Environment",
    "GitState",
    "Gpu",
    "GpuLoad",
    "Range",
    "SystemLoad",
]


class Range(Stored):
    """The lowest and the highest of what was sampled."""

    lowest: float
    """The lowest sample."""
    highest: float
    """The highest sample."""


class GpuLoad(Stored):
    """A GPU's clocks, heat and throttling over a cell."""

    name: str | None = None
    """The GPU's name by its driver."""
    clock_mhz: Range | None = None
    """Clock of the multiprocessors in MHz."""
    celsius: Range | None = None
    """Temperature in degrees Celsius."""
    throttled: dict[str, float] = Field(default_factory=dict)
    """Share of the samples (0 to 1) in which the driver named each reason for a lower clock."""
    memory_method: Notice | None = None
    """How the driver's figure of memory was found."""
    memory_before_mib: float | None = None
    """Memory in use on the device before the cell, MiB."""
    not_measured: Notice | None = None
    """Why there is nothing of it."""


class SystemLoad(Stored):
    """What else the machine did while a cell ran; None: the system does not report it."""

    other_cores: float | None = None
    """How many cores' worth of time other processes took."""
    steal_fraction: float | None = None
    """Share of all CPUs' time (0 to 1) that the host of a virtual machine gave to others."""
    thermal_throttles: Count | None = None
    """How often a core was slowed down because of heat."""
    cpu_throttled_seconds: float | None = None
    """Seconds for which a control group's quota kept this process from running."""
    gpu: GpuLoad | None = None
    """The GPU meanwhile; None for a cell on the CPU."""


class Cpu(Stored):
    """The CPU; None: the system does not report it."""

    model: str | None = None
    """Its name."""
    cores: Count | None = None
    """Physical cores of the machine."""
    threads: Count | None = None
    """Hardware threads of the machine."""
    usable: Count | None = None
    """Hardware threads that this process may run on."""
    clock_now_mhz: Amount | None = None
    """Clock when the run began, MHz."""
    clock_highest_mhz: Amount | None = None
    """Highest clock, MHz."""
    instructions: tuple[str, ...] = ()
    """Of the vector and matrix extensions that change speed, those that it has."""


class Clock(Stored):
    """Clock policy; None: the system does not report it (virtual machines)."""

    governor: str | None = None
    """The frequency governor; several are joined by a comma."""
    turbo: bool | None = None
    """Whether the clock may rise above its base."""
    smt: bool | None = None
    """Whether cores run several threads."""


class Confinement(Stored):
    """Container and control group limits; None: no limit, or none that can be seen."""

    container: str | None = None
    """docker, podman or kubernetes."""
    cpu_quota: Amount | None = None
    """Cores that may be used at once."""
    memory_limit_mib: Amount | None = None
    """Memory that may be used, MiB."""
    memory_left_mib: float | None = None
    """What was left of it when the run began, MiB."""


class GitState(Stored):
    """The checkout that the run was started in."""

    revision: str
    """The commit's hash."""
    dirty: bool
    """Whether files differed from it."""


class Gpu(Stored):
    """An NVIDIA device by its driver; None: the driver does not report it."""

    name: str | None = None
    """Its name."""
    memory_mib: Count | None = None
    """Its memory, MiB."""
    uuid: str | None = None
    """Its unique id."""
    max_clock_mhz: Count | None = None
    """Highest clock of the multiprocessors, MHz."""
    power_limit_w: Amount | None = None
    """Power limit, W."""
    persistence: bool | None = None
    """Whether the driver stays loaded between processes."""
    mig: bool | None = None
    """Whether it is divided into instances."""
    throttling: tuple[str, ...] | None = None
    """Reasons for a lower clock when the run began."""
    driver: str | None = None
    """Version of the driver."""


class Environment(Stored):
    """Machine, system, versions and git state of a run; a fact that could not be had is None."""

    schema_version: int = SCHEMA_VERSION
    """Version of the layout."""
    command: tuple[str, ...] = ()
    """The words that repeat the run."""
    started: str | None = None
    """When the run began; UTC, ISO 8601."""
    patchbench: str | None = None
    """Version of patchbench."""
    python: str | None = None
    """Version of Python."""
    platform: str | None = None
    """System, release and machine type."""
    cpu: Cpu = Cpu()
    """The CPU."""
    clock: Clock = Clock()
    """Its clock policy."""
    confinement: Confinement = Confinement()
    """Limits of a container."""
    energy: Notice | None = None
    """Why the CPU's energy cannot be measured; None: it can."""
    memory_gib: Amount | None = None
    """Memory of the machine, GiB."""
    memory_available_gib: float | None = None
    """What was free when the run began, GiB."""
    load_average_1min: Amount | None = None
    """Load average over a minute when the run began."""
    packages: dict[str, str] = Field(default_factory=dict)
    """Versions of the packages that can change a result."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Environment variables that change speed or repeatability, where they are set."""
    git: GitState | None = None
    """The checkout; None outside of one."""
    gpus: tuple[Gpu, ...] = ()
    """NVIDIA devices."""
