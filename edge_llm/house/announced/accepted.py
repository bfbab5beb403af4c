"""Which devices of those that announced themselves the operator has accepted."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_llm.errors import ConfigError
from edge_llm.house.discovery.entity import Entity

Accept = Literal["all"] | Path | None
"""``house.accept``: all of them, those of a file, or none."""
_READABLE = 0o644
"""Mode of the file: whoever accepts may be another user than the node's."""


class _Device(BaseModel):
    model_config = ConfigDict(extra="ignore")

    fingerprint: str


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    v: Literal[1]
    devices: dict[str, _Device]


def accepted_of(entities: Mapping[str, Entity], accept: Accept) -> dict[str, Entity]:
    """The entities that are accepted, by id: those of a file if they take the same commands as then.

    Raises:
        ConfigError: the file cannot be read. One that is not there accepts nothing.
    """
    if accept == "all":
        return dict(entities)
    known = read_accepted(accept) if accept else {}
    return {name: each for name, each in entities.items() if known.get(name) == each.fingerprint}


def read_accepted(path: Path) -> dict[str, str]:
    """The fingerprints of the devices in a file, by id.

    Raises:
        ConfigError: it is there, and cannot be read.
    """
    try:
        read = _File.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"house.accept: cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        text = f"house.accept: {path} is none of these files; delete it, and run: edge-llm house accept"
        raise ConfigError(text) from error
    return {name: device.fingerprint for name, device in read.devices.items()}


def write_accepted(path: Path, entities: Mapping[str, Entity]) -> None:
    """Accept these entities, and no other, in a file; kind and name are there for who reads it.

    Raises:
        ConfigError: it cannot be written.
    """
    devices = {
        name: {"fingerprint": each.fingerprint, "kind": each.device.kind, "name": each.device.name}
        for name, each in sorted(entities.items())
    }
    text = json.dumps({"v": 1, "devices": devices}, ensure_ascii=False, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(f"{text}\n")
        Path(file.name).chmod(_READABLE)
        Path(file.name).replace(path)
    except OSError as error:
        raise ConfigError(f"house.accept: cannot write {path}: {error.strerror}") from error
