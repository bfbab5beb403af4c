"""Thermostats, air conditioners and water heaters."""

from collections.abc import Mapping

from edge_llm.contract.house import MAX_CHOICES, Capabilities, Range
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.kinds.fan import named
from edge_llm.house.discovery.parts import Parts, by_name, number, sends, sends_number, sends_word
from edge_llm.house.discovery.unreadable import Unreadable

_CLIMATE_MODES = ("auto", "off", "cool", "heat", "dry", "fan_only")
_HEATER_MODES = ("eco", "electric", "gas", "heat_pump", "high_demand", "performance", "off")
_TURNED_ON = ("heat_cool", "heat", "cool")
"""What a thermostat without a switch of its own is turned on to: the first of these that it has."""
_OFF = "off"
_FAHRENHEIT = "F"


def climate(parts: Parts) -> Capabilities:
    """A thermostat: its state is its mode; what it can be set to are its modes and presets together."""
    modes = _modes(parts, _CLIMATE_MODES)
    presets: dict[str, str] = {}
    with parts.part("mode"):
        presets = _presets(parts, modes)
    temperature = _temperature(parts, 7, 35)
    parts.reads(
        "current_humidity", "current_humidity_topic", ("current_humidity_template", "value_template"), number
    )
    return Capabilities(
        on_off=_switches(parts, modes),
        temperature=temperature,
        mode=tuple(dict.fromkeys((*modes, *presets))) if "mode" in parts.commands else None,
    )


def water_heater(parts: Parts) -> Capabilities:
    """A water heater: its state is its mode."""
    modes = _modes(parts, _HEATER_MODES)
    temperature = _temperature(parts, 43, 60)
    on_off = "power_command_topic" in parts.options and _switches(parts, {})
    mode = tuple(modes) if "mode" in parts.commands else None
    return Capabilities(on_off=on_off, temperature=temperature, mode=mode)


def _modes(parts: Parts, usual: tuple[str, ...]) -> dict[str, str]:
    """Read the modes; returns those that can be set, for which it adds the command."""
    with parts.part("mode"):
        modes = by_name(parts.options.words("modes", usual), "modes")
        parts.reads(STATE, "mode_state_topic", ("mode_state_template", "value_template"), named(modes))
        sender = parts.sender("mode_command_topic", "mode_command_template")
        if sender and modes:
            parts.commands["mode"] = sends_word(sender, modes)
            return modes
    return {}


def _presets(parts: Parts, modes: Mapping[str, str]) -> dict[str, str]:
    """Add the presets to what the command ``mode`` takes."""
    presets = by_name(parts.options.words("preset_modes"), "preset_modes")
    parts.reads("mode", "preset_mode_state_topic", "preset_mode_value_template", named(presets))
    sender = parts.sender("preset_mode_command_topic", "preset_mode_command_template")
    if sender is None or not presets:
        return {}
    if len(modes) + len(presets) > MAX_CHOICES:
        raise Unreadable(f"preset_modes: with modes it has more than {MAX_CHOICES} entries")
    set_mode, set_preset = parts.commands.get("mode"), sends_word(sender, presets)
    parts.commands["mode"] = lambda value: (
        set_mode(value) if set_mode and value in modes else set_preset(value)
    )
    return presets


def _temperature(parts: Parts, low: float, high: float) -> Range | None:
    unit = parts.options.payload("temperature_unit", "C")
    if unit == _FAHRENHEIT:
        low, high = low * 1.8 + 32, high * 1.8 + 32
    topics = (("temperature", "temperature_state"), ("current_temperature", "current_temperature"))
    for of, option in topics:
        parts.reads(of, f"{option}_topic", (f"{option}_template", "value_template"), number)
    with parts.part("temperature"):
        sender = parts.sender("temperature_command_topic", "temperature_command_template")
        if sender is None:
            return None
        lowest, highest = parts.options.number("min_temp", low), parts.options.number("max_temp", high)
        step = parts.options.number("temp_step", parts.options.number("precision", 1))
        if not lowest < highest or step <= 0:
            raise Unreadable("min_temp: it is not below max_temp, or temp_step is not above 0")
        allowed = Range(min=lowest, max=highest, step=step, unit=f"°{unit}"[:16])
        parts.commands["temperature"] = sends_number(sender, allowed.nearest)
        return allowed
    return None


def _switches(parts: Parts, modes: Mapping[str, str]) -> bool:
    """Add ``on`` and ``off``: by a topic for that, else by modes, as Home Assistant does it."""
    with parts.part("power"):
        power = parts.sender("power_command_topic", "power_command_template")
        if power:
            parts.commands["on"] = sends(power, parts.options.payload("payload_on", "ON"))
            parts.commands["off"] = sends(power, parts.options.payload("payload_off", "OFF"))
            return True
    set_mode = parts.commands.get("mode")
    if set_mode is None or _OFF not in modes:
        return False
    others = [mode for mode in modes if mode != _OFF]
    turned_on = next((mode for mode in _TURNED_ON if mode in modes), None)
    wanted = others[0] if len(others) == 1 else turned_on
    if wanted is None:
        return False
    parts.commands |= {"on": lambda _: set_mode(wanted), "off": lambda _: set_mode(_OFF)}
    return True
