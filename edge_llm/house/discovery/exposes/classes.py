"""The device class of what zigbee2mqtt measures, by its name: the one that it tells Home Assistant, too."""

BINARY_CLASSES = {
    "carbon_monoxide": "carbon_monoxide",
    "contact": "door",
    "garage_door_contact": "garage_door",
    "gas": "gas",
    "moving": "moving",
    "noise_detected": "sound",
    "occupancy": "occupancy",
    "presence": "occupancy",
    "rain_status": "moisture",
    "smoke": "smoke",
    "sos": "safety",
    "tamper": "tamper",
    "valve_state": "opening",
    "vibration": "vibration",
    "water_leak": "moisture",
    "window": "window",
    "window_open": "window",
}
INVERTED = {"garage_door_contact"}
"""Those that are on where others of their class are off."""
SETTINGS = {"auto_lock", "away_mode", "child_lock", "valve_detection", "window_detection"}
"""Switches and locks that set a device up, and that no version marks as such."""
NOT_ASKED_FOR = {
    "action",
    "action_group",
    "action_source_name",
    "action_user",
    "battery_low",
    "battery_voltage",
    "device_temperature",
    "linkquality",
    "power_outage_count",
    "test",
    "trigger_count",
    "update_available",
}
"""What is no state of the house; newer versions mark most of it as diagnostic."""
_CLASSES = {
    "temperature": ("temperature", "local_temperature", "temperature_probe", "external_temperature"),
    "humidity": ("humidity", "external_humidity"),
    "battery": ("battery",),
    "power": ("power", "power_phase_b", "power_phase_c"),
    "energy": ("energy",),
    "illuminance": ("illuminance",),
    "moisture": ("soil_moisture",),
    "carbon_dioxide": ("co2",),
    "atmospheric_pressure": ("pressure",),
    "pm25": ("pm25",),
    "pm10": ("pm10",),
    "voltage": ("voltage", "voltage_phase_b", "voltage_phase_c"),
    "current": ("current", "current_phase_b", "current_phase_c"),
    "water": ("water_consumed",),
}
_BY_NAME = {name: each for each, names in _CLASSES.items() for name in names}
_BY_UNIT = {
    "Wh": "energy",
    "kWh": "energy",
    "A": "current",
    "mA": "current",
    "mW": "power",
    "W": "power",
    "kW": "power",
}


def class_of(name: str, unit: str | None) -> str | None:
    """The class of a number; without a unit it has none."""
    return None if unit is None else _BY_UNIT.get(unit) or _BY_NAME.get(name)
