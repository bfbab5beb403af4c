"""Power from hardware monitoring chips, and from a battery that is being emptied.

https://www.kernel.org/doc/html/latest/hwmon/sysfs-interface.html,
https://www.kernel.org/doc/html/latest/power/power_supply_class.html
"""

from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path

from edge_llm.host.files import read_text
from edge_llm.host.power.source import EnergyCounter, Instant, PowerSource, Reading, UnreadableError, sum_of

_HWMON = "sys/class/hwmon"
_BATTERIES = "sys/class/power_supply"
_MOST_WATTS = 10_000
_LONGEST_S = 60
"""Maximum seconds between two samples that are integrated; a longer interval has no figure."""

_POWER_FILES = {
    "power_meter": ("power1_average",),  # ACPI's: the whole machine
    "fam15h_power": ("power1_input",),
    "zenpower": ("power1_input", "power2_input"),  # cores and SoC
}
"""Files of the drivers that measure a processor or a machine; most others measure a part that is neither."""


class SampledPower(PowerSource):
    """Watts that are sampled, integrated by the trapezoidal rule."""

    def __init__(self, name: str, method: str, watts: Callable[[], float]) -> None:
        """``watts`` raises UnreadableError where there is no figure."""
        self.name = name
        self.method = method
        self._watts = watts
        self._before: tuple[Instant, float] | None = None

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        before, self._before = self._before, None
        try:
            watts = self._watts()
        except UnreadableError as error:
            return Reading(None, reason=str(error))
        self._before = (now, watts)
        if before is None:
            return Reading(None, reason="measuring has just begun")
        elapsed = now.monotonic - before[0].monotonic
        if elapsed > _LONGEST_S:
            return Reading(None, reason="it was not measured for too long")
        return Reading(elapsed * (before[1] + watts) / 2)


class CountedPower(PowerSource):
    """Energy counters of a hardware monitoring chip: those of the sockets, of the driver ``amd_energy``."""

    name = "hwmon"

    def __init__(self, sockets: list[EnergyCounter]) -> None:
        """One counter a socket."""
        self._sockets = sockets
        self.method = f"amd_energy counters of {len(sockets)} sockets"

    def read(self, now: Instant) -> Reading:
        """See ``PowerSource``."""
        try:
            return Reading(sum_of(self._sockets, now))
        except UnreadableError as error:
            return Reading(None, reason=str(error))


def find_hwmon(root: Path = Path("/")) -> SampledPower | CountedPower:
    """The first chip that measures a processor or the machine.

    Raises:
        UnreadableError: there is none.
    """
    for chip in sorted((root / _HWMON).glob("hwmon*")):
        driver = read_text(chip / "name").strip()
        sockets = [
            label.with_name(label.name.replace("_label", "_input"))
            for label in sorted(chip.glob("energy*_label"))
            if driver == "amd_energy" and read_text(label).startswith("Esocket")
        ]
        if sockets:
            return CountedPower([EnergyCounter(path) for path in sockets])
        files = [chip / name for name in _POWER_FILES.get(driver, ())]
        files = [path for path in files if path.exists()]
        if files:
            return SampledPower("hwmon", f"sensor of {driver}, sampled", partial(_sum_of_files, files))
    raise UnreadableError("no hwmon sensor measures the processor or the machine")


def _sum_of_files(files: list[Path]) -> float:
    return sum(map(_micro, files))


def find_battery(root: Path = Path("/")) -> SampledPower:
    """All batteries of the machine together; there is a figure only while they are being emptied.

    Raises:
        UnreadableError: there is none.
    """
    supplies = sorted((root / _BATTERIES).glob("*"))
    batteries = [
        each
        for each in supplies
        # "Device" is the battery of a mouse or of a pen.
        if read_text(each / "type").strip() == "Battery" and read_text(each / "scope").strip() != "Device"
    ]
    if not batteries:
        raise UnreadableError("no battery")
    return SampledPower("battery", "discharge of the battery, sampled", partial(_discharge, batteries))


def _discharge(batteries: list[Path]) -> float:
    states = {battery: read_text(battery / "status").strip() for battery in batteries}
    emptied = [battery for battery, state in states.items() if state == "Discharging"]
    if not emptied or "Charging" in states.values():
        raise UnreadableError("a battery gives a figure only while it is being emptied")
    return sum(map(_battery_watts, emptied))


def _battery_watts(battery: Path) -> float:
    if (battery / "power_now").exists():
        watts = abs(_micro(battery / "power_now"))  # some firmware says less than 0 for what flows out
    else:
        watts = abs(_micro(battery / "current_now")) * _micro(battery / "voltage_now")
    if watts == 0:
        raise UnreadableError(f"{battery.name} does not say what it gives")
    return watts


def _micro(path: Path) -> float:
    """Watts, amperes or volts from a file that holds millionths.

    Raises:
        UnreadableError: it cannot be read, or holds no such figure.
    """
    try:
        value = float(path.read_text(encoding="ascii")) / 1e6
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UnreadableError(f"{path} holds no number") from error
    # 0xFFFFFFFF and 0xFFFF thousandths are ACPI's "unknown".
    if not isfinite(value) or abs(value) >= min(_MOST_WATTS, 4294) or value in (65.535, 65535.0):
        raise UnreadableError(f"{path} does not know")
    return value
