"""What a sentence leaves to choose from, and when it is better to ask."""

import pytest

from edge_llm.house.choice import Choice
from edge_llm.house.choices import Chooser
from edge_llm.house.compiled import Doubtful, NoCommand, Question
from edge_llm.house.reading.sentence import SentenceReader
from tests.unit.house.houses import compiled, light

AREAS = [{"id": "k", "name": "Kitchen", "floor": "g"}, {"id": "b", "name": "Bedroom", "floor": "u"}]
FLOORS = [{"id": "g", "name": "Ground floor"}, {"id": "u", "name": "First floor"}]
HOUSE = compiled(
    light("spot", "Spot", area="k", capabilities={"on_off": True}),
    light(
        "strip", "Counter strip", area="k", capabilities={"on_off": True, "brightness": {}, "color": ["red"]}
    ),
    light("bed", "Bedside lamp", area="b"),
    {"id": "curtain", "name": "Drapes", "kind": "cover", "class": "curtain", "area": "b"},
    {"id": "tv", "name": "Screen", "kind": "media_player", "area": "b"},
    {"id": "door", "name": "Front door", "kind": "lock"},
    {"id": "todo", "name": "Groceries", "kind": "todo"},
    areas=AREAS,
    floors=FLOORS,
)


def choices(sentence: str, here: str | None = None) -> tuple[Choice, ...]:
    area = HOUSE.targets.area(here)
    reader = SentenceReader(HOUSE.targets, HOUSE.words)
    return Chooser(HOUSE.targets).choices(reader.read(sentence, area), area)


def choice(sentence: str, here: str | None = None) -> Choice:
    (only,) = choices(sentence, here)
    return only


def left(sentence: str, here: str | None = None) -> dict[str, list[str]]:
    """What is left: targets, and their actions."""
    found = choice(sentence, here)
    assert found.problem is None
    return {target.name: [action.id for action in found.actions(target)] for target in found.targets}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("turn on the spot", {"Spot": ["on"]}),
        ("switch the counter strip off", {"Counter strip": ["off"]}),
        ("set the counter strip to 30 percent", {"Counter strip": ["brightness"]}),
        ("make the counter strip red", {"Counter strip": ["color"]}),
        ("unlock the front door", {"Front door": ["unlock"]}),
        ("open the front door", {"Front door": ["unlock"]}),
        ("switch all the kitchen lights off", {"Kitchen: lights": ["off"]}),
        ("turn off the lights on the first floor", {"First floor: lights": ["off"]}),
        ("turn off all the lights", {"house: lights": ["off"]}),
        ("turn off everything in the bedroom", {"Bedroom: everything": ["off"]}),
        ("mute the screen", {"Screen": ["mute"]}),
    ],
)
def test_words_leave_one_meaning(sentence: str, expected: dict[str, list[str]]) -> None:
    assert left(sentence) == expected


@pytest.mark.parametrize("sentence", ["spot", "counter strip", "the kitchen lights"])
def test_a_name_alone_is_asked_back(sentence: str) -> None:
    assert [choice.problem for choice in choices(sentence)] == ["unclear"]


def test_the_speakers_room_comes_first() -> None:
    assert left("lights off now", "k") == {"Kitchen: lights": ["off"]}
    assert left("turn on the light", "b") == {"Bedroom: lights": ["on"]}


def test_a_room_that_is_named_comes_before_the_speakers() -> None:
    assert left("switch all the kitchen lights off", "b") == {"Kitchen: lights": ["off"]}


def test_only_what_can_do_it_is_left() -> None:
    """Of the kitchen's lights one has a brightness; in the bedroom there is but one thing to close."""
    assert left("close it", "b") == {"Bedroom: curtains": ["close"]}


@pytest.mark.parametrize(
    ("sentence", "here"),
    [
        ("turn on the light", None),
        ("set it to 40 percent", None),
        ("turn it on", None),
        ("turn on the microwave", None),
    ],
)
def test_it_asks_where_several_may_be_meant(sentence: str, here: str | None) -> None:
    found = choice(sentence, here)
    assert found.problem == "unclear" or len(found.targets) > 1


@pytest.mark.parametrize(
    "sentence",
    [
        "open the spot",
        "make the spot red",
        "open the screen",
        "set the front door to 40 percent",
        "set the counter strip to 400 percent",
        "set a timer for 10 minutes",
        "open the curtains in the kitchen",
    ],
)
def test_what_cannot_be_done_is_impossible(sentence: str) -> None:
    assert choice(sentence).problem == "impossible"


@pytest.mark.parametrize("sentence", ["tell me 3 jokes about cats", "how was your day", "hello"])
def test_what_is_about_nothing_here_is_open(sentence: str) -> None:
    assert choice(sentence).open


def test_a_question_asks_for_states() -> None:
    found = choice("is my front door locked now?")
    assert found.is_question
    assert [target.name for target in found.targets] == ["Front door"]
    assert [action.id for action in found.actions(found.targets[0])] == ["query"]


def test_what_is_excepted_goes_with_every_clause() -> None:
    found = choices("switch all the kitchen lights off and in the bedroom except the spot")
    assert [each.excepted for each in found] == [frozenset({"spot"})] * 2


def test_an_exception_that_is_nothing_here_is_asked_about() -> None:
    """Turning off what somebody meant to keep on is worse than a question."""
    assert choice("turn off all the lights except the aquarium").problem == "unclear"


def test_what_is_to_be_bought_may_sound_like_anything() -> None:
    """A lamp on the list of groceries is no lamp of the house."""
    (found,) = choices("add a bedside lamp to the groceries")
    assert [target.name for target in found.targets] == ["Groceries"]
    assert [action.id for action in found.actions(found.targets[0])] == ["add_item"]


@pytest.mark.parametrize(
    "sentence", ["turn on the coffee maker", "turn on the oven in the kitchen", "unlock the box"]
)
def test_what_is_not_there_is_no_other_thing_that_can_do_it(sentence: str) -> None:
    """However few things there are: a house may not be known whole yet."""
    area = {"id": "k", "name": "Kitchen"}
    lock = {"id": "l", "name": "Front door", "kind": "lock"}
    meaning = compiled(light("a", "Lamp", area="k"), lock, areas=[area]).meaning(sentence, None)
    assert isinstance(meaning, Doubtful), meaning


@pytest.mark.parametrize(
    "sentence",
    ["Name three simple ways to save energy at home.", "What is the best temperature for sleeping?"],
)
def test_talk_is_no_command_because_of_a_number_or_of_what_sensors_measure(sentence: str) -> None:
    meter = {"id": "t", "name": "Thermometer", "kind": "sensor", "class": "temperature", "state": "20"}
    assert isinstance(compiled(light("a", "Lamp"), meter).meaning(sentence, None), NoCommand)
    asked = compiled(light("a", "Lamp"), meter).meaning("How warm is it?", None)
    assert isinstance(asked, Question)
