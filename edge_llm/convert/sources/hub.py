"""Opens a model on the Hugging Face hub: fetches it into the hub's own cache and reads it as a directory.

`huggingface_hub` resumes an interrupted download and obeys HF_ENDPOINT, HF_HOME, HF_TOKEN and HF_HUB_OFFLINE.
"""

import sys
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils.tqdm import disable_progress_bars

from edge_llm.convert.sources.hf_chat_files import FILES
from edge_llm.convert.sources.hf_directory import open_directory
from edge_llm.convert.sources.source import Source
from edge_llm.errors import SourceError

_PATTERNS = [*FILES, "*.safetensors", "*.safetensors.index.json"]
_ATTEMPTS = 3
_LOG_IN = "set HF_TOKEN to a token that may read it"


def open_hub(spec: str) -> Source:
    """Fetch ``owner/name`` or ``owner/name@revision`` and open it; ``revision`` becomes the commit's hash.

    Raises:
        SourceError: it cannot be fetched, with what to do about it, or cannot be read.
    """
    snapshot = fetch(spec)
    return open_directory(snapshot, origin=spec.partition("@")[0], revision=snapshot.name)


def fetch(spec: str) -> Path:
    """Fetch ``owner/name`` or ``owner/name@revision``; returns its directory, which is named by the commit.

    Raises:
        SourceError: it cannot be fetched, with what to do about it.
    """
    repository, _, revision = spec.partition("@")
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        return _download(repository, revision or None)
    except Exception as error:  # network errors are requests' in huggingface_hub 0.x, httpx's later
        raise SourceError(_explanation(error, repository, revision)) from error


def _download(repository: str, revision: str | None) -> Path:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            # What lies in subdirectories are other formats of the same weights.
            snapshot = snapshot_download(
                repository, revision=revision, allow_patterns=_PATTERNS, ignore_patterns="*/*"
            )
            return Path(snapshot)
        except (HfHubHTTPError, LocalEntryNotFoundError):
            raise
        except OSError as error:
            # A cut connection has no errno. huggingface_hub 1.x resumes by itself; 0.x at the next call.
            if error.errno is not None or attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _explanation(error: Exception, repository: str, revision: str) -> str:
    """Explain an error in one line: the cause, and what to do."""
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # why the hub was not asked, or what it said
    page = f"{constants.ENDPOINT}/{repository}"
    match error:
        case GatedRepoError():
            said, do = f"{repository} is gated", f"accept its terms at {page}, then {_LOG_IN}"
        case RepositoryNotFoundError():
            said = f"{repository} is neither a directory here nor a repository at {page}"
            do = f"check the name; if it is private, {_LOG_IN}"
        case RevisionNotFoundError():
            said, do = f"{repository} has no revision {revision!r}", f"see {page}/commits"
        case HfHubHTTPError() if error.response is not None and error.response.status_code in {401, 403}:
            said, do = f"no access to {page}", f"check the name; if it is private, {_LOG_IN}"
        case OfflineModeIsEnabled():
            said = f"{repository} is not in the cache, and HF_HUB_OFFLINE is set"
            do = "unset it once to fetch the model"
        case HFValidationError():
            said, do = f"{repository!r} is not a hub id", _first_line(error)
        case OSError() if error.errno:
            said = f"cannot write {repository} to {constants.HF_HUB_CACHE} ({error.strerror})"
            do = "make room there, or set HF_HOME"
        case _:
            said = f"cannot fetch {page} ({_first_line(error)})"
            do = "check the network and HF_ENDPOINT, then try again"
    return f"{said}: {do}"


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
