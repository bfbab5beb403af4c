"""RAPL, the energy counters of Intel's and AMD's processors, through the kernel's powercap files.

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html
"""

from pathlib import Path

from edge_llm.host.files import read_text
from edge_llm.host.power.source import EnergyCounter, Instant, PowerSource, Reading, UnreadableError, sum_of

POWERCAP = "sys/class/powercap"
UDEV_RULE = (
    'SUBSYSTEM=="powercap", ACTION=="add", TEST=="energy_uj",'
    ' RUN+="/bin/chgrp edge_llm /sys%p/energy_uj", RUN+="/bin/chmod 0440 /sys%p/energy_uj"'
)
"""Since CVE-2020-8694 the counters are root's alone: they give a spy in the machine a view of what it
computes. This lets one group read them."""


class Rapl(PowerSource):
    """The package zones, summed, and their DRAM zones."""

    name = "rapl"

    def __init__(self, packages: list[EnergyCounter], dram: list[EnergyCounter], method: str) -> None:
        """See ``find_rapl``."""
        self._packages = packages
        self._dram = dram
        self.method = method

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        package = dram = reason = None
        try:
            dram = sum_of(self._dram, now) if self._dram else None
        except UnreadableError as error:
            reason = str(error)
        try:
            package = sum_of(self._packages, now)
        except UnreadableError as error:
            reason = str(error)
        return Reading(package, dram, reason)


def find_rapl(root: Path = Path("/")) -> Rapl:
    """The zones of this machine.

    ``psys`` holds the packages and what is around them, ``core`` and ``uncore`` are parts of a package: none
    of these is added. Zones of ``intel-rapl-mmio`` mirror those of ``intel-rapl`` (the model-specific
    registers) and stand in only where these are missing.

    Raises:
        UnreadableError: there are none, or they may not be read.
    """
    zones = sorted((root / POWERCAP).glob("intel-rapl*:*"), key=lambda zone: ("mmio" in zone.name, zone.name))
    names = {zone: read_text(zone / "name").strip() for zone in zones}
    packages: dict[str, Path] = {}
    for zone, name in names.items():
        if name.startswith("package-"):
            packages.setdefault(name, zone)
    if not packages:
        raise UnreadableError(_why_none(root, zones))
    chosen = {zone.name for zone in packages.values()}
    dram = [zone for zone, name in names.items() if name == "dram" and zone.name.rpartition(":")[0] in chosen]
    counters = [_counter(zone) for zone in packages.values()]
    for counter in counters:
        _check(counter)
    parts = ", ".join(sorted(packages)) + (f", dram of {len(dram)}" if dram else "")
    return Rapl(counters, [_counter(zone) for zone in dram], f"powercap energy counters: {parts}")


def _counter(zone: Path) -> EnergyCounter:
    text = read_text(zone / "max_energy_range_uj").strip()
    return EnergyCounter(zone / "energy_uj", int(text) if text.isdecimal() and int(text) > 0 else None)


def _check(counter: EnergyCounter) -> None:
    try:
        counter.value()
    except UnreadableError as error:
        denied = isinstance(error.__cause__, PermissionError)
        hint = "; let the service's group read it: edge-llm doctor shows the udev rule" if denied else ""
        raise UnreadableError(f"{error}{hint}") from error.__cause__


def _why_none(root: Path, zones: list[Path]) -> str:
    if zones:
        return (
            "the powercap zones have no name: in a container, mount /sys/devices/virtual/powercap read-only"
        )
    if " hypervisor" in read_text(root / "proc/cpuinfo"):
        return "a virtual machine has no RAPL counters"
    return "the kernel offers no RAPL zone: modprobe intel_rapl_msr (Intel since 2011, AMD since Zen)"
