"""Writes what the documentation repeats of the code: run it by `.venv/bin/python -m scripts.reference`.

The settings (docs/configuration.md, config/edge_llm.example.yaml), the topics and the intents of acts
(docs/mqtt.md), and what the kinds of devices can do (docs/house.md).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from edge_llm.config import ID_PATTERN, Settings
from edge_llm.contract import asyncapi
from edge_llm.house.actions import ACTIONS, INTENTS, USUAL

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
    for name, parts in {
        "docs/configuration.md": (tables,),
        "docs/mqtt.md": (asyncapi.table() + "\n", _intents()),
        "docs/house.md": (_usual(),),
    }.items():
        pieces = (ROOT / name).read_text(encoding="utf-8").split(_MARK)
        pieces[1::2] = [f"\n{part}" for part in parts]
        made[ROOT / name] = _MARK.join(pieces)
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


def _intents() -> str:
    """The intent and the slot of each action."""
    rows = "| action | needs | intent | slot |\n|---|---|---|---|\n"
    for action in ACTIONS.values():
        own = {kind: intent for (each, kind), intent in INTENTS.items() if each == action.id}
        intents = [f"`{action.intent}`", *(f"of a `{kind}` `{intent}`" for kind, intent in own.items())]
        slot = f"`{action.slot}`" if action.slot else ""
        if action.value is not None:
            slot += f": `{action.value}`"
        if action.step:
            slot += f"; else `{action.slot}_step`: `{action.step:g}`"
        rows += f"| {action.id.replace('_', ' ')} | `{action.capability}` | {', '.join(intents)} | {slot} |\n"
    return rows


def _usual() -> str:
    """What devices can do whose document does not say."""
    rows = "| kind | can |\n|---|---|\n"
    for kind, capabilities in USUAL.items():
        can = ", ".join(f"`{name}`" for name, value in capabilities if value)
        rows += f"| `{kind}` | {can} |\n"
    return rows


def _scalar(value: Any) -> str:
    return yaml.safe_dump(value, width=1000, default_flow_style=True).split("\n")[0]


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
