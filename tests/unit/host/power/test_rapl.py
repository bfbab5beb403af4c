"""Energy counters of machines that are not here, computed by hand."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_llm.host.power.rapl import find_rapl
from edge_llm.host.power.source import EnergyCounter, Instant, Reading, UnreadableError
from tests.unit.host import machines
from tests.unit.host.fake_host import AMD_RANGE_UJ, INTEL_RANGE_UJ, FakeHost


def at(seconds: float, suspended: float = 0.0) -> Instant:
    return Instant(100.0 + seconds, 5000.0 + seconds + suspended)


def test_a_laptop_is_its_package_alone(host: FakeHost) -> None:
    """Neither psys, which holds the package, nor core, which is in it, nor the mirror is added."""
    machines.intel_laptop(host)
    rapl = find_rapl(host.root)
    assert rapl.read(at(0)) == Reading(None, None, "counting has just begun")
    for zone in ("intel-rapl:0:0", "intel-rapl:1", "intel-rapl-mmio:0"):
        host.count(zone, 200_000_000)
    host.count("intel-rapl:0", 121_000_000)
    assert rapl.read(at(10)) == Reading(120.0)
    assert rapl.method == "powercap energy counters: package-0"


def test_two_sockets_are_summed_and_their_memory_apart(host: FakeHost) -> None:
    machines.dual_xeon(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.count("intel-rapl:0", 10_000_000 + 400_000_000)
    host.count("intel-rapl:1", 20_000_000 + 550_000_000)
    host.count("intel-rapl:0:0", 1_000_000 + 30_000_000)
    host.count("intel-rapl:1:0", 1_000_000 + 45_500_000)
    assert rapl.read(at(5)) == Reading(950.0, 75.5)


def test_a_socket_that_fails_leaves_no_half_sum_and_gets_a_new_baseline(host: FakeHost) -> None:
    machines.dual_xeon(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    counter = host.root / "sys/class/powercap/intel-rapl:1/energy_uj"
    counter.unlink()
    host.count("intel-rapl:0", 20_000_000)
    host.count("intel-rapl:0:0", 2_000_000)
    host.count("intel-rapl:1:0", 2_000_000)
    assert rapl.read(at(1)) == Reading(None, 2.0, f"{counter}: No such file or directory")
    host.count("intel-rapl:1", 90_000_000)
    host.count("intel-rapl:0", 30_000_000)
    assert rapl.read(at(2)).package_joules is None
    host.count("intel-rapl:1", 97_000_000)
    host.count("intel-rapl:0", 35_000_000)
    assert rapl.read(at(3)).package_joules == 12.0


def test_amds_counter_wraps_within_minutes(host: FakeHost) -> None:
    machines.amd_zen(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.count("intel-rapl:0", 7_389_013)  # 532,610,987 to the end of its range, then from 0
    assert rapl.read(at(10)) == Reading(540.0)
    assert "twice" in (rapl.read(at(50)).reason or "")


def test_a_hybrid_is_one_package(host: FakeHost) -> None:
    machines.hybrid(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.count("intel-rapl:0", 45_000_000)
    assert rapl.read(at(3)) == Reading(45.0)


def test_mirrors_stand_in_where_the_registers_have_no_zone(host: FakeHost) -> None:
    host.zone("intel-rapl-mmio:0", "package-0", 0)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.count("intel-rapl-mmio:0", 3_000_000)
    assert rapl.read(at(1)) == Reading(3.0)


def test_nothing_is_counted_over_a_suspend(host: FakeHost) -> None:
    """Asleep for an hour, and the counter has begun anew: a wrap by its looks."""
    machines.intel_laptop(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.count("intel-rapl:0", 500_000)
    assert rapl.read(at(10, suspended=3600)) == Reading(None, None, "the machine was suspended meanwhile")
    host.count("intel-rapl:0", 8_500_000)
    assert rapl.read(at(11, suspended=3600)) == Reading(8.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "the counter was reset"),
        ("1000000", "energy_uj stands still"),
        (str(INTEL_RANGE_UJ + 1), "holds no count"),
        ("18446744073709551615", "holds no count"),
        ("-1", "holds no count"),
        ("\u0663", "holds no count"),
        ("", "holds no count"),
    ],
)
def test_a_count_that_cannot_be_is_no_figure(host: FakeHost, text: str, reason: str) -> None:
    machines.intel_laptop(host)
    rapl = find_rapl(host.root)
    rapl.read(at(0))
    host.write("sys/class/powercap/intel-rapl:0/energy_uj", text)
    reading = rapl.read(at(10))
    assert reading.package_joules is None
    assert reason in (reading.reason or "")


def test_a_virtual_machine_has_none_and_says_so(host: FakeHost) -> None:
    machines.virtual_machine(host)
    with pytest.raises(UnreadableError, match=r"^a virtual machine has no RAPL counters$"):
        find_rapl(host.root)


def test_what_is_missing_is_named(host: FakeHost) -> None:
    with pytest.raises(UnreadableError, match="modprobe intel_rapl_msr"):
        find_rapl(host.root)
    (host.root / "sys/class/powercap/intel-rapl:0").mkdir(parents=True)  # as Docker hides it
    with pytest.raises(UnreadableError, match="mount /sys/devices/virtual/powercap"):
        find_rapl(host.root)


def test_counters_that_only_root_may_read_are_named_with_the_way_out() -> None:
    with machines.counters_for_root_alone() as host, pytest.raises(UnreadableError) as caught:
        find_rapl(host.root)
    assert "intel-rapl:0/energy_uj: Permission denied; let the service's group read it" in str(caught.value)


STEPS = st.lists(
    st.tuples(
        st.floats(0.05, 120),  # seconds
        st.floats(1, 1900),  # watts
        st.sampled_from(["read"] * 6 + ["suspend", "missing"]),
    ),
    max_size=30,
)


@given(start=st.integers(0, AMD_RANGE_UJ - 1), steps=STEPS)
def test_over_wraps_and_gaps_a_figure_is_true_or_missing(
    start: int, steps: list[tuple[float, float, str]]
) -> None:
    """Whatever happens, no joule is made up, and none is lost of the intervals that have a figure."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "energy_uj"
        counter = EnergyCounter(file, AMD_RANGE_UJ)
        true_uj, now, suspended, known = start, 0.0, 0.0, False
        for seconds, watts, event in [(0.0, 0.0, "read"), *steps]:
            spent = round(1e6 * seconds * watts)
            true_uj, now = true_uj + spent, now + seconds
            if event == "suspend":
                suspended, true_uj = suspended + 100, 0
            if event == "missing":
                file.unlink(missing_ok=True)
            else:
                file.write_text(str(true_uj % AMD_RANGE_UJ))
            try:
                joules = counter.joules(Instant(now, now + suspended))
            except UnreadableError:
                # A gap, or so long that it might be one; never an interval that was read from end to end.
                assert event != "read" or not known or seconds * 2000 > AMD_RANGE_UJ / 1e6
            else:
                assert event == "read"
                assert known
                assert joules == pytest.approx(spent / 1e6, abs=1e-6)
            known = event != "missing"
