"""Reads the file that describes a house, which people write: as JSON or as YAML."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from edge_llm.contract.house import House, parse_house
from edge_llm.errors import ConfigError, RequestError

_BOOL, _TIMESTAMP = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """YAML in which on, off, yes, no and dates are text, as in YAML 1.2: states, names, and Norwegian."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in those if tag not in (_BOOL, _TIMESTAMP)]
    for first, those in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read_house(path: Path, setting: str = "house.file") -> House:
    """Read a file whose name ends in ``.json`` as JSON, any other as YAML.

    Raises:
        ConfigError: it cannot be read, or describes no house; its text begins with ``setting``.
    """
    try:
        return parse_house(json.dumps(_values(path)).encode())
    except RequestError as error:
        raise ConfigError(f"{setting}: {path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{setting}: cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        where = " ".join(str(error).split())
        raise ConfigError(f"{setting}: {path} is not valid {kind}: {where}") from error


def _values(path: Path) -> Any:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".json":
        return json.loads(text)
    return yaml.load(text, _Loader)  # noqa: S506 - a safe one
