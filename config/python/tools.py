"""Let a model use tools: `pip install edge-llm`, then `python tools.py BROKER NODE "Is the lamp on?"`.

The node says which tool to call, with which arguments; this program calls it, and asks again with the result.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from edge_llm.client import Client, MqttSettings, Turn

ROUNDS = 4
"""Maximum rounds of calls: after that the node may only speak."""
LAMPS = {"kitchen": "off", "bedroom": "off"}
ROOM = {"type": "string", "enum": list(LAMPS)}


def lamp_state(room: str) -> str:
    """Whether a room's lamp is on."""
    return LAMPS[room]


def set_lamp(room: str, state: str) -> str:
    """Switch a room's lamp on or off."""
    LAMPS[room] = state
    return f"The lamp in the {room} is now {state}."


def tool(function: Callable[..., str], **properties: Any) -> dict[str, Any]:
    """Describe a function; every argument is required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    described = {"name": function.__name__, "description": function.__doc__, "parameters": parameters}
    return {"type": "function", "function": described}


TOOLS = [tool(lamp_state, room=ROOM), tool(set_lamp, room=ROOM, state={"enum": ["on", "off"]})]
FUNCTIONS: Mapping[str, Callable[..., str]] = {"lamp_state": lamp_state, "set_lamp": set_lamp}


def answer(client: Client, question: str, **fields: Any) -> str:
    """Ask, make the calls that come back, and ask again with their results until there is an answer."""
    turns = [Turn(role="user", content=question)]
    for left in range(ROUNDS, -1, -1):
        done = client.ask(messages=turns, tools=TOOLS, tool_choice="auto" if left else "none", **fields)
        if not done.calls:
            break
        turns.append(Turn(role="assistant", content=done.text, tool_calls=done.calls))
        for call in done.calls:
            print(f"{call.name} {json.dumps(call.arguments)}", file=sys.stderr)
            result = FUNCTIONS[call.name](**call.arguments)
            turns.append(Turn(role="tool", tool_call_id=call.id, name=call.name, content=result))
    return done.text


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    with Client(MqttSettings(host=host, port=int(port or 1883)), node=sys.argv[2]) as my_client:
        print(answer(my_client, sys.argv[3]))
