"""What a sentence to the house comes to: calls, a question back, or words; with what was asked before."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import Event
from time import monotonic

from edge_llm.config import HouseSettings
from edge_llm.config.house import WHOLE_HOUSE
from edge_llm.contract.frames import Act as Outcome
from edge_llm.contract.house import CallResult, House
from edge_llm.contract.requests import Request
from edge_llm.contract.tools import ToolCall
from edge_llm.engine.types import Completion, GenerationRequest
from edge_llm.errors import RequestError
from edge_llm.house.acts import Act
from edge_llm.house.announced.plan import Plan
from edge_llm.house.choice import MOST_ASKED
from edge_llm.house.compiled import CompiledHouse, Doubtful, Meaning, NoCommand, Question, Settled, Undecided
from edge_llm.house.language.speech import Speech
from edge_llm.house.language.words import words_of
from edge_llm.house.targets import kinds_of
from edge_llm.node.acts.actor import Carried
from edge_llm.node.acts.memory import ActMemory, AskedBack, Called
from edge_llm.node.acts.planner import Planner

LEAST_PROBABILITY = 0.7
"""Probability of what the model chose below which it is asked back: a wrong act is worse than a question."""
MOST_TOKENS = 256
"""Maximum length of what the model writes for one sentence, in tokens."""
EXPECT_HOUSE_S, EXPECT_DEVICES_S = 2.0, 5.0
"""Seconds after a connection in which acts wait for a house, if none is known: the second where devices
announce themselves."""
_MOST_GIVEN = 4
"""Houses of requests that are kept compiled."""
_MOST_NAMED = 20
"""Maximum number of candidates in a frame."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an act comes to: ``text`` is what is said; without calls, ``outcome`` tells why."""

    text: str
    calls: tuple[ToolCall, ...] = ()
    outcome: Outcome | None = None
    plan: Plan | None = None
    """What the node is to do itself first; ``text`` says nothing of it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A sentence, who says it, and the house that it is said to."""

    house: CompiledHouse
    client: str
    request: Request

    @property
    def text(self) -> str:
        """The sentence."""
        return self.request.text or ""


@dataclass(frozen=True, slots=True)
class Asking:
    """A command whose meaning the model chooses, among what ``undecided`` leaves."""

    command: Command
    undecided: Undecided

    def generation(self, request: GenerationRequest) -> GenerationRequest:
        """The request to the engine, with the times and the owner of ``request``: greedy, and short."""
        return GenerationRequest(
            self.undecided.turns,
            MOST_TOKENS,
            deadline=request.deadline,
            expires_at=request.expires_at,
            owner=request.owner,
            redelivered=request.redelivered,
            response_schema=self.undecided.schema,
            measured=True,
        )


class Acting:
    """Acts in the node's house, or in a request's own; for any thread, but ``begin`` for one alone."""

    def __init__(self, settings: HouseSettings, planner: Planner | None = None) -> None:
        """Ask about what ``settings.confirm`` lists first; ``planner`` says what the node does itself."""
        self._confirm = frozenset(settings.confirm)
        self._planner = planner
        self._house: CompiledHouse | None = None
        self._house_known = Event()
        self._expected_until = 0.0
        self._stopping = False
        self._given: OrderedDict[bytes, CompiledHouse] = OrderedDict()
        """Houses of requests; the own of the thread that calls ``begin``."""
        self._memory = ActMemory()

    def use(self, house: House | None) -> CompiledHouse | None:
        """Act in ``house`` from now on; takes milliseconds."""
        self._house = CompiledHouse(house) if house and house.devices else None
        (self._house_known.set if self._house else self._house_known.clear)()
        return self._house

    def expect_house(self) -> None:
        """Wait with acts for a moment: what the broker has kept comes before the house does."""
        self._expected_until = monotonic() + (EXPECT_DEVICES_S if self._planner else EXPECT_HOUSE_S)

    def stop(self) -> None:
        """Leave acts that wait for a house to the next process."""
        self._stopping = True
        self._house_known.set()

    def check(self, request: Request) -> None:
        """Refuse an act where there is no house, and none is expected; does not block.

        Raises:
            RequestError: bad_request.
        """
        needed = request.house is None and self._house is None and not request.results
        if needed and monotonic() >= self._expected_until:
            raise _no_house()

    def begin(self, client: str, request: Request) -> Said | Asking | None:
        """Find out what a request's sentence means; None where it is none, and an ordinary reply is due.

        Blocks for a moment where a house is expected.

        Raises:
            RequestError: see ``check``.
        """
        if request.results:
            return self._report(client, request, request.results)
        command = Command(self._compiled(request), client, request)
        house, text = command.house, command.text
        question = self._memory.take_question(client, request.session)
        if question and not house.has(question.targets):
            question = None  # the house is another now
        asked = question.doubtful if question else None
        if question and not asked and (yes := house.is_yes(text)) is not None:
            return self._done(command, question.acts) if yes else _cancelled(command)
        meaning = (asked and house.with_value(asked, text)) or house.meaning(text, request.context_area)
        if asked and not isinstance(meaning, Settled | Question):
            if meant := house.answered(text, asked.candidates):
                meaning = house.resolve(asked, meant)
            elif house.is_yes(text) is False:
                return _cancelled(command)
        return self._carry_out(command, meaning)

    def _carry_out(self, command: Command, meaning: Meaning) -> Said | Asking | None:
        match meaning:
            case Settled(acts):
                return self._do(command, acts)
            case Undecided():
                return Asking(command, meaning)
            case Question():
                return self._answer(command, meaning)
            case NoCommand():
                return _unclear(command) if command.request.act == "required" else None
            case Doubtful("impossible"):
                return Said(command.house.speech.say("impossible"), outcome=Outcome(outcome="impossible"))
            case Doubtful():
                return self._ask_which(command, meaning)

    def conclude(self, asking: Asking, completion: Completion) -> Said:
        """Do what the model has chosen; ask back where it was not sure, or its reply was cut."""
        house, choices = asking.command.house, asking.undecided.choices
        # Of several clauses each has its share.
        least = 0.0 if asking.undecided.only_items else LEAST_PROBABILITY ** len(choices)
        if (completion.probability or 0.0) >= least and completion.finish_reason == "stop":
            return self._do(asking.command, house.acts(completion.text, choices))
        return self._ask_which(asking.command, house.doubt(asking.undecided))

    def _compiled(self, request: Request) -> CompiledHouse:
        if request.house is None:
            self._house_known.wait(max(0.0, self._expected_until - monotonic()))
            if (known := self._house) is None and self._stopping:
                raise RequestError("unavailable", "the node is stopping")
            if known is None:
                raise _no_house()
            return known
        key = hashlib.sha256(request.house.model_dump_json().encode()).digest()
        house = self._given.pop(key, None) or CompiledHouse(request.house)
        self._given[key] = house
        if len(self._given) > _MOST_GIVEN:
            self._given.popitem(last=False)
        return house

    def _do(self, command: Command, acts: tuple[Act, ...]) -> Said:
        """Make the calls of acts, or ask first."""
        if not any(map(self._is_asked_about, acts)):
            return self._done(command, acts)
        self._keep_question(command, AskedBack(acts=acts))
        names = tuple(device.name for act in acts for device in act.devices)[:_MOST_NAMED]
        return Said(command.house.speech.confirm(acts), outcome=Outcome(outcome="confirm", candidates=names))

    def _done(self, command: Command, acts: Sequence[Act]) -> Said:
        """Make the calls of acts, and remember them for what is reported of them."""
        numbers, speech = count(), command.house.speech
        made = [(act, tuple(_numbered(act.calls(), command, numbers))) for act in acts]
        plan = None
        if self._planner and command.request.house is None:
            plan, made = self._planner.plan(command.client, made, speech)
        ids = tuple((act, frozenset(call.id for call in calls)) for act, calls in made)
        self._memory.keep_calls(command.client, command.request.session, Called(speech, ids))
        calls = tuple(call for _, calls in made for call in calls)
        return Said(speech.done(act for act, _ in made), calls, plan=plan)

    def _report(self, client: str, request: Request, results: Sequence[CallResult]) -> Said:
        """Say what became of the last act of a session."""
        last = self._memory.calls(client, request.session)
        bad = {result.id for result in results if not result.ok}
        if last is None or not {result.id for result in results} <= {i for _, ids in last.acts for i in ids}:
            raise RequestError("bad_request", "results: this session's last act made no such calls")
        good = [act for act, ids in last.acts if not ids & bad]
        failed = [act for act, ids in last.acts if ids & bad]
        text = " ".join(filter(None, (last.speech.done(good), last.speech.failed(failed))))
        return Said(text, outcome=Outcome(outcome="spoken"))

    def _is_asked_about(self, act: Act) -> bool:
        target = act.target
        everywhere = target.is_group and target.area is None and target.floor is None
        kinds = {kind for device in act.devices for kind in kinds_of(device)}
        if everywhere and len(act.devices) > 1:
            kinds.add(WHOLE_HOUSE)
        return not kinds.isdisjoint(self._confirm)

    def _answer(self, command: Command, question: Question) -> Said:
        """Tell the states that are known; else hand the question on as a call."""
        devices, ages_s = question.devices, {}
        if self._planner and command.request.house is None:
            observed = [self._planner.observed(command.client, device) for device in devices]
            devices = tuple(device for device, _ in observed)
            ages_s = {device.id: age_s for device, age_s in observed if age_s is not None}
        if all(device.state is not None for device in devices):
            text = command.house.speech.states(devices, question.state, ages_s)
            return Said(text, outcome=Outcome(outcome="spoken"))
        calls = (call for act in question.acts for call in act.calls())
        return Said("", tuple(_numbered(calls, command, count())))

    def _ask_which(self, command: Command, doubtful: Doubtful) -> Said:
        speech, lacks, least = command.house.speech, doubtful.lacks, 1 if doubtful.guessed else 2
        asked = tuple(dict.fromkeys(map(speech.name, doubtful.candidates)))
        names = tuple(dict.fromkeys(name for each in doubtful.candidates for name in each.names))
        if not (lacks or least <= len(asked) <= MOST_ASKED):
            return _unclear(command, names)
        self._keep_question(command, AskedBack(doubtful=doubtful))
        text = speech.which_value(doubtful.candidates[0], lacks) if lacks else speech.which(asked)
        return replace(_unclear(command, names), text=text)

    def _keep_question(self, command: Command, question: AskedBack) -> None:
        self._memory.keep_question(command.client, command.request.session, question)


def told(said: Said, carried: Carried) -> Said:
    """What an act comes to whose plan was carried out: it claims nothing that no device has shown."""
    plan, failed, unconfirmed = carried.plan, carried.failed, carried.unconfirmed
    speech = Speech(words_of(plan.language))
    done = plan.said_of((*failed, *unconfirmed))
    text = " ".join(filter(None, (done, speech.unanswered(unconfirmed), speech.not_done(failed), said.text)))
    outcome = Outcome(
        outcome="failed" if failed else "sent" if unconfirmed else "done",
        candidates=tuple(dict.fromkeys((*failed, *unconfirmed)))[:_MOST_NAMED],
        carried_out=plan.calls,
    )
    return replace(said, text=text, outcome=outcome, plan=None)


def _no_house() -> RequestError:
    text = "act: this node knows no house; publish one on its house topic, or send it as house"
    return RequestError("bad_request", text)


def _cancelled(command: Command) -> Said:
    return Said(command.house.speech.say("cancelled"), outcome=Outcome(outcome="spoken"))


def _unclear(command: Command, names: tuple[str, ...] = ()) -> Said:
    return Said(
        command.house.speech.say("unclear"),
        outcome=Outcome(outcome="unclear", candidates=names[:_MOST_NAMED]),
    )


def _numbered(calls: Iterable[ToolCall], command: Command, numbers: Iterator[int]) -> Iterator[ToolCall]:
    """Give calls the ids that they would have again: who carries out a request twice can tell."""
    for call, number in zip(calls, numbers, strict=False):
        seed = f"{command.client} {command.request.id} {number}".encode()
        yield call.model_copy(update={"id": f"call_{hashlib.sha256(seed).hexdigest()[:16]}"})
