"""Say a sentence to the house: `pip install edge-llm`, then `python act.py BROKER NODE "lights off" [HOUSE]`.

HOUSE is a file with the house as JSON; without it the node's own counts. The node says what to call; this
program carries it out, where `carry_out` says how, reports that, and passes questions on.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_llm.client import Client, MqttSettings, ToolCall


def carry_out(call: ToolCall) -> bool:
    """Put your own here: tell the devices what to do; returns whether that worked."""
    print(call.name, json.dumps(call.arguments, ensure_ascii=False), *call.device_ids, file=sys.stderr)
    return True


def act(client: Client, sentence: str, answer: Callable[[str], str], **fields: Any) -> str:
    """Have a sentence done; returns what is to be said. ``answer`` is asked what the node asks."""
    session = client.session("act")
    done = session.ask(sentence, act="auto", **fields)
    while done.act and done.act.outcome in ("confirm", "unclear") and (said := answer(done.text)):
        done = session.ask(said, act="auto", **fields)
    if done.calls:
        results = [{"id": call.id, "ok": carry_out(call)} for call in done.calls]
        done = session.ask(act="auto", results=results)
    session.forget()
    return done.text


if __name__ == "__main__":
    host, _, port = sys.argv[1].partition(":")
    house = json.loads(Path(sys.argv[4]).read_text(encoding="utf-8")) if sys.argv[4:] else None
    with Client(MqttSettings(host=host, port=int(port or 1883)), node=sys.argv[2]) as my_client:
        print(act(my_client, sys.argv[3], lambda question: input(f"{question} "), house=house))
