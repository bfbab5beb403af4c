"""Describes the server as Wyoming asks for it."""

from wyoming.info import Attribution, HandleModel, HandleProgram, Info

from edge_llm import __version__
from edge_llm.voice.node_view import NodeView

NAME = "edge_llm"


def describe(node: NodeView) -> Info:
    """A program that handles what was said; its languages are the house's, or any while none is known."""
    maker = Attribution(name=NAME, url="")
    model = HandleModel(
        name=node.model or NAME,
        attribution=maker,
        installed=True,
        description=None,
        version=None,
        languages=[node.language] if node.language else [],
    )
    program = HandleProgram(
        name=NAME,
        attribution=maker,
        installed=True,
        description="a smart home's own language model: acts, answers and talks",
        version=__version__,
        models=[model],
        supports_handled_streaming=True,
        supports_home_control=True,
    )
    return Info(handle=[program])
