"""The report: the setting, and what each part has measured or why it could not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.homeassistant import mini, times, tools
from edge_llm.bench.setting import setting_lines

PARTS = {mini.PART: mini, times.PART: times, tools.PART: tools}


@dataclass(frozen=True)
class Report:
    """Figures by part; ``missing`` has the parts that could not be measured, with the reason."""

    setting: dict[str, Any]
    figures: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        return self.setting | {"parts": dict(self.figures), "missing": dict(self.missing)}

    def lines(self) -> list[str]:
        """Format everything as text."""
        found = setting_lines(self.setting)
        for part, its in self.figures.items():
            found += ["", *PARTS[part].lines(its)]
        return [*found, *(f"{part}: missing ({reason})" for part, reason in self.missing.items())]
