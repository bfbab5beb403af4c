from edge_llm.documents.reading.blocks import Block, Document, Heading, Lines, Paragraph
from edge_llm.documents.reading.passages import (
    CHAPTER_TOKENS,
    PASSAGE_TOKENS,
    Section,
    cut_into_passages,
)
from edge_llm.documents.reading.sentences import sentences
from edge_llm.documents.tokens import estimate_tokens

SENTENCE = "The filter is rinsed under running water every month."


def cut(*blocks: Block) -> list[Section]:
    return cut_into_passages(Document("Manual", blocks))


def test_tokens_are_estimated_by_letters_and_by_characters_of_han() -> None:
    assert (estimate_tokens("abcdefgh"), estimate_tokens("滤网清洗"), estimate_tokens("E15 滤网")) == (
        2,
        4,
        3,
    )


def test_short_paragraphs_below_a_heading_are_one_passage() -> None:
    found = cut(
        Heading(1, "Care"), Paragraph("One."), Paragraph("Two."), Heading(1, "Codes"), Paragraph("Three.")
    )
    assert [(each.heading, each.text) for each in found] == [("Care", "One.\n\nTwo."), ("Codes", "Three.")]


def test_the_heading_is_the_path_without_the_title() -> None:
    care = Heading(1, "Manual"), Heading(2, "Care"), Heading(4, "Filter"), Paragraph("a")
    found = cut(*care, Heading(2, "Codes"), Paragraph("b"))
    assert [each.heading for each in found] == ["Care > Filter", "Codes"]


def test_a_heading_below_which_nothing_stands_is_found_itself() -> None:
    found = cut(Heading(1, "Call 0800 555"), Heading(1, "Care"), Paragraph("a"))
    assert [each.text for each in found] == ["Call 0800 555", "a"]


def test_a_long_paragraph_is_cut_at_sentences_into_passages_of_about_the_same_size() -> None:
    found = cut(Paragraph(" ".join([SENTENCE] * 60)))
    sizes = [estimate_tokens(each.text) for each in found]
    assert all(each.text.endswith("month.") for each in found)
    assert max(sizes) <= PASSAGE_TOKENS
    assert min(sizes) > PASSAGE_TOKENS / 2


def test_a_sentence_without_an_end_is_cut_too() -> None:
    assert all(estimate_tokens(each.text) <= PASSAGE_TOKENS for each in cut(Paragraph("word " * 2000)))
    assert all(estimate_tokens(each.text) <= PASSAGE_TOKENS for each in cut(Paragraph("洗" * 2000)))


def test_chinese_is_cut_at_its_own_marks() -> None:
    found = cut(Paragraph("请先关闭水龙头，再拔掉电源插头。" * 40))
    assert all(each.text.endswith("。") for each in found)


def test_each_part_of_a_long_table_has_its_header_row() -> None:
    rows = tuple(f"E{number} | the meaning of code {number} is written here" for number in range(60))
    found = cut(Lines(rows, "Code | Meaning"))
    assert len(found) > 1
    assert all(each.text.startswith("Code | Meaning\nE") for each in found)


def test_each_part_of_a_long_list_has_the_line_that_introduces_it() -> None:
    items = tuple(f"- step {number}: {SENTENCE}" for number in range(40))
    found = cut(Paragraph("Before the first wash:"), Lines(items))
    assert len(found) > 1
    assert all(each.text.startswith("Before the first wash:\n- step") for each in found)


def test_no_sentence_before_a_list_is_lost() -> None:
    (found,) = cut(
        Paragraph("Use the liquid only. No vinegar: it attacks the seals."), Lines(("1. a", "2. b"))
    )
    assert found.text == "Use the liquid only. No vinegar: it attacks the seals.\n1. a\n2. b"


def test_a_passage_has_the_page_on_which_it_begins() -> None:
    assert [
        each.page for each in cut(Paragraph("a", 3), Paragraph("b", 4), Heading(1, "c", 5), Paragraph("d", 5))
    ] == [3, 5]


def test_chapters_are_neighbours_that_fit_together() -> None:
    found = cut(
        *[each for n in range(12) for each in (Heading(2, f"Part {n}"), Paragraph(f"{SENTENCE} " * 6))]
    )
    chapters: dict[int, int] = {}
    for each in found:
        chapters[each.chapter] = chapters.get(each.chapter, 0) + estimate_tokens(each.heading + each.text)
    assert [each.chapter for each in found] == sorted(each.chapter for each in found)
    assert max(chapters.values()) <= CHAPTER_TOKENS
    assert len(chapters) < len(found)


def test_control_characters_and_halves_of_pairs_are_left_out() -> None:
    assert cut(Paragraph("a\x00b\x1bc\ud800d\u00ade"))[0].text == "abcde"


def test_abbreviations_numbers_and_ordinals_do_not_end_a_sentence() -> None:
    text = "Wash at approx. 60 degrees, z. B. Towels, on 1. May at 2.5 bar. Then dry it! Ok? Yes."
    assert sentences(text) == [
        "Wash at approx. 60 degrees, z. B. Towels, on 1. May at 2.5 bar.",
        "Then dry it!",
        "Ok?",
        "Yes.",
    ]
