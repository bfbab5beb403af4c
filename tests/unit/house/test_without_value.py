"""A property that is named without a value is asked about: nobody guesses one, and nothing is turned on."""

import json
from typing import Any

import pytest

from edge_llm.contract.house import House
from edge_llm.house.compiled import CompiledHouse, Doubtful, Meaning, Settled, Undecided
from edge_llm.house.language.words import LANGUAGES
from tests.unit.house.houses import compiled, light

_NAMES = {
    "en": "Lamp,Radio,Blind,Fan,Thermostat,Air conditioner,Humidifier,Lamp program",
    "de": "Lampe,Radio,Rollo,Ventilator,Thermostat,Klimaanlage,Luftbefeuchter,Lampenprogramm",
    "es": "Lámpara,Radio,Persiana,Ventilador,Termostato,Aire acondicionado,Humidificador,Programa de luces",
    "fr": "Lampe,Radio,Store,Ventilateur,Thermostat,Climatiseur,Humidificateur,Programme lumières",
    "nl": "Lamp,Radio,Rolgordijn,Ventilator,Thermostaat,Airco,Luchtbevochtiger,Lampprogramma",
    "zh": "台灯,收音机,百叶窗,风扇,恒温器,空调,加湿器,灯光程序",
}
_TEMPERATURE = {"on_off": True, "temperature": {"min": 5, "max": 30, "step": 0.5, "unit": "°C"}}
_DEVICES: tuple[dict[str, Any], ...] = (
    light("lamp", ""),
    {"id": "radio", "kind": "media_player"},
    {"id": "blind", "kind": "cover", "class": "blind"},
    {"id": "fan", "kind": "fan", "capabilities": {"on_off": True, "speed": {}, "mode": ["auto", "sleep"]}},
    {"id": "heat", "kind": "climate", "capabilities": _TEMPERATURE | {"mode": ["off", "heat", "auto"]}},
    {"id": "ac", "kind": "climate", "capabilities": _TEMPERATURE | {"mode": ["cool", "fan_only", "off"]}},
    {"id": "damp", "kind": "humidifier"},
    {"id": "program", "kind": "select", "capabilities": {"option": ["party", "reading"]}},
)


def home(language: str) -> CompiledHouse:
    names = _NAMES[language].split(",")
    devices = [device | {"name": name} for device, name in zip(_DEVICES, names, strict=True)]
    document = {"language": language, "devices": devices}
    return CompiledHouse(House.model_validate_json(json.dumps(document)))


HOMES = {language: home(language) for language in LANGUAGES}


def lacks(meaning: Meaning) -> tuple[str, str]:
    """The device and the action whose value is asked for."""
    assert isinstance(meaning, Doubtful), meaning
    assert meaning.lacks, meaning
    assert meaning.problem == "unclear"
    (target,) = meaning.candidates
    return target.ids[0], meaning.lacks.id


def acts(meaning: Meaning | None) -> list[tuple[str, str, object]]:
    assert isinstance(meaning, Settled), meaning
    return [(act.target.ids[0], act.action.id, act.value) for act in meaning.acts]


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "Set the thermostat mode", ("heat", "mode")),
        ("en", "Set the volume of the radio", ("radio", "volume")),
        ("en", "Set the volume on the radio", ("radio", "volume")),
        ("en", "Set the volume", ("radio", "volume")),
        ("en", "Change the color of the lamp", ("lamp", "color")),
        ("en", "Adjust the brightness on the lamp", ("lamp", "brightness")),
        ("en", "Set the fan speed", ("fan", "speed")),
        ("en", "Increase the fan speed", ("fan", "speed")),
        ("en", "Set the humidity", ("damp", "humidity")),
        ("en", "Set the position of the blind", ("blind", "position")),
        ("en", "Set the temperature of the air conditioner", ("ac", "temperature")),
        ("en", "Change the lamp program", ("program", "option")),
        ("de", "Stelle die Helligkeit der Lampe ein", ("lamp", "brightness")),
        ("de", "Stelle die Lautstärke vom Radio ein", ("radio", "volume")),
        ("de", "Stelle die Geschwindigkeit des Ventilators ein", ("fan", "speed")),
        ("de", "Stelle den Modus der Klimaanlage ein", ("ac", "mode")),
        ("de", "Ändere die Farbe der Lampe", ("lamp", "color")),
        ("es", "Ajusta el volumen de la radio", ("radio", "volume")),
        ("es", "Cambia el color de la lámpara", ("lamp", "color")),
        ("es", "Regula el brillo de la lámpara", ("lamp", "brightness")),
        ("es", "Cambia el modo del termostato", ("heat", "mode")),
        ("fr", "Règle la température du thermostat", ("heat", "temperature")),
        ("fr", "Change la couleur de la lampe", ("lamp", "color")),
        ("fr", "Change le mode du climatiseur", ("ac", "mode")),
        ("nl", "Zet het volume van de radio", ("radio", "volume")),
        ("nl", "Pas de helderheid van de lamp aan", ("lamp", "brightness")),
        ("nl", "Stel de modus van de airco in", ("ac", "mode")),
        ("zh", "设置收音机的音量", ("radio", "volume")),
        ("zh", "更改台灯的颜色", ("lamp", "color")),
        ("zh", "设置空调模式", ("ac", "mode")),
        ("zh", "设置风扇的风速", ("fan", "speed")),
    ],
)
def test_a_property_without_a_value_is_asked_about(
    language: str, sentence: str, expected: tuple[str, str]
) -> None:
    assert lacks(HOMES[language].meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("set the thermostat mode to cozy", ("heat", "mode")),
        ("set the thermostat mode to 20", ("heat", "mode")),
        ("set the air conditioner mode to heating", ("ac", "mode")),
        ("set the color of the lamp to mauve", ("lamp", "color")),
        ("set the color of the lamp to 40", ("lamp", "color")),
    ],
)
def test_so_is_a_value_that_does_not_fit_it(sentence: str, expected: tuple[str, str]) -> None:
    assert lacks(HOMES["en"].meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "turn on the lamp and set the volume of the radio", ("radio", "volume")),
        ("en", "set the thermostat mode and turn on the lamp", ("heat", "mode")),
        ("en", "set the mode of the thermostat to auto and set the fan mode", ("fan", "mode")),
        ("en", "set the mode of the thermostat to auto and set the speed of the fan", ("fan", "speed")),
        ("en", "turn on the lamp and set the volume", ("radio", "volume")),
        ("de", "Mach die Lampe aus und stell die Lautstärke ein", ("radio", "volume")),
        ("es", "Enciende la lámpara y ajusta el volumen", ("radio", "volume")),
        ("fr", "Allume la lampe et règle le volume", ("radio", "volume")),
        ("nl", "Doe de lamp aan en stel het volume in", ("radio", "volume")),
        ("zh", "打开台灯并设置音量", ("radio", "volume")),
    ],
)
def test_no_part_of_a_compound_sentence_takes_the_value_or_the_act_of_another(
    language: str, sentence: str, expected: tuple[str, str]
) -> None:
    assert lacks(HOMES[language].meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "increase the brightness of the lamp", [("lamp", "brighter", None)]),
        ("en", "lower the volume of the radio", [("radio", "quieter", None)]),
        ("en", "turn the radio up a bit", [("radio", "louder", None)]),
        ("en", "dim the lamp", [("lamp", "dimmer", None)]),
        ("en", "lower the color lamp", [("lamp", "dimmer", None)]),
        ("en", "raise the temperature of the thermostat", [("heat", "warmer", None)]),
        ("en", "lower the position of the blind", [("blind", "close", None)]),
        ("en", "turn on the sound of the radio", [("radio", "on", None)]),
        ("en", "turn off the sound of the radio", [("radio", "off", None)]),
        ("en", "set the volume of the radio to the maximum", [("radio", "volume", 100)]),
        ("en", "set the mode of the thermostat, to heat", [("heat", "mode", "heat")]),
        ("de", "Stelle das Radio lauter", [("radio", "louder", None)]),
        ("de", "Schalte die Lampe ein", [("lamp", "on", None)]),
        ("es", "sube el volumen de la radio", [("radio", "louder", None)]),
        ("fr", "baisse le son de la radio", [("radio", "quieter", None)]),
        ("nl", "zet het volume van de radio iets harder", [("radio", "louder", None)]),
        ("nl", "doe de lamp aan", [("lamp", "on", None)]),
        ("zh", "收音机音量调大一点", [("radio", "louder", None)]),
    ],
)
def test_a_change_and_a_level_are_values(
    language: str, sentence: str, expected: list[tuple[str, str, object]]
) -> None:
    assert acts(HOMES[language].meaning(sentence, None)) == expected


@pytest.mark.parametrize(
    ("language", "sentence", "expected"),
    [
        ("en", "set the thermostat to heating mode", ("heat", "mode", "heat")),
        ("en", "put the air conditioner in cooling mode", ("ac", "mode", "cool")),
        ("de", "Stelle das Thermostat auf Heizen", ("heat", "mode", "heat")),
        ("de", "Stelle den Ventilator auf Schlafmodus", ("fan", "mode", "sleep")),
        ("es", "Pon el aire acondicionado en modo frío", ("ac", "mode", "cool")),
        ("fr", "Mets le climatiseur en mode froid", ("ac", "mode", "cool")),
        ("nl", "Zet de airco op de stand koelen", ("ac", "mode", "cool")),
        ("zh", "把空调设为制冷模式", ("ac", "mode", "cool")),
    ],
)
def test_a_mode_may_be_said_in_the_words_of_the_language(
    language: str, sentence: str, expected: tuple[str, str, object]
) -> None:
    assert acts(HOMES[language].meaning(sentence, None)) == [expected]


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "set the heating mode"), ("fr", "change le mode du chauffage")]
)
def test_a_word_for_the_thing_itself_is_no_mode(language: str, sentence: str) -> None:
    house = compiled(_DEVICES[4] | {"name": "Vicky"}, language=language)
    assert lacks(house.meaning(sentence, None)) == ("heat", "mode")


def test_the_name_of_a_device_says_no_mode() -> None:
    house = compiled(_DEVICES[4] | {"name": "Heat pump"}, _DEVICES[3] | {"name": "Auto fan"})
    assert lacks(house.meaning("set the heat pump mode", None)) == ("heat", "mode")
    assert acts(house.meaning("turn off the auto fan", None)) == [("fan", "off", None)]
    assert acts(house.meaning("set the mode of the auto fan to auto", None)) == [("fan", "mode", "auto")]


def test_a_part_of_other_words_is_no_mode() -> None:
    found = acts(HOMES["es"].meaning("hace calor, pon el termostato en modo auto", None))
    assert ("heat", "mode", "heat") not in found


def test_of_several_devices_it_is_first_asked_which() -> None:
    house = HOMES["en"]
    meaning = house.meaning("change the mode", None)
    assert isinstance(meaning, Doubtful)
    assert [target.ids for target in meaning.candidates] == [("fan",), ("heat",), ("ac",)]
    assert lacks(house.resolve(meaning, house.answered("the fan", meaning.candidates))) == ("fan", "mode")


def test_only_what_has_the_property_is_asked_about() -> None:
    plain = light("plain", "Hall lamp", capabilities={"on_off": True})
    house = compiled(light("a", "Sofa lamp"), light("b", "Desk lamp"), plain)
    meaning = house.meaning("change the color of the lamp", None)
    assert isinstance(meaning, Doubtful)
    assert [target.ids for target in meaning.candidates] == [("a",), ("b",)]


@pytest.mark.parametrize("sentence", ["add to the shopping list", "please put that on the list"])
def test_nothing_is_put_on_a_list_that_was_not_said(sentence: str) -> None:
    house = compiled({"id": "list", "name": "Shopping list", "kind": "todo"})
    meaning = house.meaning(sentence, None)
    assert isinstance(meaning, Doubtful)
    assert (meaning.problem, meaning.lacks) == ("unclear", None)
    assert isinstance(house.meaning("add light bulbs to the shopping list", None), Undecided)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_question_names_the_values_where_they_are_few(language: str) -> None:
    house = HOMES[language]
    by_id = {target.ids[0]: target for target in house.targets.devices}
    actions = {action.id: action for target in house.targets.devices for action in target.actions}
    for mode in ("off", "heat", "auto"):
        assert mode in house.speech.which_value(by_id["heat"], actions["mode"])
    asked = house.speech.which_value(by_id["radio"], actions["volume"])
    assert by_id["radio"].name in asked
    assert house.words.actions["volume"].name in asked


@pytest.mark.parametrize(
    ("language", "sentence", "answer", "expected"),
    [
        ("en", "set the volume of the radio", "40 percent, please", ("radio", "volume", 40)),
        ("en", "set the volume of the radio", "to the maximum", ("radio", "volume", 100)),
        ("en", "set the volume of the radio", "a bit louder", ("radio", "louder", None)),
        ("en", "set the brightness of the lamp", "turn it off", ("lamp", "off", None)),
        ("en", "change the color of the lamp", "blue", ("lamp", "color", "blue")),
        ("en", "set the temperature of the thermostat", "21.5 degrees", ("heat", "temperature", 21.5)),
        ("en", "set the thermostat mode", "heat", ("heat", "mode", "heat")),
        ("en", "set the thermostat mode", "heating, please", ("heat", "mode", "heat")),
        ("en", "set the air conditioner mode", "fan only", ("ac", "mode", "fan_only")),
        ("en", "change the lamp program", "party", ("program", "option", "party")),
        ("de", "Stelle die Lautstärke vom Radio ein", "auf dreißig Prozent", ("radio", "volume", 30)),
        ("de", "Stelle den Modus des Thermostats ein", "Automatik", ("heat", "mode", "auto")),
        ("es", "Cambia el color de la lámpara", "rojo", ("lamp", "color", "red")),
        ("fr", "Règle la température du thermostat", "vingt et un degrés", ("heat", "temperature", 21)),
        ("nl", "Stel de modus van de airco in", "koelen", ("ac", "mode", "cool")),
        ("zh", "设置收音机的音量", "百分之四十", ("radio", "volume", 40)),
    ],
)
def test_the_answer_is_the_value(
    language: str, sentence: str, answer: str, expected: tuple[str, str, object]
) -> None:
    house = HOMES[language]
    meaning = house.meaning(sentence, None)
    assert isinstance(meaning, Doubtful)
    assert acts(house.with_value(meaning, answer)) == [expected]


@pytest.mark.parametrize(
    ("sentence", "mode"),
    [("Set the thermostat to heating", "heat"), ("Switch the air conditioner to cooling", "cool")],
)
def test_a_mode_in_other_words_is_the_only_one_that_the_model_may_choose(sentence: str, mode: str) -> None:
    meaning = HOMES["en"].meaning(sentence, None)
    assert isinstance(meaning, Undecided)
    assert f'["{mode}"]' in json.dumps(meaning.schema)


@pytest.mark.parametrize(
    "answer",
    ["yes", "no", "stop", "400", "tell me 3 jokes", "set the fan to 40 percent", "what is on?", "cozy", ""],
)
def test_whatever_else_is_said_is_no_value(answer: str) -> None:
    house = HOMES["en"]
    meaning = house.meaning("set the brightness of the lamp", None)
    assert isinstance(meaning, Doubtful)
    assert house.with_value(meaning, answer) is None
