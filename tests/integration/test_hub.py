"""`prepare owner/name` against a local server that speaks as much of the hub as huggingface_hub uses."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_llm.bundle import open_bundle
from edge_llm.demo.processes import free_port
from tests.tiny_model import write_model

COMMITS = {"main": "a" * 40, "v1/old": "b" * 40}
DENIED = {
    "tiny/gated": (403, "GatedRepo"),
    "tiny/gated-login": (401, "GatedRepo"),
    "tiny/forbidden": (403, ""),
    "tiny/missing": (404, "RepoNotFound"),
    "tiny/private": (401, ""),
    "tiny/broken": (500, ""),
}
CUT_AT = 24_000_000


class HubServer(ThreadingHTTPServer):
    """Serves the files of ``model`` as ``tiny/model``; every request is noted in ``seen``."""

    def __init__(self, model: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model
        self.seen: list[tuple[str, str, str]] = []
        self.cuts = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def ranges(self, file: str) -> list[str]:
        return [its_range for method, path, its_range in self.seen if method == "GET" and path.endswith(file)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].replace("%2F", "/")
        self.server.seen.append((self.command, path, self.headers.get("Range", "")))
        repository = "/".join(path.removeprefix("/api/models").split("/")[1:3])
        if repository in DENIED:
            status, code = DENIED[repository]
            # As on the hub, everybody may see that a gated repository is there and what it holds.
            if code != "GatedRepo" or "/resolve/" in path:
                self._answer(b"denied", status, {"X-Error-Code": code} if code else {})
                return
        if path.startswith("/api/models"):
            self._api(path)
        else:
            *_, commit, name = path.split("/")
            self._file(name, commit)

    def _api(self, path: str) -> None:
        revision = path.partition("/revision/")[2] or path.partition("/tree/")[2] or "main"
        commit = COMMITS.get(revision, revision)
        if commit not in COMMITS.values():
            self._answer(b"", 404, {"X-Error-Code": "RevisionNotFound"})
            return
        files = [file for file in sorted(self.server.model.rglob("*")) if file.is_file()]
        names = {str(file.relative_to(self.server.model)): file for file in files}
        value: object = {"id": "x", "sha": commit, "siblings": [{"rfilename": name} for name in names]}
        if "/tree/" in path:
            value = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": _etag(file)}
                for name, file in names.items()
            ]
        self._answer(json.dumps(value).encode(), 200, {"Content-Type": "application/json"})

    def _file(self, name: str, commit: str) -> None:
        if not (self.server.model / name).is_file():
            self._answer(b"", 404, {"X-Error-Code": "EntryNotFound"})
            return
        content = (self.server.model / name).read_bytes()
        start = int(re.findall(r"\d+", self.headers.get("Range", "0"))[0])
        headers = {"ETag": f'"{_etag(self.server.model / name)}"', "X-Repo-Commit": commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = self.command == "GET" and name.endswith(".safetensors") and self.server.cuts > 0
        self.server.cuts -= cut
        self._answer(content[start:], 206 if start else 200, headers, CUT_AT - start if cut else None)

    def _answer(self, body: bytes, status: int, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:cut])
        self.close_connection = cut is not None


def _etag(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of 34 MB: huggingface_hub writes, and so resumes, in pieces of 10 MB."""
    path = write_model(tmp_path_factory.mktemp("hub") / "m", hidden=512, intermediate=2560)
    (path / "pytorch_model.bin").write_bytes(b"pickle")
    (path / "onnx").mkdir()
    (path / "onnx" / "other.safetensors").write_bytes(b"not for us")
    return path


@pytest.fixture
def hub(model: Path) -> Iterator[HubServer]:
    with HubServer(model) as server:
        thread = threading.Thread(target=server.serve_forever, name="hub")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def prepare(
    spec: str, directory: Path, endpoint: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `prepare` with a cache and a bundle in ``directory``."""
    ours = ("HF_", "HUGGING", "XDG_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(directory / "hf"), "NO_PROXY": "127.0.0.1"}
    # Without the quality: its conversations are longer than this model's context, letter by letter.
    options = ["--no-quality", "--out", str(directory / "bundle")]
    return subprocess.run(
        [sys.executable, "-m", "edge_llm.cli", "prepare", spec, *options],
        env={**clean, **variables, **environment},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def error_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert re.fullmatch("edge-llm: .*\n", done.stderr), done.stderr
    return done.stderr


def test_a_model_is_fetched_once_and_then_read_from_the_cache(hub: HubServer, tmp_path: Path) -> None:
    done = prepare("tiny/model", tmp_path, hub.endpoint)
    assert done.returncode == 0, done.stderr
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert (manifest.source, manifest.revision, manifest.name) == ("tiny/model", COMMITS["main"], "model")
    assert manifest.license == "mit"
    fetched = {
        path.rpartition("/")[2] for method, path, _ in hub.seen if method == "GET" and "resolve" in path
    }
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "README.md", "model.safetensors"}
    assert fetched == wanted
    assert "Fetching" not in done.stderr  # no bars where no terminal is

    hub.seen.clear()
    assert prepare("tiny/model", tmp_path, hub.endpoint, HF_HUB_OFFLINE="1").returncode == 0
    assert hub.seen == []
    nobody = f"http://127.0.0.1:{free_port()}"
    assert prepare("tiny/model", tmp_path, nobody).returncode == 0


def test_a_revision_is_pinned_by_its_commit(hub: HubServer, tmp_path: Path) -> None:
    assert prepare("tiny/model@v1/old", tmp_path, hub.endpoint).returncode == 0
    assert open_bundle(tmp_path / "bundle").manifest.revision == COMMITS["v1/old"]
    assert "has no revision 'v9'" in error_line(prepare("tiny/model@v9", tmp_path, hub.endpoint))


def test_a_cut_download_goes_on_where_it_was_cut(hub: HubServer, tmp_path: Path) -> None:
    hub.cuts = 1
    done = prepare("tiny/model", tmp_path, hub.endpoint)
    assert done.returncode == 0, done.stderr
    first, second = hub.ranges("model.safetensors")
    assert first == ""
    start = int(re.fullmatch(r"bytes=(\d+)-.*", second)[1])  # type: ignore[index]  # no match fails the test
    assert 0 < start <= CUT_AT
    assert open_bundle(tmp_path / "bundle").manifest.name == "model"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("tiny/gated", ["is gated", "HF_TOKEN"]),
        ("tiny/gated-login", ["is gated", "HF_TOKEN"]),
        ("tiny/forbidden", ["HF_TOKEN"]),
        ("tiny/private", ["check the name", "HF_TOKEN"]),
        ("tiny/missing", ["neither a directory", "check the name"]),
        ("tiny/broken", ["cannot fetch", "tiny/broken", "500"]),
        ("tiny/a--b", ["is not a hub id"]),
    ],
)
def test_what_the_hub_denies_is_explained_in_one_line(
    spec: str, words: list[str], hub: HubServer, tmp_path: Path
) -> None:
    error = error_line(prepare(spec, tmp_path, hub.endpoint))
    assert all(word in error for word in words), error
    assert not (tmp_path / "bundle").exists()


def test_without_a_network_or_offline_a_model_that_is_not_cached_is_explained(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert "check the network" in error_line(prepare("tiny/model", tmp_path, nobody))
    offline = error_line(prepare("tiny/model", tmp_path, nobody, HF_HUB_OFFLINE="1"))
    assert "HF_HUB_OFFLINE is set: unset it" in offline
