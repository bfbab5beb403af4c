"""Stop strings: held back until decided, wherever the pieces of text are cut."""

from hypothesis import given
from hypothesis import strategies as st

from edge_llm.engine.text.stops import StopFilter


def run(pieces: list[str], stops: tuple[str, ...]) -> tuple[str, bool]:
    watch, text = StopFilter(stops), ""
    for piece in pieces:
        given_out, stopped = watch.push(piece)
        text += given_out
        if stopped:
            return text, True
    return text + watch.finish(), False


def test_a_stop_string_across_pieces_is_found_and_cut() -> None:
    assert run(["light on", "\n", "\nUser:", " hi"], ("\n\nUser",)) == ("light on", True)


def test_what_only_began_like_a_stop_string_is_given_out() -> None:
    watch = StopFilter(("END",))
    assert watch.push("the E") == ("the ", False)
    assert watch.push("N") == ("", False)
    assert watch.push("ERGY") == ("ENERGY", False)
    assert watch.finish() == ""


def test_the_first_of_several_stops_counts() -> None:
    assert run(["abcdef"], ("ef", "cd")) == ("ab", True)


@given(
    st.text("ab", max_size=30),
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.data(),
)
def test_cuts_do_not_matter(text: str, stops: list[str], data: st.DataObject) -> None:
    """Letter by letter a stop is seen as soon as it is complete; the text before it is what counts."""
    ends = [(text.find(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    result, stopped = run(list(text), tuple(stops))
    assert stopped == bool(ends)
    if ends:
        end, length = min(ends)
        assert result == text[: end + length]
    else:
        assert result == text
