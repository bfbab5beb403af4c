"""What ``edge-llm bench`` prints: tables for people, one object for machines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edge_llm.bench.figures import Figure, spread
from edge_llm.bench.peers import Result
from edge_llm.bench.profiling import Profile

OUTSIDE_LIMIT_PERCENT = 4.0
"""What a decode step of the demo model may cost outside ONNX Runtime."""


@dataclass(frozen=True)
class Report:
    """One run; what was not asked for is empty. Of ``peers`` the first is ours."""

    setting: dict[str, Any]
    figures: Sequence[Figure] = ()
    profile: Profile | None = None
    peers: Sequence[Result] = ()

    def to_json(self) -> dict[str, Any]:
        """The object of ``--json``."""
        result = self.setting | {"measures": [figure.to_json() for figure in self.figures]}
        if self.profile:
            outside = {"outside_percent": spread(self.profile.outside_percent)}
            times = {name: round(value, 4) for name, value in self.profile.items.items()}
            result |= {"profile": outside | {"token_ms": round(self.profile.token_ms, 4), "items_ms": times}}
        if self.peers:
            result |= {"peers": [peer.to_json(self.peers[0]) for peer in self.peers]}
        return result

    def lines(self) -> list[str]:
        """Everything as text, medians with the least and the greatest value."""
        model = "{model}, {quantization}, {threads} threads, {rounds} rounds"
        host = "onnxruntime {onnxruntime}, {cpu}, load average {load_average} before (quiet: below 0.5)"
        lines = [model.format(**self.setting), host.format(**self.setting)]
        lines += [figure.line() for figure in self.figures]
        if self.profile:
            lines += _profile_lines(self.profile)
        if self.peers:
            lines += _peer_lines(self.peers)
        return lines


def _profile_lines(profile: Profile) -> list[str]:
    outside = "{median:.2f} % of decoding [{min:.2f} - {max:.2f}]".format(**spread(profile.outside_percent))
    bar = f"the demo model's bar: below {OUTSIDE_LIMIT_PERCENT:.0f} %"
    return [
        f"outside session.run: {outside} ({bar}), {profile.token_ms:.3f} ms a token",
        *(f"  {name:<22}{value:>8.3f} ms" for name, value in profile.items.items()),
    ]


def _peer_lines(peers: Sequence[Result]) -> list[str]:
    lines = ["", "peers: median [min - max], then how many times as much ours is, a round"]
    for peer in peers:
        described = peer.to_json(peers[0])
        if peer.missing:
            lines.append(f"{peer.name}: missing ({peer.missing})")
            continue
        lines.append(f"{peer.name} ({peer.version}, peak {peer.peak_rss_mb:.0f} MB)")
        for measure, its in described["measures"].items():
            ratio = its["ours_to_this"]
            line = f"  {measure:<14}{its['median']:>9.1f} [{its['min']:.1f} - {its['max']:.1f}]"
            if peer is not peers[0]:
                line += f"   ours x {ratio['median']:.2f} [{ratio['min']:.2f} - {ratio['max']:.2f}]"
            lines.append(line)
    return lines
