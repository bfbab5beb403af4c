"""Machines as they are in the field: what their powercap, hwmon and throttling files hold."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.host.fake_host import AMD_RANGE_UJ, CPUS, FakeHost, unprivileged


def intel_laptop(host: FakeHost) -> None:
    """Package with core and uncore, psys around it, the MMIO mirror of the package, a battery, a mouse."""
    host.cores((0, 4), (1, 5), (2, 6), (3, 7))
    host.zone("intel-rapl:0", "package-0", 1_000_000)
    host.zone("intel-rapl:0:0", "core", 400_000)
    host.zone("intel-rapl:0:1", "uncore", 100_000)
    host.zone("intel-rapl:1", "psys", 5_000_000)
    host.zone("intel-rapl-mmio:0", "package-0", 9_000_000)
    battery(host, "BAT0", "Full")
    host.write("sys/class/power_supply/AC/type", "Mains")
    host.write("sys/class/power_supply/hidpp_battery_0/type", "Battery")
    host.write("sys/class/power_supply/hidpp_battery_0/scope", "Device")
    host.write("sys/class/power_supply/hidpp_battery_0/status", "Discharging")
    throttling(host, {0: 0, 1: 1, 2: 2, 3: 3, 4: 0, 5: 1, 6: 2, 7: 3}, core=5, package=7)


def dual_xeon(host: FakeHost) -> None:
    """Two packages, each with its DRAM."""
    for socket in (0, 1):
        host.zone(f"intel-rapl:{socket}", f"package-{socket}", 10_000_000 * (socket + 1))
        host.zone(f"intel-rapl:{socket}:0", "dram", 1_000_000, AMD_RANGE_UJ)


def amd_zen(host: FakeHost) -> None:
    """A package and its cores, under Intel's name; no count of throttling."""
    host.zone("intel-rapl:0", "package-0", 65_000_000_000, AMD_RANGE_UJ)
    host.zone("intel-rapl:0:0", "core", 30_000_000_000, AMD_RANGE_UJ)
    host.write("sys/class/hwmon/hwmon0/name", "k10temp")


@contextmanager
def counters_for_root_alone() -> Iterator[FakeHost]:
    """An AMD machine whose counters this process may not read within the block."""
    with tempfile.TemporaryDirectory() as directory:
        host = FakeHost(Path(directory))
        amd_zen(host)
        host.root.chmod(0o755)
        (host.root / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o400 if os.geteuid() == 0 else 0)
        with unprivileged():
            yield host


def virtual_machine(host: FakeHost) -> None:
    """No powercap, no hwmon, no battery, and a processor that says what it is."""
    host.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu vme sse2 hypervisor lahf_lm\n")


def hybrid(host: FakeHost) -> None:
    """Performance and efficiency cores, one package; efficiency cores share no core id with the others."""
    host.write("sys/devices/cpu_core/cpus", "0-3")
    host.write("sys/devices/cpu_atom/cpus", "4-5")
    host.zone("intel-rapl:0", "package-0", 0)
    host.zone("intel-rapl:0:0", "core", 0)
    host.zone("intel-rapl:0:1", "uncore", 0)
    host.zone("intel-rapl:1", "psys", 0)
    throttling(host, {0: 0, 1: 0, 2: 4, 3: 4, 4: 8, 5: 9}, core=2, package=1)


def battery(host: FakeHost, name: str, status: str, **values: int) -> None:
    path = f"sys/class/power_supply/{name}"
    for file, value in {"type": "Battery", "status": status, **values}.items():
        host.write(f"{path}/{file}", value)


def throttling(host: FakeHost, core_ids: dict[int, int], core: int, package: int) -> None:
    """The same counts for all: ``core`` times each core, ``package`` times the package."""
    for cpu, core_id in core_ids.items():
        path = f"{CPUS}/cpu{cpu}"
        host.write(f"{path}/topology/core_id", core_id)
        host.write(f"{path}/topology/physical_package_id", 0)
        host.write(f"{path}/thermal_throttle/core_throttle_count", core)
        host.write(f"{path}/thermal_throttle/package_throttle_count", package)
