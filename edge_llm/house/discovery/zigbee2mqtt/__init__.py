"""Devices and groups of zigbee2mqtt, from its own topics: for houses without Home Assistant's discovery."""
