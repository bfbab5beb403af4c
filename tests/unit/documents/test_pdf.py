import re

import pytest

from edge_llm.documents.reading.blocks import Heading, Lines, Paragraph, UnreadableError
from tests.unit.documents.pdfs import encrypted, make_pdf, read, text_page, with_outline


def test_a_paragraph_is_joined_over_its_lines_and_parted_words_are_mended() -> None:
    found = read(make_pdf(text_page("Clean the filter every month and rinse it under run-", "ning water.")))
    assert found.blocks == (Paragraph("Clean the filter every month and rinse it under running water.", 1),)


def test_lines_in_large_letters_are_headings() -> None:
    page = [
        (20, "Dishwasher"),
        (14, "Care"),
        *text_page("Rinse the filter.", "Wipe the seal."),
        (14, "Codes"),
    ]
    found = read(make_pdf([*page, (10, "E15 means water.")]))
    assert [each for each in found.blocks if isinstance(each, Heading)] == [
        Heading(1, "Dishwasher", 1),
        Heading(2, "Care", 1),
        Heading(2, "Codes", 1),
    ]
    assert found.title == "Dishwasher"


def test_the_outline_gives_the_headings_where_there_is_one() -> None:
    data = make_pdf(
        text_page("1 Safety", "Unplug it."), text_page("Hold on.", "2 Error codes", "E15 is water.")
    )
    found = read(with_outline(data, ("Safety", 0), ("Error codes", 1)))
    assert [each for each in found.blocks if isinstance(each, Heading)] == [
        Heading(1, "Safety", 1),
        Heading(1, "Error codes", 2),
    ]
    assert found.blocks[-1] == Paragraph("E15 is water.", 2)


def test_headers_footers_and_page_numbers_are_left_out() -> None:
    pages = [
        text_page("Brunner GS 45", f"Text of part {name}.", f"Page {n}") for n, name in enumerate("abcd")
    ]
    found = read(make_pdf(*pages))
    assert [each.text for each in found.blocks if isinstance(each, Paragraph)] == [
        f"Text of part {name}." for name in "abcd"
    ]


def test_lines_of_a_table_of_contents_are_left_out() -> None:
    found = read(make_pdf(text_page("Cleaning ........ 12", "Codes . . . . . . 14", "The text itself.")))
    assert found.blocks == (Paragraph("The text itself.", 1),)


def test_items_of_a_list_stay_apart() -> None:
    found = read(make_pdf(text_page("Do this:", "1. Close the tap", "and wait.", "2. Pull the plug.")))
    assert found.blocks == (
        Paragraph("Do this:", 1),
        Lines(("1. Close the tap and wait.", "2. Pull the plug."), page=1),
    )


def test_the_title_is_that_of_the_file_unless_it_is_a_file_name() -> None:
    page = text_page("Text.")
    assert read(make_pdf(page, title="Brunner GS 45")).title == "Brunner GS 45"
    assert read(make_pdf(page, title="Microsoft Word - a.doc"), "care/dish_washer.pdf").title == "dish washer"


def test_an_encrypted_file_without_a_password_to_read_is_read() -> None:
    data = make_pdf(text_page("Open to all."))
    assert read(encrypted(data, "")).blocks == (Paragraph("Open to all.", 1),)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (encrypted(make_pdf(text_page("Secret.")), "swordfish"), "password"),
        (make_pdf([]), "no text"),
        (b"%PDF-1.4 and then nothing of a PDF", "damaged"),
        (b"", "damaged"),
        (make_pdf(text_page("Text."))[:200], "damaged|no text"),
    ],
    ids=["encrypted", "scan", "not a PDF", "empty", "cut off"],
)
def test_what_cannot_be_read_says_why(data: bytes, why: str) -> None:
    with pytest.raises(UnreadableError) as error:
        read(data)
    assert re.search(why, str(error.value))
    assert "Secret" not in str(error.value)


def test_a_page_that_is_damaged_leaves_the_others() -> None:
    data = make_pdf(text_page("First."), text_page("Second."), text_page("Third."))
    content = data.index(b"(Second.)")
    damaged = data[: content - 40] + data[content - 40 : content].replace(b"BT", b"<<") + data[content:]
    texts = [each.text for each in read(damaged).blocks if isinstance(each, Paragraph)]
    assert {"First.", "Third."} <= set(texts)


def test_random_damage_never_ends_in_another_error() -> None:
    data = bytearray(make_pdf(text_page("Some text."), text_page("More text.")))
    for place in range(0, len(data), 7):
        damaged = bytes(data[:place]) + b"\xff\x00<<" + bytes(data[place + 4 :])
        try:
            read(damaged)
        except UnreadableError:
            continue
