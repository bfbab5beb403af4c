"""One YAML file, the environment over it, and no typo that goes unnoticed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from edge_llm.cli.main import main
from edge_llm.config import EngineSettings, Settings, load_settings
from edge_llm.errors import ConfigError

Write = Callable[[str], Path]
EXAMPLE = Path(__file__).parents[2] / "config" / "edge_llm.example.yaml"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "edge_llm.yaml"
        path.write_text(text)
        return path

    return write


def test_the_example_is_loaded_and_shows_every_default() -> None:
    example = load_settings(EXAMPLE)
    defaults = Settings()
    assert example.model_copy(update={"node": defaults.node}) == defaults
    shown = yaml.safe_load(EXAMPLE.read_text())
    for section, field in Settings.model_fields.items():
        assert field.annotation
        if section == "routes":
            assert shown[section] == []
            continue
        assert list(shown[section]) == list(field.annotation.model_fields), section


def test_environment_wins_over_yaml_wins_over_defaults(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("mqtt: {host: from-yaml, username: from-yaml}")
    monkeypatch.setenv("EDGE_LLM_MQTT__HOST", "from-environment")
    mqtt = load_settings(path).mqtt
    assert (mqtt.host, mqtt.username, mqtt.port) == ("from-environment", "from-yaml", 1883)


def test_the_context_is_8192_or_what_the_model_has_and_never_more_than_that() -> None:
    default = EngineSettings()
    assert [default.context_of("m", has) for has in (2048, 8192, 32768)] == [2048, 8192, 8192]
    assert EngineSettings(context_tokens=9000).context_of("m", 9000) == 9000
    with pytest.raises(ConfigError, match=r"^engine.context_tokens: m has 8192, not 9000$"):
        EngineSettings(context_tokens=9000).context_of("m", 8192)


@pytest.mark.parametrize("word", ["off", "'off'", "lazy", "preload"])
def test_constraints_are_off_with_and_without_quotes(write: Write, word: str) -> None:
    """YAML reads a plain off as false."""
    path = write(f"engine: {{constraints: {word}}}")
    assert load_settings(path).engine.constraints == word.strip("'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mqtt: {hots: x}", "mqtt.hots is not a setting; did you mean host?"),
        ("mqqt: {host: x}", "mqqt is not a setting; did you mean mqtt?"),
        ("mqtt: {port: 70000}", "mqtt.port: Input should be less than or equal to 65535"),
        ("node: {id: a/b}", "node.id: String should match pattern"),
        ("mqtt: {base_topic: 'home/#'}", "mqtt.base_topic"),
        ("engine: {constraints: sometimes}", "engine.constraints: Input should be 'lazy'"),
        ("routes: [{topic: 'a/{room}', answer: 'b/{roam}'}]", "{roam} is not a level of a/{room}"),
        ("routes: [{topic: 'a/{room}', answer: b, system: 'In the {rom}'}]", "{rom} is not a level"),
        ("routes: [{topic: 'a/+', answer: b}]", "topics have no wildcards"),
        ("routes: [{topic: 'a/x{room}', answer: b}]", "a placeholder is a whole level"),
        ("routes: [{topic: 'a/{room}', answer: 'a/b'}]", "would be asked again"),
        ("routes: [{topic: a, answer: edge_llm/n/request/c}]", "among the node's own topics"),
        ("routes: [{topic: 'a/{room}', answer: b, act: true, area: '{rom}'}]", "{rom} is not a level"),
        ("routes: [{topic: a, answer: b, act: true, system: Hi}]", "routes.0: system and act do not go"),
        ("routes: [{topic: a, answer: b, area: bath}]", "routes.0: area is of use with act: true alone"),
        ("node: {id: house}", "node.id: edge_llm/house belongs to all nodes; name this one otherwise"),
        ("node: {id: pool}", "node.id: edge_llm/pool belongs to all nodes"),
        ("documents: {id: house}", "documents.id: edge_llm/house belongs to all nodes"),
        ("node: {id: documents}", "node.id: documents is the id of `edge-llm documents`; name this node"),
        ("{node: {id: a}, documents: {id: a}}", "node.id: a is the id of `edge-llm documents`"),
        ("house: {confirm: [lock, 'cover:']}", "house.confirm.1: String should match pattern"),
        ("house: {confirm: [Lock]}", "house.confirm.0: String should match pattern"),
        ("house: {confirm: lock}", "house.confirm: Input should be a valid tuple"),
        ("house: {flie: h.yaml}", "house.flie is not a setting; did you mean file?"),
        ("routes: [{topic: a, anser: b}]", "routes.0.anser is not a setting; did you mean answer?"),
        ("- a list", "must hold sections"),
        ("a: [", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_key(
    write: Write, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--config", str(write(text))]) == 78
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_what_is_asked_about_first_can_be_chosen(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cover:garage" in Settings().house.confirm
    assert load_settings(write("house: {confirm: []}")).house.confirm == ()
    monkeypatch.setenv("EDGE_LLM_HOUSE__CONFIRM", '["lock", "cover:gate", "all"]')
    assert load_settings().house.confirm == ("lock", "cover:gate", "all")


def test_a_variable_that_is_no_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_LLM_MQT__HOST", "x")
    with pytest.raises(ConfigError, match="EDGE_LLM_MQT__HOST is not a setting; did you mean mqtt"):
        load_settings()


SET_BY_OTHERS = {
    "EDGE_LLM_PORT": "tcp://10.96.0.17:1883",
    "EDGE_LLM_SERVICE_HOST": "10.96.0.17",
    "EDGE_LLM_SERVICE_PORT": "1883",
    "EDGE_LLM_SERVICE_PORT_MQTT": "1883",
    "EDGE_LLM_PORT_1883_TCP": "tcp://10.96.0.17:1883",
    "EDGE_LLM_PORT_1883_TCP_PROTO": "tcp",
    "EDGE_LLM_PORT_1883_TCP_PORT": "1883",
    "EDGE_LLM_PORT_1883_TCP_ADDR": "10.96.0.17",
    "EDGE_LLM_MQTT_PORT": "tcp://10.96.0.18:1883",
    "EDGE_LLM_MQTT_SERVICE_HOST": "10.96.0.18",
    "EDGE_LLM_BROKER_PORT_1883_UDP_ADDR": "10.96.0.18",
    "EDGE_LLM_NAME": "/web/edge-llm",
    "EDGE_LLM_ENV_PATH": "/usr/bin:/bin",
}


def test_what_kubernetes_and_docker_set_is_ignored_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for name, value in SET_BY_OTHERS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EDGE_LLM_MQTT__HOST", "broker")
    assert load_settings().mqtt.host == "broker"
    (record,) = caplog.records
    assert record.message.startswith("config.ignored")
    assert all(name in record.message for name in SET_BY_OTHERS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("EDGE_LLM_PORT", "there are node, mqtt"),
        ("EDGE_LLM_MQTT_PORT", "did you mean EDGE_LLM_MQTT__PORT"),
        ("EDGE_LLM_ENGINE_PREFIX_STORE", "did you mean EDGE_LLM_ENGINE__PREFIX_STORE"),
        ("EDGE_LLM_SERVICE__HOST", "is not a setting"),
        ("EDGE_LLM_NAME", "did you mean node"),
        ("edge_llm_mqt__host", "did you mean mqtt"),
    ],
)
def test_what_a_person_has_set_wrongly_is_refused_with_a_hint(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1883")
    with pytest.raises(ConfigError, match=hint):
        load_settings()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.yaml: No such file"):
        load_settings(tmp_path / "nowhere.yaml")


def test_secrets_come_from_a_file_and_are_not_shown(write: Write, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2\n")
    settings = load_settings(write(f"mqtt: {{username: me, password_file: {tmp_path}/secret}}"))
    assert settings.mqtt.secret() == "hunter2"
    shown = load_settings(write("mqtt: {username: me, password: hunter2}"))
    assert shown.mqtt.secret() == "hunter2"
    assert "hunter2" not in repr(shown)


def test_a_secret_file_that_is_missing_is_named(write: Write) -> None:
    settings = load_settings(write("mqtt: {username: me, password_file: /nowhere/secret}"))
    with pytest.raises(ConfigError, match=r"mqtt\.password_file /nowhere/secret: No such file"):
        settings.mqtt.secret()
