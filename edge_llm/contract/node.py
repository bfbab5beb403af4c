"""Version 1 of the MQTT contract: the records that a node publishes of itself, info and telemetry.

Each is declared here alone; whoever measures a figure returns these records.
"""

from datetime import datetime
from typing import Literal

from edge_llm.contract.frames import Payload, Quality
from edge_llm.contract.reading import VERSION

FEATURES = ("tools", "json_schema", "act")
"""Kinds of requests that a node takes unless ``engine.constraints`` is off."""
DOCUMENTS_FEATURES = ("documents",)
"""Features of `edge-llm documents`, which is asked as a node is; it is no node of a pool, and no agent."""


class RequestLimits(Payload):
    """Maximum sizes, rates and ages of requests, and how many may wait."""

    request_bytes: int
    queue: int
    requests_per_minute: float
    ttl_s: float


class Limits(RequestLimits):
    """Limits of a node's requests."""

    context_tokens: int


class Pinning(Payload):
    """CPUs that inference is configured for, and those that its threads may run on: lists such as 2-5,8."""

    requested: str
    """The setting ``engine.inference_cores``."""
    effective: str
    mode: Literal["pinned", "none", "denied"]
    """``denied``: at least one thread is not where the plan wants it; inference goes on all the same."""


class PrefillGraph(Payload):
    """Use of the graph that reads prompts by products of 8-bit integers."""

    used: bool
    reason: str | None = None
    """Why it is not used."""
    instructions: str | None = None
    """The processor's best instructions for such products, AVX512-VNNI for example; null if none help."""


class State(Payload):
    """State that is kept in memory only, because its configured file or directory cannot be used."""

    sessions: Literal["memory"] | None = None
    """Sessions and answered requests."""
    prefixes: Literal["memory"] | None = None
    """Prefilled prefixes."""
    reason: str


class HouseInfo(Payload):
    """The house that sentences act on, merged of what its sources say."""

    devices: int
    areas: int
    sources: tuple[str, ...]
    """Sources whose description is in use, in the order of their rank; ``(file)`` is ``house.file``."""
    language: str | None = None
    """Absent where no description is in use."""
    problems: dict[str, str] | None = None
    """By source: why its last description is not in use, or not all of it. The last good one stays."""
    ready: bool
    """Whether the newest description is in use, and what the model is told of it is computed ahead."""


class Info(Payload):
    """Description of a node, retained on its info topic."""

    v: int = VERSION
    version: str
    release: str | None = None
    node: str
    protocol: str
    pool: str | None = None
    model: str
    architecture: str
    quantization: str
    bundle_hash: str
    features: tuple[str, ...] | None = None
    """FEATURES, or none of them; absent from nodes of older versions."""
    limits: Limits
    pinning: Pinning
    prefill_graph: PrefillGraph | None = None
    """Absent from nodes of older versions."""
    state: State | None = None
    """Absent when all is kept that should be."""
    house: HouseInfo | None = None
    """Absent where no source describes one, and from nodes of older versions."""


class Papers(Payload):
    """Numbers of files and passages in the index of `edge-llm documents`."""

    documents: int
    passages: int
    unread: int = 0
    """Files that could not be read; the service's log says why."""


class DocumentsInfo(Payload):
    """Description of `edge-llm documents`, retained on the info topic of its own id."""

    v: int = VERSION
    version: str
    release: str | None = None
    node: str
    """Its own id, as a node's is in its topics: ``documents.id``."""
    protocol: str
    features: tuple[str, ...] = DOCUMENTS_FEATURES
    asks_node: str | None = None
    """Id of the node that answers from the passages; absent where a pool does."""
    asks_pool: str | None = None
    """Pool whose nodes answer; absent where one node does."""
    limits: RequestLimits
    papers: Papers


class Source(Payload):
    """A passage that an answer was made from: an entry of ``sources`` in the ``custom`` of its Done."""

    document: str
    """Path of the file below the folder of the papers, with /."""
    title: str
    heading: str
    """Headings above the passage, joined by " > "; empty where there are none."""
    page: int | None = None
    """Page of a PDF, from 1."""

    def line(self) -> str:
        """Name the place in one line: ``manual.pdf, page 12: Error codes``."""
        page = f", page {self.page}" if self.page else ""
        return f"{self.document}{page}" + (f": {self.heading}" if self.heading else "")


class Cpu(Payload):
    """Processor load since the telemetry before, frequency, temperature and throttling."""

    percent: float | None
    """Mean of all CPUs."""
    per_core_percent: tuple[float, ...]
    inference_percent: float | None
    """Mean of the CPUs that inference is planned for."""
    frequency_mhz: tuple[float, ...] | None
    temperature_celsius: float | None
    throttle_count: int | None
    """Times that the hardware has slowed down for heat since the machine was started."""


class Memory(Payload):
    """Memory of the node's process, its caches among it, and what the machine has left."""

    rss_bytes: int | None
    pss_bytes: int | None
    """The process's memory, with what it shares with others counted in proportion."""
    anonymous_bytes: int | None
    """The part of ``rss_bytes`` that is the process's own; it cannot be given up without swap."""
    mapped_bytes: int | None
    """The part that is files, the model's weights above all: page cache, which other processes share."""
    shared_bytes: int | None
    """The part that is shared memory."""
    available_bytes: int | None
    kv_bytes: int
    prefix_cache_bytes: int


class Pressure(Payload):
    """Pressure stall information: percent of the last 10 s in which at least one task waited."""

    cpu_some_avg10: float | None
    memory_some_avg10: float | None
    io_some_avg10: float | None


class Power(Payload):
    """Mean watts since the telemetry before, and total joules; ``reason`` says why some are null."""

    package_watts: float | None
    """Power of all that ``source`` covers: the processor's packages, the battery's load, or the plug's."""
    dram_watts: float | None
    service_watts: float | None
    """The node's part of ``package_watts`` above the idle machine's, by processor time."""
    energy_joules_total: float | None
    """``package_watts`` over time since the node began; without the times that could not be read."""
    quality: Quality
    """Origin of ``package_watts``, ``dram_watts`` and the total."""
    service_quality: Quality
    """Origin of ``service_watts``."""
    source: str | None
    method: str | None
    reason: str | None


class Llm(Payload):
    """Request and token totals since the node began; speeds, times and ratios of the last 100 replies."""

    active: int
    queued: int
    requests_total: int
    rejected_total: int
    errors_total: int
    prompt_tokens_total: int
    cached_tokens_total: int
    completion_tokens_total: int
    energy_joules_total: float | None
    """Sum over all replies whose energy is known."""
    tokens_per_second: float | None
    ttft_ms_p50: float | None
    ttft_ms_p95: float | None
    joules_per_token: float | None


class Acts(Payload):
    """Totals of the devices that the node has moved itself since it began, and of what it did not do."""

    carried_out_total: int
    unconfirmed_total: int
    """Those whose state did not show it in time."""
    refused_total: int
    """Those that were not sent: too many at a time, or the broker was away."""


class Telemetry(Payload):
    """A node's figures, published each ``telemetry.period_s``; one that cannot be read is null, never 0."""

    v: int = VERSION
    node: str
    seq: int
    time: datetime
    boot_time: datetime
    """Instant at which the machine was started."""
    cpu: Cpu
    memory: Memory
    pressure: Pressure
    power: Power
    llm: Llm
    pinning: Pinning
    acts: Acts | None = None
    """None of a node that moves nothing itself."""

    def encode(self) -> bytes:
        """The payload: JSON with its nulls."""
        return self.model_dump_json().encode()
