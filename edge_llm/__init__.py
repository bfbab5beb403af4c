"""edge_llm: a smart home's own language model, over MQTT."""

from importlib.metadata import version

__version__ = version("edge-llm")
