"""Replies are charged their energy, on a scripted counter and a scripted clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_llm.contract.frames import Energy
from edge_llm.host.power.source import Instant, PowerSource, Reading, Unavailable
from edge_llm.telemetry.energy import CpuSeconds, EnergyMeter
from edge_llm.telemetry.reply_energy import Progress, ReplyEnergyMeter

IDLE_WATTS = 10.0


class Script(PowerSource):
    """A source, a processor and a clock that a test moves on."""

    name = "script"
    method = "by hand"

    def __init__(self, *, whole: bool = False, estimated: bool = False) -> None:
        self.covers_machine = whole
        self.estimated = estimated
        self.now = 50.0
        self.busy = self.service = 0.0
        self.joules: float | None = 0.0
        self.total = 0.0

    def read(self, now: Instant) -> Reading:
        joules, self.joules = self.joules, 0.0
        return Reading(joules, reason="broken" if joules is None else None)

    def clock(self) -> Instant:
        return Instant(self.now, self.now)

    def cpu(self) -> CpuSeconds:
        return CpuSeconds(self.busy, self.service)

    def spend(self, seconds: float, watts: float, *, busy: float = 1.0, service: float = 1.0) -> None:
        self.now += seconds
        self.busy += seconds * busy
        self.service += seconds * service
        self.joules = None if self.joules is None else self.joules + seconds * watts
        self.total += seconds * watts


class Book:
    """A meter over a script, with the idle power learned."""

    def __init__(self, *, whole: bool = False, estimated: bool = False) -> None:
        self.script = Script(whole=whole, estimated=estimated)
        self.meter = EnergyMeter(self.script, self.script.cpu, self.script.clock)
        self.meter.sample()
        self.script.spend(5, IDLE_WATTS, busy=0.1, service=0.0)
        self.meter.sample()

    def begin(self) -> "Reply":
        return Reply(self)


class Reply:
    """A reply whose tokens a test feeds."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.tokens = 0
        self.first_token: float | None = None
        self.meter = ReplyEnergyMeter(lambda: (self.tokens, self.first_token))
        book.meter.begin(self.meter)

    def feed(self, tokens: int) -> None:
        self.tokens += tokens

    def end(self, completion_tokens: int = 0) -> Energy:
        self.meter.close((self.tokens, self.first_token))
        return self.book.meter.attribute(self.meter, completion_tokens)


@pytest.fixture
def book() -> Book:
    return Book()


def test_a_reply_is_charged_the_services_part_above_idle(book: Book) -> None:
    """30 W for 4 s, 10 W of which are the idle machine's, 3 of 4 busy CPU seconds the service's: 60 J."""
    reply = book.begin()
    reply.feed(8)
    book.script.spend(4, 30, busy=2.0, service=1.5)
    energy = reply.end()
    assert energy.joules == pytest.approx((30 - 10) * 4 * 0.75)
    assert (energy.quality, energy.shared) == ("attributed", False)


def test_prefill_and_decode_are_told_apart_by_time(book: Book) -> None:
    reply = book.begin()
    book.script.spend(1, 30)
    reply.feed(100)
    reply.first_token = book.script.now
    book.script.spend(3, 30)
    reply.feed(9)
    energy = reply.end()
    assert (energy.prefill_joules, energy.decode_joules) == pytest.approx((20, 60))


def test_the_energy_of_a_token_is_the_whole_energy_by_the_replys_tokens(book: Book) -> None:
    reply = book.begin()
    reply.feed(108)
    book.script.spend(4, 30)
    energy = reply.end(completion_tokens=8)
    assert energy.joules == pytest.approx(80)
    assert energy.joules_per_token == pytest.approx(10)
    nothing = book.begin()
    nothing.feed(3)
    book.script.spend(1, 30)
    assert nothing.end().joules_per_token is None


def test_a_part_of_a_models_figure_is_estimated() -> None:
    """Attributed is said of a sensor's figure alone."""
    book = Book(estimated=True)
    reply = book.begin()
    reply.feed(1)
    book.script.spend(4, 30)
    book.meter.sample()
    figures = book.meter.power()
    assert (figures.quality, figures.service_quality) == ("estimated", "estimated")
    assert reply.end().quality == "estimated"


def test_a_reply_that_ends_while_power_is_read_is_charged_its_last_tokens(book: Book) -> None:
    """Its progress was asked for, and it ends before the sample does."""

    def progress() -> Progress:
        reply.close((20, None))
        return 5, None

    reply = ReplyEnergyMeter(progress)
    book.meter.begin(reply)
    book.script.spend(1, 30)
    book.meter.sample()
    book.script.spend(1, 30)
    assert book.meter.attribute(reply, 20).joules == pytest.approx(40)
    assert book.meter.open_replies == ()


def test_a_wall_meter_is_charged_whole() -> None:
    book = Book(whole=True)
    reply = book.begin()
    reply.feed(1)
    book.script.spend(4, 30, busy=2.0, service=0.5)
    energy = reply.end()
    assert energy.joules == pytest.approx(120)
    assert energy.quality == "measured"


def test_overlapping_replies_share_by_their_tokens_and_say_so(book: Book) -> None:
    """One alone for 2 s, then both for 3 s with 3 tokens to 1; what waits without a token pays nothing."""
    first = book.begin()
    first.feed(10)
    book.script.spend(2, 30)
    second, waiting = book.begin(), book.begin()
    book.meter.sample()
    first.feed(30)
    second.feed(10)
    book.script.spend(3, 30)
    one, other = first.end(), second.end()
    assert (one.joules, other.joules) == pytest.approx((40 + 45, 15))
    assert one.shared
    assert other.shared
    rest = waiting.end()
    assert (rest.joules, rest.shared) == (0, False)


def test_a_long_prompt_pays_for_the_time_before_its_first_progress(book: Book) -> None:
    reply = book.begin()
    for _ in range(3):
        book.script.spend(1, 30)
        book.meter.sample()
    reply.feed(256)
    assert reply.end().joules == pytest.approx(60)


def test_idle_time_before_a_reply_is_not_charged(book: Book) -> None:
    """Nothing was read between the last idle sample and the reply's end: the reply had half of the time."""
    book.script.spend(3, 20)
    reply = book.begin()
    reply.feed(5)
    book.script.spend(3, 20)
    assert reply.end().joules == pytest.approx((20 - 10) * 3)


def test_a_failed_reading_makes_the_replys_energy_unknown_and_not_less(book: Book) -> None:
    reply = book.begin()
    reply.feed(5)
    book.script.spend(1, 30)
    book.meter.sample()
    book.script.joules = None
    reply.feed(5)
    book.script.spend(1, 30)
    book.meter.sample()
    other = book.begin()
    reply.feed(5)
    book.script.spend(1, 30)
    assert reply.end() == Energy(quality="none", shared=False)
    other.feed(5)
    book.script.spend(1, 30)
    assert other.end().joules == pytest.approx(20)


def test_without_an_idle_moment_there_is_no_attribution() -> None:
    script = Script()
    meter = EnergyMeter(script, script.cpu, script.clock)
    reply = ReplyEnergyMeter(lambda: (0, None))
    meter.begin(reply)
    meter.sample()
    script.spend(4, 30)
    reply.close((5, None))
    assert meter.attribute(reply, 5).quality == "none"
    figures = meter.power()
    assert (figures.package_watts, figures.service_watts) == (30, None)
    assert figures.reason == "the idle machine's power is not known yet"


def test_a_busy_neighbour_does_not_pass_for_idle(book: Book) -> None:
    """The idle machine's power is the lowest tenth of what was seen, not the mean."""
    for _ in range(9):
        book.script.spend(5, 60)
        book.meter.sample()
    reply = book.begin()
    reply.feed(1)
    book.script.spend(1, 30)
    assert reply.end().joules == pytest.approx(20)


def test_without_a_source_there_is_a_reason() -> None:
    script = Script()
    meter = EnergyMeter(Unavailable("no sensor"), script.cpu, script.clock)
    meter.sample()
    script.spend(1, 30)
    meter.sample()
    figures = meter.power()
    assert (figures.package_watts, figures.energy_joules_total, figures.source) == (None, None, None)
    assert (figures.quality, figures.service_quality) == ("none", "none")
    assert figures.reason == "no sensor"


def test_watts_are_means_since_the_last_figures_and_the_total_goes_on(book: Book) -> None:
    book.meter.power()
    book.script.spend(2, 20, busy=1.0, service=0.5)
    book.meter.sample()
    book.script.spend(2, 40, busy=1.0, service=0.5)
    book.meter.sample()
    figures = book.meter.power()
    assert (figures.package_watts, figures.service_watts) == (30, 10)
    assert figures.energy_joules_total == 5 * 10 + 2 * 20 + 2 * 40
    assert (figures.quality, figures.service_quality) == ("measured", "attributed")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "feed", "sample", "end", "fail", "break"]),
        st.integers(0, 3),
        st.floats(0, 5),
        st.floats(0, 300),
    ),
    max_size=60,
)


@given(actions=ACTIONS, whole=st.booleans())
def test_replies_never_add_up_to_more_than_the_machine_used(
    actions: list[tuple[str, int, float, float]], *, whole: bool
) -> None:
    book = Book(whole=whole)
    before, replies, spent = book.script.total, list[Reply](), list[float]()
    for action, which, seconds, watts in actions:
        book.script.spend(seconds, watts)
        if action == "begin":
            replies.append(book.begin())
        elif action == "sample":
            book.meter.sample()
        elif action == "break":
            book.script.joules = None
        elif replies:
            reply = replies[which % len(replies)]
            if action == "feed":
                reply.feed(which + 1)
            else:
                replies.remove(reply)
                if action == "end":
                    spent.append(reply.end().joules or 0.0)
                else:
                    reply.meter.close()
    spent += [reply.end().joules or 0.0 for reply in replies]
    assert sum(spent) <= (book.script.total - before) * (1 + 1e-9) + 1e-9
    assert all(joules >= 0 for joules in spent)
    book.meter.sample()
    assert book.meter.open_replies == ()
