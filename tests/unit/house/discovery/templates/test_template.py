"""Templates: what they make of messages and values, what is refused, and that all of it is bounded."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from edge_llm.house.discovery.templates.functions import MAX_TEXT
from edge_llm.house.discovery.templates.template import MAX_TEMPLATE, Template
from edge_llm.house.discovery.unreadable import Unreadable

MESSAGE = {
    "state": "ON",
    "temperature": 21.46,
    "battery": 87,
    "contact": False,
    "color": {"x": 0.3, "y": 0.4},
    "Dimmer": 40,
    "Color": "255,128,0,12",
    "odd key": "found",
    "nothing": None,
    "hex": "ff8000",
    "list": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ value_json.state }}", "ON"),
        ("{{value_json['state']}}", "ON"),
        ("{{ value_json.color.x }}", "0.3"),
        ("{{ value_json['odd key'] }}", "found"),
        ("{{ value_json.get('gone', 'none at all') }}", "none at all"),
        ("{{ value_json.temperature | round(1) }}", "21.5"),
        ("{{ value_json.temperature | float | round }}", "21"),
        ("{{ value_json.battery | int + 1 }}", "88"),
        ("{{ (value_json.Dimmer | int * 2.55) | round(0) | int }}", "102"),
        ("{{ value_json.Color.split(',')[0:3] | join(',') }}", "255,128,0"),
        ("{{ value_json.Color.split(',')[0] }}", "255"),
        ("{{ value_json.hex[0:2] | int(0, 16) }}", "255"),
        ("{{ 'open' if value_json.contact else 'closed' }}", "closed"),
        ("{{ iif(value_json.contact, 'open', 'closed') }}", "closed"),
        ("{{ value_json.contact | iif('open', 'closed') }}", "closed"),
        (
            "{% if value_json.battery > 90 %} a {% elif value_json.battery > 9 %} b {% else %} c {% endif %}",
            "b",
        ),
        ("{% if 'battery' in value_json and value_json.battery %}yes{% else %}no{% endif %}", "yes"),
        ("{% set words = {'ON': 'on', 'OFF': 'off'} %}{{ words[value_json.state] }}", "on"),
        ("{{ {'ON': 1, 'OFF': 0}[value_json.state] | default('None') }}", "1"),
        ("{{ {'x': 1}[value_json.state] | default('None') }}", "None"),
        ("{{ value_json.state if value_json.state in ['ON', 'OFF'] else 'None' }}", "ON"),
        ("{{ value_json.gone | default(5) }}", "5"),
        ("{{ value_json.nothing | default('x', true) }}", "x"),
        ("{{ value_json.contact }}", "False"),
        ("{{ value_json.gone }}", ""),
        ("{{ value_json.gone is defined }}", "False"),
        ("{{ value_json.color | tojson }}", '{"x": 0.3, "y": 0.4}'),
        ("{{ value_json.color | to_json }}", '{"x":0.3,"y":0.4}'),
        ("{{ value_json.state | lower ~ '!' }}", "on!"),
        ("{{ value_json.state.lower() }}", "on"),
        ("{{ value_json.state | replace('ON', 'open') }}", "open"),
        ("{{ not value_json.contact }}", "True"),
        ("{{ -value_json.battery | abs }}", "87"),
        ("{{ value_json.list[-1] }}", "3"),
        ("{{ max(value_json.battery, 90) }}", "90"),
        ("{{ value_json.battery | float(0) / 2 }}", "43.5"),
        ("{{ '%02x' | format(value_json.battery) }}", "57"),
        ("{{ value_json.battery is number }}", "True"),
        ("{{ 20 < value_json.battery < 90 }}", "True"),
        ("text before {# a comment #}{{ value_json.battery }} and after", "text before 87 and after"),
    ],
)
def test_a_message_is_read(template: str, expected: str) -> None:
    assert Template(template).of_message(json.dumps(MESSAGE)) == expected


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.a.b }}",
        "{{ value_json.gone | is_defined }}",
        "{{ value_json.gone | float }}",
        "{{ value_json.state | float }}",
        "{{ value_json.state | int }}",
        "{{ value_json.battery / 0 }}",
        "{{ value_json.state * 3 }}",
        "{{ value_json.list * 3 }}",
        "{{ value_json.state + 1 }}",
        "{{ value_json.gone + 1 }}",
        "{{ value_json.color == value_json.color }}",
        "{{ '%d' | format('x') }}",
        "{{ value_json.battery | round(400) }}",
    ],
)
def test_a_message_that_lacks_something_says_nothing(template: str) -> None:
    assert Template(template).of_message(json.dumps(MESSAGE)) is None


def test_a_message_that_is_no_json_is_a_value_alone() -> None:
    assert Template("{{ value | float * 2 }}").of_message("1.5") == "3.0"
    assert Template("{{ value_json.state }}").of_message("ON") is None
    assert Template("{{ value.split(';')[1] }}").of_message("a;b") == "b"


def test_a_value_becomes_a_payload() -> None:
    assert (
        Template('{"position": {{ position }} }', ["position"]).of_value(3, {"position": 40})
        == '{"position": 40 }'
    )
    assert Template("{{ {0: 'off', 1: 'low'}[value] | default('') }}").of_value(1) == "low"
    assert Template("{{ {'mode': value} | to_json }}").of_value("heat") == '{"mode":"heat"}'
    rgb = Template("{{ '#%02x%02x%02x' | format(red, green, blue) }}", ["red", "green", "blue"])
    assert rgb.of_value("255,0,9", {"red": 255, "green": 0, "blue": 9}) == "#ff0009"


@pytest.mark.parametrize(
    "template",
    [
        "{% for each in value_json %}{{ each }}{% endfor %}",
        "{% macro m() %}{% endmacro %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% set a %}text{% endset %}",
        "{% set a, b = 1, 2 %}",
        "{% set float = 1 %}{{ float(1) }}",
        "{% filter upper %}x{% endfilter %}",
        "{{ value ** 2 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ value_json.items() }}",
        "{{ value_json.update }}",
        "{{ value_json.__class__ }}",
        "{{ value.format('x') }}",
        "{{ ''.join(value) }}",
        "{{ states('sensor.door') }}",
        "{{ this.state }}",
        "{{ range(10) }}",
        "{{ now() }}",
        "{{ value | map('upper') }}",
        "{{ value | center(1000000) }}",
        "{{ value | pprint }}",
        "{{ value | round(1, 'floor', 0, 0) }}",
        "{{ value | float(*[1]) }}",
        "{{ value | float(precision=1) }}",
        "{{ value is divisibleby(2) }}",
        "{{ value is match('x') }}",
        "{{ 1000000000000000000000 }}",
        "{{ value",
        "{{ " + "(" * 100 + "1" + ")" * 100 + " }}",
        "{{ " + "not " * 200 + "value }}",
        "{{ value" + " or value" * 150 + " }}",
        "{{ value }}" * 100,
        "x" * (MAX_TEMPLATE + 1),
    ],
)
def test_what_is_not_in_the_subset_is_refused(template: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        Template(template)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "template",
    [
        "{% set a = value %}" + "{% set a = a ~ a %}" * 18 + "{{ a }}",
        "{{ value | replace('', value) }}",
        "{{ " + "value ~ " * 100 + "value }}",
        "{% set a = [value] %}{% set b = [a, a] %}{{ b }}",
        "{{ [value_json, value_json] | to_json }}",
        "{{ value_json | join(value) }}",
    ],
)
def test_nothing_grows(template: str) -> None:
    payload = json.dumps(["x" * 200] * 70)
    assert len(payload) <= MAX_TEXT
    assert Template(template).of_message(payload) is None


def test_a_long_message_says_nothing() -> None:
    assert Template("{{ value }}").of_message("x" * (MAX_TEXT + 1)) is None


def test_numbers_stay_small() -> None:
    template = Template("{{ value_json * 1000000000 * 1000000000 }}")
    assert template.of_message("5") is None
    assert Template("{{ value_json }}").of_message("9" * 5000) == ""
    assert Template("{{ value | int }}").of_message("9" * 500) is None
    assert Template("{{ value_json.a }}").of_message('{"a": NaN}') is None


NAMES = st.sampled_from(
    ["value", "value_json", "value_json.a", "value_json['b']", "value_json.a.b", "nothing"]
)
LITERALS = st.sampled_from(["1", "0", "2.5", "'x'", "''", "true", "none", "[1, 'x']", "{'a': 1}", "99999999"])
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "~", "and", "or", "==", "<", "in", "not in"])
FILTERS = st.sampled_from(
    [
        "int",
        "float",
        "float(0)",
        "round(2)",
        "lower",
        "trim",
        "string",
        "tojson",
        "abs",
        "default('')",
        "first",
        "replace('', value)",
        "join(value)",
        "iif(1, 2)",
        "length",
        "multiply(99999999)",
        "format(1)",
    ]
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(lambda each: f"({' '.join(each)})"),
        st.tuples(inner, FILTERS).map(lambda each: f"({each[0]} | {each[1]})"),
        st.tuples(inner, inner, inner).map(lambda each: f"({each[0]} if {each[1]} else {each[2]})"),
        st.tuples(inner, inner).map(lambda each: f"[{each[0]}, {each[1]}]"),
        st.tuples(inner, inner).map(lambda each: f"({each[0]}[{each[1]}])"),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, LITERALS), _combined, max_leaves=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "é"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(expression=EXPRESSIONS, message=JSON.map(json.dumps) | st.text(max_size=50))
def test_an_expression_of_the_subset_never_raises_and_stays_short(expression: str, message: str) -> None:
    try:
        template = Template("{{ " + expression + " }}")
    except Unreadable:
        return
    text = template.of_message(message)
    assert text is None or len(text) <= MAX_TEXT


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet="{}%|()[]'\"~*+-=<>., \nabvaluejsonifset0123456789_#", max_size=120))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        Template(text).of_message('{"a": 1}')
    except Unreadable as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 - a refusal is one of two good ends


@pytest.mark.parametrize(
    "template",
    [
        "{{ value_json.temperature * 2 + 1 }}",
        "{{ value_json.battery // 10 }}-{{ value_json.battery % 10 }}",
        "{{ value_json.state ~ value_json.battery }}",
        "{{ value_json.list }}",
        "{{ value_json.color | tojson }}",
        "{% set a = value_json.battery %}{{ a if a else 0 }}",
        "{{ value_json.nothing }} {{ value_json.contact and 1 or 2 }}",
        "{{ value_json.battery | string | length }}",
        "{{ value_json.state | title | upper | trim }}",
    ],
)
def test_it_is_as_jinja_has_it(template: str) -> None:
    expected = Environment(autoescape=False).from_string(template).render(value_json=MESSAGE)  # noqa: S701 - no HTML
    assert Template(template).of_message(json.dumps(MESSAGE)) == expected.strip()
