"""Totals of replies, and times and speeds over the last ones."""

from edge_llm.host.power.source import Unavailable
from edge_llm.telemetry.energy import CpuSeconds, EnergyAccounts, ReplyEnergy, ReplyEnergyMeter
from edge_llm.telemetry.reply_stats import WINDOW, Counters, ReplyRecord, ReplyStats


def accounts() -> EnergyAccounts:
    return EnergyAccounts(Unavailable("-"), lambda: CpuSeconds(0, 0))


def reply(ttft_s: float, tokens: int = 11, joules: float | None = None) -> ReplyRecord:
    energy = ReplyEnergy(joules, joules and 0.0, "measured" if joules else "unavailable", shared=False)
    return ReplyRecord(30, 20, tokens, ttft_s, ttft_s + 2, 2.0, energy)


def test_what_never_happened_is_unknown_and_not_0() -> None:
    book = accounts()
    figures = Counters().figures(ReplyStats(book), book, rejected=0)
    assert (figures.requests_total, figures.completion_tokens_total) == (0, 0)
    unknown = figures.tokens_per_second, figures.ttft_ms_p50, figures.ttft_ms_p95, figures.joules_per_token
    assert (*unknown, figures.energy_joules_total) == (None,) * 5


def test_a_request_is_queued_then_active_then_counted() -> None:
    book, woken = accounts(), list[bool]()
    generations, totals = ReplyStats(book, lambda: woken.append(True)), Counters()
    first, second = ReplyEnergyMeter(), ReplyEnergyMeter()
    generations.begin(first)
    generations.begin(second)
    first.started = True
    figures = totals.figures(generations, book, rejected=3)
    assert (figures.active, figures.queued, figures.requests_total, figures.rejected_total) == (1, 1, 2, 3)
    assert len(woken) == 2
    first.close((41, None))
    generations.completed(first, reply(0.5))
    generations.failed(second, "timeout")
    totals.add(generations.drain())
    assert generations.drain() == ()
    figures = totals.figures(generations, book, rejected=3)
    assert (figures.active, figures.queued, figures.errors_total) == (0, 0, 1)
    tokens = figures.prompt_tokens_total, figures.cached_tokens_total, figures.completion_tokens_total
    assert tokens == (30, 20, 11)


def test_times_and_speeds_are_of_the_last_replies() -> None:
    totals, book = Counters(), accounts()
    totals.add(tuple(reply(9.0) for _ in range(WINDOW)))
    totals.add(tuple(reply(number / 1000) for number in range(1, WINDOW + 1)))
    figures = totals.figures(ReplyStats(book), book, rejected=0)
    assert (figures.ttft_ms_p50, figures.ttft_ms_p95) == (50, 95)
    assert figures.tokens_per_second == 5.0
    assert figures.completion_tokens_total == 2 * WINDOW * 11


def test_joules_per_token_are_of_replies_that_were_measured() -> None:
    totals, book = Counters(), accounts()
    totals.add((reply(1, 10, joules=30.0), reply(1, 30, joules=10.0), reply(1, 1000)))
    figures = totals.figures(ReplyStats(book), book, rejected=0)
    assert (figures.joules_per_token, figures.energy_joules_total) == (1.0, 40.0)
