"""The report of a measurement with devices: times by part beside their bars, right ones, and idle work."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any

from benchmarks.devices.measure import STATES_PER_SECOND, Idle, Said
from benchmarks.devices.sentences import PARTS
from edge_llm.bench.setting import setting_lines

ALL, BY_MODEL = "all", "by the model"
BARS: dict[str, float] = {"command_p50_ms": 500, "command_p95_ms": 900, "idle_percent": 1}
"""What a house of 60 devices may take on two cores."""
_HEAD = f"{'':<14}{'n':>4}{'right':>7}{'command p50':>13}{'p95':>7}{'done p50':>10}{'p95 ms':>8}"


@dataclass(frozen=True)
class Report:
    """What was said, what the node took while idle, and the most memory that it had."""

    setting: dict[str, Any]
    devices: int
    said: Sequence[Said]
    idle: Idle
    peak_rss_mb: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        groups = {part: [said for said in self.said if said.sentence.part == part] for part in PARTS}
        groups |= {BY_MODEL: [said for said in self.said if said.by_model], ALL: list(self.said)}
        return self.setting | {
            "devices": self.devices,
            "sentences": {name: _figures(those) for name, those in groups.items() if those},
            "idle": asdict(self.idle) | {"states_per_second": STATES_PER_SECOND},
            "peak_rss_mb": round(self.peak_rss_mb, 1),
            "bars": BARS,
            "misses": [
                {"text": said.sentence.text, "answer": said.answer} for said in self.said if not said.right
            ],
        }

    def lines(self) -> list[str]:
        """Format everything as text."""
        its = self.to_json()
        lines = [*setting_lines(self.setting), f"{self.devices} devices", "", _HEAD]
        for name, figures in its["sentences"].items():
            line = f"{name:<14}{figures['n']:>4}{figures['right']:>7}"
            for what, widths in (("command_ms", (13, 7)), ("done_ms", (10, 8))):
                for quantile, width in zip(("p50", "p95"), widths, strict=True):
                    line += f"{figures[what][quantile] if figures[what] else '-':>{width}}"
            lines.append(line)
        lines.append(f"{'bar':<25}{BARS['command_p50_ms']:>13g}{BARS['command_p95_ms']:>7g}")
        idle = self.idle
        silent = f"{idle.silent_percent:.2f} % of a core with silent devices"
        chatty = f"{idle.chatty_percent:.2f} % at {STATES_PER_SECOND:g} states a second"
        return [
            *lines,
            "",
            f"idle, {idle.seconds:g} s each: {silent}, {chatty} (bar: {BARS['idle_percent']:g} %)",
            f"peak memory of the node: {its['peak_rss_mb']} MB",
            *(f"missed: {miss['text']} -> {miss['answer']}" for miss in its["misses"]),
        ]


def _figures(said: Sequence[Said]) -> dict[str, Any]:
    return {
        "n": len(said),
        "right": sum(each.right for each in said),
        "command_ms": _percentiles([each.command_ms for each in said if each.command_ms is not None]),
        "done_ms": _percentiles([each.done_ms for each in said]),
    }


def _percentiles(values: Sequence[float]) -> dict[str, int] | None:
    if not values:
        return None
    cuts = quantiles([*values, *values], n=20, method="inclusive")  # twice: one value has no quantiles
    return {"p50": round(cuts[9]), "p95": round(cuts[18])}
