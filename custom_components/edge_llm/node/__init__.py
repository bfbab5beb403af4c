"""A node, over MQTT."""
