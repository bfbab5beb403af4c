"""Bundles of the kinds that people bring: byte fallback, thoughts, and what must not be installed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_llm.bundle import CHAT_TEMPLATE, MANIFEST, Bundle, open_bundle, sha256_of
from edge_llm.cli.main import main
from edge_llm.convert.optimum import prepare_optimum_bundle
from edge_llm.convert.prepare import Quantization, prepare_bundle
from edge_llm.convert.progress import Progress
from edge_llm.convert.sources.open_source import open_source
from edge_llm.errors import BundleError
from tests import tiny
from tests.common import TOPICS, eventually
from tests.conversation import Hub
from tests.processes import Broker, Service
from tests.small_tokenizers import byte_fallback
from tests.tiny_model import write_json, write_model

THINKING = """\
{% for m in messages %}
{{- '<|im_start|>' + m.role + '\\n' + m.content.split('</think>')[-1] + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}{% if enable_thinking %}{{ '<think>\\n' }}{% endif %}
{%- endif %}"""


@pytest.fixture
def serve(broker: Broker, tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    running: list[tuple[Service, Hub]] = []

    def start(bundle: Bundle, **settings: str) -> Hub:
        service = Service(broker.port, bundle, tmp_path / "log", **settings)
        service.wait_serving()
        running.append((service, Hub(broker.port, "edge_llm/#")))
        return running[-1][1]

    yield start
    for service, hub in running:
        hub.close()
        assert service.stop() == 0


def answered(hub: Hub, client: str) -> list[dict[str, Any]]:
    """The frames of a client's reply, once it is over."""

    def frames() -> list[dict[str, Any]]:
        every = [json.loads(payload) for payload in hub.on(TOPICS.stream(client))]
        return every if every and every[-1]["type"] in ("done", "error") else []

    found: list[dict[str, Any]] = eventually(frames)
    return found


def test_replies_of_random_bytes_all_come_to_their_end(serve: Callable[..., Hub], tmp_path: Path) -> None:
    """A model with byte fallback that says nothing but nonsense, two replies at a time."""
    model = write_model(tmp_path / "m", eos_token_id=2)
    byte_fallback(letters=False).save(str(model / "tokenizer.json"))
    template = "{% for m in messages %}{{ m.content }}</s>{% endfor %}"
    write_json(model / "tokenizer_config.json", {"eos_token": "</s>", "chat_template": template})
    bundle = prepare_bundle(open_source(str(model), tmp_path), tmp_path / "b", "int8", Progress(quiet=True))
    hub = serve(bundle, EDGE_LLM_ENGINE__CONTEXT_TOKENS="128")
    clients = [f"c{number}" for number in range(6)]
    for seed, client in enumerate(clients):
        request = {"text": "a b", "max_tokens": 90, "temperature": 2.0, "seed": seed}
        hub.publish(TOPICS.request(client), json.dumps(request))
    texts = []
    for client in clients:
        *frames, done = answered(hub, client)
        assert done["type"] == "done", done
        assert done["text"].startswith("".join(f["text"] for f in frames if f["type"] == "delta"))
        texts.append(done["text"])
    assert any("\ufffd" in text for text in texts)


def test_thoughts_are_in_no_frame_and_no_session(
    serve: Callable[..., Hub], bundle: Callable[[Quantization], Bundle], tmp_path: Path
) -> None:
    """The demo model never ends a thought that the template has opened: so it says nothing."""
    hub = serve(with_template(bundle("int8"), tmp_path / "b", THINKING))
    asked = {"text": "Name a colour.", "max_tokens": 12, "temperature": 0.0, "session": "s"}
    hub.publish(TOPICS.request("aloud"), json.dumps({**asked, "enable_thinking": True}))
    *frames, done = answered(hub, "aloud")
    assert (done["type"], done["text"]) == ("done", "")
    assert 0 < done["usage"]["completion_tokens"] <= 12
    assert "delta" not in {frame["type"] for frame in frames}
    hub.publish(TOPICS.session("aloud"), json.dumps({"op": "get", "session": "s"}))
    (sessions,) = eventually(lambda: [p for p in hub.on(TOPICS.reply("aloud")) if b'"sessions"' in p])
    assert json.loads(sessions)["messages"] == []
    hub.publish(TOPICS.request("quiet"), json.dumps(asked))
    assert answered(hub, "quiet")[-1]["text"]


def with_template(bundle: Bundle, directory: Path, template: str) -> Bundle:
    """The bundle with another template; the other files are links."""
    directory.mkdir()
    for file in filter(Path.is_file, bundle.path.iterdir()):
        if file.name not in (CHAT_TEMPLATE, MANIFEST):
            (directory / file.name).symlink_to(file)
    (directory / CHAT_TEMPLATE).write_text(template)
    sums = {**bundle.manifest.sha256, CHAT_TEMPLATE: sha256_of(directory / CHAT_TEMPLATE)}
    manifest = bundle.manifest.model_copy(update={"sha256": sums})
    (directory / MANIFEST).write_text(manifest.model_dump_json())
    return open_bundle(directory)


def test_optimums_export_is_tried_before_it_is_installed(tmp_path: Path) -> None:
    tiny.make("llama", tmp_path / "model")
    out = tmp_path / "out" / "b"
    good = prepare_optimum_bundle(tmp_path / "model", out, "fp32")
    (tmp_path / "model" / "chat_template.jinja").write_text("{% frobnicate %}")
    with pytest.raises(BundleError, match="could not serve and is not installed"):
        prepare_optimum_bundle(tmp_path / "model", out, "fp32")
    assert open_bundle(out).hash == good.hash
    assert list(out.parent.iterdir()) == [out]
    assert main(["verify", str(out)]) == 0
