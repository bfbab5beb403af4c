"""Devices that announce themselves on the broker, by the topics that move them and tell of them."""
