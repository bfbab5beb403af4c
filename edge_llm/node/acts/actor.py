"""Carries out acts: each once, whatever is killed or comes again.

An act is written down before anything of it is sent. Behind its messages, on the same connection, goes a note
to the node itself, at QoS 1, in a session that the broker keeps: where that note arrives, the messages have.
Where it is not known whether they were sent, since the node or the broker was restarted meanwhile, a second
note is sent, and the broker hands messages out in order: if the first has not come before it, the messages
were never there, and are sent now.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from threading import Condition, Thread
from time import monotonic
from uuid import uuid4

from edge_llm.contract.node import Acts
from edge_llm.errors import RequestError
from edge_llm.event_log import EventLog, stack_of
from edge_llm.gateway.rate_limit import RateLimiter
from edge_llm.house.announced.plan import Plan, Step
from edge_llm.house.announced.states import Told
from edge_llm.mqtt.message import Message
from edge_llm.node.acts.act_log import MAX_ACTS, ActLog
from edge_llm.node.acts.devices import DeviceFeed

log = EventLog(__name__)

CONFIRM_S = 2.0
"""Seconds in which the state of a device has to show what it was told, or that it moves there."""
MOST_STEPS_PER_MINUTE = 1200
_DOUBT_S = 5.0
"""Seconds without a note after which it is asked for."""
_MOST_DOUBT_S = 30.0
"""Seconds after which nobody waits for a note that was asked for: the broker may keep it from the node."""
_LOOK_S = 0.1
"""Seconds between two looks at the acts in progress, if nothing is new."""
_MOST_NOTE_BYTES = 64
"""Of what comes on the topic of notes no more is read, since it is remembered."""


class _Stage(Enum):
    NEW = auto()
    SENDING = auto()
    """The messages were sent; the note has not come."""
    DOUBT = auto()
    """Whether they were sent has to be found out."""
    SENT = auto()


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a plan: names of the devices that do not show it, and of those that were not told.

    ``is_left``: the node stops, and the next process goes on with it.
    """

    plan: Plan
    unconfirmed: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    is_left: bool = False


OnEnd = Callable[[Carried], None]


@dataclass(slots=True, eq=False)
class _Job:
    key: str
    plan: Plan
    expires_at: float
    client: str
    on_end: OnEnd
    stage: _Stage = _Stage.NEW
    is_written: bool = False
    connection: int = 0
    """Number of the connection that it was sent by."""
    told: dict[str, Told] = field(default_factory=dict)
    """By device: what it had told by then; absent of an earlier process's acts."""
    refused: set[str] = field(default_factory=set)
    until: float = 0.0
    token: str = ""


class Actor:
    """Owns the thread ``actor``, which sends what moves devices, and waits for their states."""

    def __init__(self, devices: DeviceFeed, act_log: ActLog, due: Condition) -> None:
        """Send by the connection of ``devices``, which notifies ``due`` at each new state and note."""
        self._devices = devices
        self._act_log = act_log
        self._limiter = RateLimiter(MOST_STEPS_PER_MINUTE)
        self._due = due
        self._new: list[_Job] = []
        self._stopping = False
        self._jobs: list[_Job] = []
        self._acted: OrderedDict[str, None] = OrderedDict()
        """Keys of the acts whose notes have come."""
        self._acts = Acts(carried_out_total=0, unconfirmed_total=0, refused_total=0)
        self._thread = Thread(target=self._run, name="actor", daemon=True)

    @property
    def acts(self) -> Acts:
        """What was done so far, in numbers."""
        return self._acts

    def start(self) -> None:
        """Begin to carry out what comes."""
        self._thread.start()

    def stop(self) -> None:
        """End every act, or leave it to the next process unless it was surely sent; then the thread."""
        with self._due:
            self._stopping = True
            self._due.notify()
        if self._thread.is_alive():
            self._thread.join()

    def begun(self, key: str) -> Plan | None:
        """The plan of an act that was begun before, by this process or an earlier one.

        Raises:
            RequestError: see ``ActLog.find``.
        """
        found = self._act_log.find(key)
        return found.plan if found else None

    def carry_out(self, key: str, client: str, plan: Plan, expires_at: float, on_end: OnEnd) -> None:
        """Carry out a plan, unless it cannot be begun by ``expires_at`` (time.monotonic).

        ``on_end`` runs on the thread ``actor``, or at once where that has ended.
        """
        with self._due:
            is_left = self._stopping
            if not is_left:
                self._new.append(_Job(key, plan, expires_at, client, on_end))
                self._due.notify()
        if is_left:
            on_end(Carried(plan, is_left=True))

    def _run(self) -> None:
        while True:
            with self._due:
                notes = self._devices.take_notes()
                if not (notes or self._new or self._stopping):
                    self._due.wait(_LOOK_S if self._jobs else None)
                    notes = self._devices.take_notes()
                new, self._new = self._new, []
            for message in notes:
                self._hear(message)
            for job in new:
                self._jobs.append(job)
                self._guarded(job, self._take_up)
            for job in tuple(self._jobs):
                self._guarded(job, self._advance)
            if self._stopping and not self._jobs:
                return

    def _guarded(self, job: _Job, work: Callable[[_Job], None]) -> None:
        try:
            work(job)
        except Exception as error:  # noqa: BLE001 - what is wrong with one act must not end another
            log.error("act.failed", error=type(error).__name__, stack=stack_of(error))  # noqa: TRY400 - it may quote names
            self._end(job, failed=tuple(step.name for step in job.plan.steps))

    def _hear(self, message: Message) -> None:
        """Take in a note: of an act that was sent, or one that was asked for."""
        said = message.payload[:_MOST_NOTE_BYTES].decode(errors="replace")
        asked = next((job for job in self._jobs if job.token == said), None)
        if asked:
            if asked.stage is _Stage.DOUBT:
                asked.stage = _Stage.NEW
        else:
            self._act_log.sent(said)
            self._acted[said] = None
            if len(self._acted) > MAX_ACTS:
                self._acted.popitem(last=False)
            for job in self._jobs:
                if job.key == said:
                    self._know_sent(job)
        message.acknowledge()  # not sooner: it would not come again

    def _take_up(self, job: _Job) -> None:
        """Begin an act, or go on with one that an earlier process has begun."""
        before = self._act_log.find(job.key)
        if before is None:
            return
        job.is_written = True
        if before.sent or job.key in self._acted:
            self._know_sent(job)
        else:
            self._doubt(job)

    def _know_sent(self, job: _Job) -> None:
        if job.stage is not _Stage.SENDING:  # that it waits for since it was sent
            job.until = monotonic() + CONFIRM_S
        job.stage = _Stage.SENT

    def _doubt(self, job: _Job) -> None:
        job.stage, job.token, job.until = _Stage.DOUBT, uuid4().hex, monotonic() + _MOST_DOUBT_S
        self._devices.note(job.token, kept=True)

    def _advance(self, job: _Job) -> None:
        now = monotonic()
        if job.stage is _Stage.NEW:
            self._begin(job, now)
            return
        # What may not have been sent is not over because a state shows it: others may have brought it about.
        doubtful = job.stage is _Stage.DOUBT
        waiting = tuple(step.name for step in job.plan.steps if not self._is_settled(job, step))
        over = now >= job.until or self._stopping
        if self._stopping and (doubtful or (waiting and job.stage is _Stage.SENDING)):
            self._leave(job)
        elif not (waiting or doubtful) or (over and job.stage is not _Stage.SENDING):
            self._end(job, waiting, tuple(sorted(self._names(job))))
        elif job.stage is _Stage.SENDING:
            lost = self._devices.connections != job.connection or not self._devices.ready
            if lost or now >= job.until - CONFIRM_S + _DOUBT_S:
                self._doubt(job)

    def _begin(self, job: _Job, now: float) -> None:
        """Send an act as soon as the broker is there; else it has failed, or is left to the next process."""
        if self._devices.ready:
            self._send(job)
        elif now >= job.expires_at:
            self._act_log.withdraw(job.key)
            self._end(job, failed=tuple(step.name for step in job.plan.steps))
        elif self._stopping:
            self._leave(job)

    def _leave(self, job: _Job) -> None:
        self._jobs.remove(job)
        job.on_end(Carried(job.plan, is_left=True))

    def _send(self, job: _Job) -> None:
        """Write an act down, and send its messages; what is too much at a time is refused."""
        if not job.is_written:
            self._act_log.begin(job.key, job.plan)
            job.is_written = True
        steps = job.plan.steps
        job.told = {step.device: self._devices.told(step.device) for step in steps}
        job.connection = self._devices.connections
        job.refused.clear()
        for step in steps:
            try:
                self._limiter.take("acts")
            except RequestError:
                job.refused.add(step.device)
                continue
            for message in step.messages:
                self._devices.publish(message)
        self._devices.note(job.key)
        job.stage, job.until = _Stage.SENDING, monotonic() + CONFIRM_S
        for step in steps:
            log.info("act.sent", client=job.client, device=step.device, action=step.action)

    def _is_settled(self, job: _Job, step: Step) -> bool:
        """Whether nothing more is waited for: the state shows it, none ever will, or nothing was sent."""
        if not step.messages or step.device in job.refused:
            return True
        if job.stage is _Stage.SENT and not step.tells_state:
            return True
        state = self._devices.state(step.device)
        return state is not None and state.is_as(step.action, step.value, job.told.get(step.device, Told()))

    def _names(self, job: _Job) -> set[str]:
        """Names of the devices that were not told."""
        return {step.name for step in job.plan.steps if not step.messages or step.device in job.refused}

    def _end(self, job: _Job, unconfirmed: tuple[str, ...] = (), failed: tuple[str, ...] = ()) -> None:
        if job not in self._jobs:
            return
        self._jobs.remove(job)
        before, done = self._acts, len(job.plan.steps) - len(failed)
        self._acts = Acts(
            carried_out_total=before.carried_out_total + done,
            unconfirmed_total=before.unconfirmed_total + len(unconfirmed),
            refused_total=before.refused_total + len(failed),
        )
        log.info("act.ended", client=job.client, unconfirmed=len(unconfirmed), failed=len(failed))
        job.on_end(Carried(job.plan, unconfirmed, failed))
