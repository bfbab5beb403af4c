"""Unit tests of custom_components in a Home Assistant with a mocked MQTT client: see scripts/test-hubs."""
