"""What a comparison measured: values of each contender, one per round, and their ratios within a round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_llm.bench.figures import spread

PREFILL, DECODE = "prefill", "decode"
Measure = tuple[str, int]
"""PREFILL or DECODE, both in tokens/s, and the tokens of the prompt (behind which is decoded)."""


@dataclass(frozen=True)
class Result:
    """Values of one contender per measure, one per round; for a missing contender only the reason."""

    name: str
    version: str = ""
    values: Mapping[Measure, tuple[float, ...]] = field(default_factory=dict)
    peak_rss_mb: float | None = None
    missing: str = ""

    def to_json(self, ours: "Result") -> dict[str, Any]:
        """Return medians, spreads, and the rate of ``ours`` divided by this one's in each round."""
        if self.missing:
            return {"name": self.name, "missing": self.missing}
        measures: dict[str, dict[str, Any]] = {PREFILL: {}, DECODE: {}}
        for (name, tokens), values in self.values.items():
            ratios = [mine / its for mine, its in zip(ours.values[name, tokens], values, strict=True)]
            measures[name][str(tokens)] = spread(values) | {"ours_to_this": spread(ratios)}
        known = {"name": self.name, "version": self.version, "peak_rss_mb": self.peak_rss_mb}
        return known | {"unit": "tokens/s", **measures}
