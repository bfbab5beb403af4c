"""The model of the device in Home Assistant, whatever the bundle calls it."""

import pytest

from edge_llm.config import HomeAssistantSettings
from edge_llm.contract.topics import Topics
from edge_llm.homeassistant.discovery import HomeAssistant, model_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"),
        ("Smollm2 135M 8k Lc100K Mix1 Ep2", "Smollm2 135M 8k Lc100K Mix1 Ep2"),
        ("qwen2.5-coder-0.5b-instruct-q8_0", "Qwen2.5-Coder-0.5B-Instruct"),
        ("models/Llama-3.2-1B-Instruct-Q4_K_M.gguf", "Llama-3.2-1B-Instruct"),
        ("C:\\models\\gemma_2_2b_it.bf16.gguf", "Gemma-2-2B-It"),
        ("SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct"),
        ("phi-3.5-mini-iq4_xs", "Phi-3.5-Mini"),
        ("model.safetensors", "Model"),
        ("gguf", "Gguf"),
    ],
)
def test_the_devices_model_is_no_files_name(name: str, shown: str) -> None:
    assert model_name(name) == shown


def test_it_is_what_home_assistant_is_told() -> None:
    topics = Topics("edge_llm", "kitchen-pc")
    node = HomeAssistant(HomeAssistantSettings(enabled=True), topics, "qwen2.5-0.5b-q8_0", period_s=10.0)
    assert node.discovery()["device"]["model"] == "Qwen2.5-0.5B"
