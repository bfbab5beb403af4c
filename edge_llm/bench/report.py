"""The report of `edge-llm bench`: tables for people, one object for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_llm.bench.figures import Figure, spread
from edge_llm.bench.profiling import Profile
from edge_llm.bench.setting import setting_lines

OUTSIDE_LIMIT_PERCENT = 4.0
"""Maximum part of a decode step of the demo model that may be spent outside ONNX Runtime."""


@dataclass(frozen=True)
class Report:
    """One run: figures or a profile; the other is empty."""

    setting: dict[str, Any]
    figures: Sequence[Figure] = ()
    profile: Profile | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of ``--json``."""
        result = self.setting | {"measures": [figure.to_json() for figure in self.figures]}
        if self.profile:
            outside = {"outside_percent": spread(self.profile.outside_percent)}
            times = {name: round(value, 4) for name, value in self.profile.items.items()}
            result |= {"profile": outside | {"token_ms": round(self.profile.token_ms, 4), "items_ms": times}}
        return result

    def lines(self) -> list[str]:
        """Format everything as text: medians with the minimum and the maximum."""
        lines = [*setting_lines(self.setting), *(figure.line() for figure in self.figures)]
        return lines + (_profile_lines(self.profile) if self.profile else [])


def _profile_lines(profile: Profile) -> list[str]:
    outside = "{median:.2f} % of decoding [{min:.2f} - {max:.2f}]".format(**spread(profile.outside_percent))
    bar = f"the demo model's bar: below {OUTSIDE_LIMIT_PERCENT:.0f} %"
    return [
        f"outside session.run: {outside} ({bar}), {profile.token_ms:.3f} ms a token",
        *(f"  {name:<22}{value:>8.3f} ms" for name, value in profile.items.items()),
    ]
