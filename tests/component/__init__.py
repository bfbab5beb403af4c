"""Unit tests of custom_components in the Home Assistant of pytest-homeassistant-custom-component: see scripts/test-hubs."""
