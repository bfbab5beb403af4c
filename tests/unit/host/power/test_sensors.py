"""Sensors other than RAPL, and which of all is taken."""

import pytest

from edge_llm.config import TelemetrySettings
from edge_llm.host.power.choose import choose_source, survey
from edge_llm.host.power.meter import STALE_S, ExternalMeter, TdpModel
from edge_llm.host.power.sensors import find_battery, find_hwmon
from edge_llm.host.power.source import Instant, PowerSource, Reading, UnreadableError
from tests.unit.host import machines
from tests.unit.host.fake_host import FakeHost


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds)


def second(source: PowerSource, seconds: float = 10.0) -> Reading:
    source.read(at(0))
    return source.read(at(seconds))


def test_a_sampled_sensor_is_integrated(host: FakeHost) -> None:
    host.write("sys/class/hwmon/hwmon0/name", "nvme")
    host.write("sys/class/hwmon/hwmon1/name", "power_meter")
    host.write("sys/class/hwmon/hwmon1/power1_average", 20_000_000)
    source = find_hwmon(host.root)
    assert source.read(at(0)).package_joules is None
    host.write("sys/class/hwmon/hwmon1/power1_average", 30_000_000)
    assert source.read(at(4)) == Reading(100.0)
    assert source.read(at(400)).package_joules is None


def test_a_graphics_card_is_not_the_machine(host: FakeHost) -> None:
    host.write("sys/class/hwmon/hwmon0/name", "amdgpu")
    host.write("sys/class/hwmon/hwmon0/power1_average", 20_000_000)
    with pytest.raises(UnreadableError, match="no hwmon sensor measures"):
        find_hwmon(host.root)


def test_the_sockets_of_amd_energy_are_counted_and_not_their_cores(host: FakeHost) -> None:
    for number, (label, count) in enumerate(
        [("Ecore000", 5), ("Esocket0", 7_000_000), ("Esocket1", 1_000_000)]
    ):
        host.write(f"sys/class/hwmon/hwmon0/energy{number}_label", label)
        host.write(f"sys/class/hwmon/hwmon0/energy{number}_input", count)
    host.write("sys/class/hwmon/hwmon0/name", "amd_energy")
    source = find_hwmon(host.root)
    source.read(at(0))
    host.write("sys/class/hwmon/hwmon0/energy1_input", 17_000_000)
    host.write("sys/class/hwmon/hwmon0/energy2_input", 4_000_000)
    assert source.read(at(1)) == Reading(13.0)


@pytest.mark.parametrize(
    ("values", "joules"),
    [
        ({"power_now": 9_000_000}, 90.0),
        ({"current_now": 500_000, "voltage_now": 12_000_000}, 60.0),
        ({"current_now": -500_000, "voltage_now": 12_000_000}, 60.0),
        ({"power_now": 0}, None),
        ({"power_now": 0xFFFFFFFF}, None),
        ({"current_now": 65_535_000, "voltage_now": 12_000_000}, None),
        ({}, None),
    ],
)
def test_a_battery_that_is_emptied(host: FakeHost, values: dict[str, int], joules: float | None) -> None:
    machines.battery(host, "BAT0", "Discharging", **values)
    assert second(find_battery(host.root)).package_joules == joules


def test_a_battery_on_mains_has_no_figure_and_a_mouse_is_no_battery(host: FakeHost) -> None:
    machines.intel_laptop(host)
    assert second(find_battery(host.root)) == Reading(
        None, reason="a battery gives a figure only while it is being emptied"
    )


def test_two_batteries_are_summed(host: FakeHost) -> None:
    machines.battery(host, "BAT0", "Discharging", power_now=4_000_000)
    machines.battery(host, "BAT1", "Discharging", power_now=5_000_000)
    assert second(find_battery(host.root)).package_joules == 90.0
    host.write("sys/class/power_supply/BAT1/status", "Not charging")
    assert second(find_battery(host.root)).package_joules == 40.0


class Clock:
    now = 0.0

    def __call__(self) -> Instant:
        return at(self.now)


def test_a_meters_value_holds_until_the_next() -> None:
    clock = Clock()
    meter = ExternalMeter("ENERGY.Power", clock)
    assert meter.read(at(0)) == Reading(None, reason="no value of the meter yet")
    meter.on_payload(b'{"Time": "x", "ENERGY": {"Power": 10, "Total": 3}}')
    meter.read(at(0))
    clock.now = 4
    meter.on_payload(b'{"ENERGY": {"Power": 25}}')
    assert meter.read(at(6)) == Reading(10 * 4 + 25 * 2)
    clock.now = 10
    meter.on_payload(b'{"ENERGY": {"Power": 0}}')
    assert meter.read(at(12)) == Reading(25 * 4)


def test_a_silent_meter_is_not_believed() -> None:
    clock = Clock()
    meter = ExternalMeter("", clock)
    meter.on_payload(b"12.5")
    meter.read(at(0))
    assert meter.read(at(STALE_S)) == Reading(12.5 * STALE_S)
    assert "nothing came" in (meter.read(at(STALE_S + 5)).reason or "")
    clock.now = STALE_S + 10
    meter.on_payload(b"8")
    assert meter.read(at(STALE_S + 10)).package_joules is None
    assert meter.read(at(STALE_S + 12)) == Reading(16.0)


@pytest.mark.parametrize(
    ("path", "payload", "joules"),
    [
        ("ENERGY.Power", b'{"ENERGY": {"Power": [3, 4]}}', None),
        ("ENERGY.Power.1", b'{"ENERGY": {"Power": [3, 4]}}', 40.0),
        ("power", b'{"power": "7.5"}', 75.0),
        ("power", b'{"power": null}', None),
        ("power", b'{"power": -1}', None),
        ("power", b'{"power": NaN}', None),
        ("power", b"12", None),
        ("", b"1" + b"0" * 400, None),
        ("", b"[" * 100_000, None),
        ("", b"on", None),
        ("", b"\xff", None),
    ],
)
def test_what_a_meter_may_say(path: str, payload: bytes, joules: float | None) -> None:
    meter = ExternalMeter(path, Clock())
    meter.on_payload(payload)
    assert second(meter).package_joules == joules


def test_the_model_is_the_tdp_by_load() -> None:
    shares = iter([100.0, 102.5])
    assert second(TdpModel(28.0, lambda: next(shares))) == Reading(70.0)


def test_the_best_sensor_is_taken(host: FakeHost) -> None:
    plain = TelemetrySettings()
    machines.virtual_machine(host)
    nothing = choose_source(plain, host.root)
    assert nothing.name is None
    assert nothing.read(at(0)).reason == (
        "a virtual machine has no RAPL counters; no hwmon sensor measures the processor or the machine;"
        " no battery; a metering plug can help: telemetry.meter_topic"
    )
    estimated = choose_source(TelemetrySettings(tdp_watts=15), host.root)
    assert (estimated.name, estimated.estimated) == ("tdp", True)
    machines.battery(host, "BAT0", "Discharging")
    assert choose_source(TelemetrySettings(tdp_watts=15), host.root).name == "battery"
    host.write("sys/class/hwmon/hwmon0/name", "fam15h_power")
    host.write("sys/class/hwmon/hwmon0/power1_input", 1)
    assert choose_source(plain, host.root).name == "hwmon"
    machines.intel_laptop(host)
    assert choose_source(plain, host.root).name == "rapl"
    assert [*survey(host.root)] == ["rapl", "hwmon", "battery"]
    assert choose_source(TelemetrySettings(meter_topic="plug"), host.root).name == "meter"
