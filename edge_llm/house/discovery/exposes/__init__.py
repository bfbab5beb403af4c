"""From what a device of zigbee2mqtt exposes to what it is to the house."""
