"""Ask a node from Python: `pip install edge-llm`, then `python ask.py BROKER NODE`."""

import sys

from edge_llm.client import Client, Delta, MqttSettings

host, _, port = sys.argv[1].partition(":")
with Client(MqttSettings(host=host, port=int(port or 1883)), node=sys.argv[2]) as client:
    # The whole reply at once.
    done = client.ask("What is the capital of Japan?", max_tokens=20)
    print(done.text, f"[{done.tokens_per_second:.0f} tokens/s]")

    # As it is made, in a conversation that the node remembers.
    kitchen = client.session("kitchen")
    for frame in kitchen.stream("How do I boil an egg?", system="Answer in one sentence.", max_tokens=60):
        if isinstance(frame, Delta):
            print(frame.text, end="", flush=True)
    print()
    print(kitchen.ask("And how long for a hard one?", max_tokens=60).text)
    kitchen.forget()
