"""Finds passages in the household's papers for a question: an MQTT client in a process of its own."""
