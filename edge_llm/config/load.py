"""Reads the settings from a YAML file and the environment, and says in one line what is wrong with them."""

import difflib
import os
import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from edge_llm.config.sections import ENV_PREFIX, Settings
from edge_llm.errors import ConfigError
from edge_llm.event_log import EventLog

log = EventLog(__name__)

DEFAULT_PATH = Path("/etc/edge_llm/edge_llm.yaml")
_OF_A_SERVICE = re.compile(
    r"""
    (?:\w+_)?
    (?: SERVICE_HOST=.* | SERVICE_PORT(?:_\w+)?=\d+
      | PORT(?:_\d+_(?:TCP|UDP|SCTP))?=(?:tcp|udp|sctp)://.*
      | PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR)=.*
      | NAME=/.+/.+ | ENV_\w+=.*
    )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""Variables that Kubernetes sets for a service called edge-llm…, and Docker for a linked container.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables,
https://docs.docker.com/engine/network/links/#environment-variables
"""


def load_settings(path: Path | None = None) -> Settings:
    """Read the YAML file at ``path`` (or DEFAULT_PATH if that exists), then the environment, which wins.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is not allowed.
    """
    if path is None and DEFAULT_PATH.exists():
        path = DEFAULT_PATH
    _refuse_unknown_environment()
    try:
        return Settings(**(_read_yaml(path) if path else {}))
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from error
    except ValueError as error:  # pydantic-settings on a variable that is not JSON where it must be
        raise ConfigError(f"environment: {error}") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"{path} is not valid YAML: {where}") from error
    if not isinstance(values or {}, dict):
        raise ConfigError(f"{path} must hold sections ({', '.join(Settings.model_fields)})")
    # A section with nothing but comments under it is None: all defaults.
    return {key: value for key, value in (values or {}).items() if value is not None}


def _refuse_unknown_environment() -> None:
    """Refuse variables EDGE_LLM_… that are no settings, except those that Kubernetes or Docker set."""
    ignored = []
    for name, value in os.environ.items():
        if not name.upper().startswith(ENV_PREFIX):
            continue
        rest = name[len(ENV_PREFIX) :]
        section, *keys = rest.lower().split("__")
        if section in Settings.model_fields:
            continue
        if not keys and _OF_A_SERVICE.fullmatch(f"{rest}={value}"):
            ignored.append(name)
        else:
            raise ConfigError(f"environment: {name} is not a setting{_nearest_variable(section)}")
    if ignored:
        reason = "not settings: Kubernetes or Docker has set them for a service or container of this name"
        log.info("config.ignored", variables=sorted(ignored), reason=reason)


def _nearest_variable(name: str) -> str:
    """Suggest the setting or section that was meant: often a double underscore is missing."""
    section, _, key = name.partition("_")
    model: Any = Settings.model_fields[section].annotation if section in Settings.model_fields else None
    if key in getattr(model, "model_fields", ()):
        return f"; did you mean {ENV_PREFIX}{section}__{key}?".replace(
            f"{section}__{key}", f"{section}__{key}".upper()
        )
    return _nearest(name, Settings.model_fields)


def _explain(error: ValidationError, path: Path | None) -> str:
    first = min(
        error.errors(), key=lambda each: each["type"] != "extra_forbidden"
    )  # a typo explains the rest
    keys = [str(key) for key in first["loc"]]
    where = f"{path}: " if path else ""
    if first["type"] != "extra_forbidden":
        words = first["msg"].removeprefix("Value error, ")
        return f"{where}{'.'.join(keys)}: {words}" if keys else f"{where}{words}"
    model: Any = Settings
    for key in first["loc"][:-1]:
        model = model.model_fields[key].annotation if isinstance(key, str) else get_args(model)[0]
    return f"{where}{'.'.join(keys)} is not a setting{_nearest(keys[-1], model.model_fields)}"


def _nearest(name: str, valid: Any) -> str:
    close = difflib.get_close_matches(name, valid, 1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(valid)}"
