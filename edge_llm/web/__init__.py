"""The page and the API of `edge-llm web`: an MQTT client of a node, in a process of its own."""
