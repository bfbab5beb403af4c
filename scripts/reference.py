"""Writes what the documentation repeats of the code: run it by `.venv/bin/python -m scripts.reference`.

The settings (docs/configuration.md, config/edge_llm.example.yaml) and the topics (docs/mqtt.md).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from edge_llm.config import ID_PATTERN, Settings
from edge_llm.contract import asyncapi

ROOT = Path(__file__).parents[1]
_MARK = "<!-- made by scripts/reference.py -->"
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<", "pattern": ""}
_EXAMPLE = """\
# Every setting with its default. Environment variables override this file:
# EDGE_LLM_MQTT__HOST=broker.lan is `mqtt: {host: broker.lan}`. More in docs/configuration.md
"""


def files() -> dict[Path, str]:
    """Each file that repeats the code, as it should be."""
    made = {
        ROOT / "config/edge_llm.example.yaml": _EXAMPLE + "".join(_example(*each) for each in _sections())
    }
    tables = "\n".join(_table(*each) for each in _sections())
    for name, part in (("docs/configuration.md", tables), ("docs/mqtt.md", asyncapi.table() + "\n")):
        before, _, after = (ROOT / name).read_text(encoding="utf-8").split(_MARK)
        made[ROOT / name] = f"{before}{_MARK}\n{part}{_MARK}{after}"
    return made


def _sections() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and JSON schema of each section."""
    schema = Settings.model_json_schema()
    for name, section in schema["properties"].items():
        yield name, schema["$defs"][section.get("items", section)["$ref"].split("/")[-1]]


def _table(name: str, section: dict[str, Any]) -> str:
    title = f"\n### {name}\n\n{' '.join(section['description'].replace('``', '`').split())}\n\n"
    head = "| setting | type and range | default | description |\n|---|---|---|---|\n"
    return title + head + "".join(_row(key, field) for key, field in section["properties"].items())


def _row(key: str, field: dict[str, Any]) -> str:
    kind = field.get("anyOf", [field])[0]
    named = "id" if kind.get("pattern") == ID_PATTERN else kind.get("format", kind["type"])
    values = " or ".join(f"`{value}`" for value in kind.get("enum", ()))
    limits = [f"{sign} `{kind[limit]}`" for limit, sign in _LIMITS.items() if limit in kind and named != "id"]
    default = f"`{_scalar(field['default'])}`" if "default" in field else ""
    return f"| `{key}` | {', '.join([values or named, *limits])} | {default} | {field['description']} |\n"


def _example(name: str, section: dict[str, Any]) -> str:
    first, indent = ("# - ", "#   ") if name == "routes" else ("  ", "  ")
    lines = [
        f"\n# {section['description'].splitlines()[0]}",
        "routes: []" if name == "routes" else f"{name}:",
    ]
    for number, (key, field) in enumerate(section["properties"].items()):
        value = _scalar(field["examples"][0] if "examples" in field else field["default"])
        lines.append(f"{indent if number else first}{key}: {value}".ljust(34) + f"  # {field['description']}")
    return "\n".join(lines) + "\n"


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value, width=1000, default_flow_style=True).split("\n")[0]


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
