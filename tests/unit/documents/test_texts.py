import pytest

from edge_llm.documents.reading.blocks import Heading, Lines, Paragraph, UnreadableError
from edge_llm.documents.reading.texts import decode, read_document


def read(text: str, path: str) -> list[object]:
    return list(read_document(text.encode(), path).blocks)


class TestEncodings:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_umlauts_are_read_in(self, encoding: str) -> None:
        assert decode("Spülmaschine für 20 €".encode(encoding)) == "Spülmaschine für 20 €"

    def test_html_is_read_in_the_encoding_that_it_names(self) -> None:
        data = b'<meta charset="gb2312"><p>' + "洗碗机".encode("gb2312")
        assert read_document(data, "a.html").blocks == (Paragraph("洗碗机"),)

    def test_an_encoding_that_does_not_exist_is_no_error(self) -> None:
        assert read_document(b'<meta charset="rot13"><p>caf\xe9', "a.html").blocks == (Paragraph("café"),)

    def test_line_ends_of_all_systems_are_the_same(self) -> None:
        assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"

    def test_a_binary_file_is_unreadable(self) -> None:
        with pytest.raises(UnreadableError, match="binary"):
            read_document(bytes(range(256)) * 4, "a.txt")


class TestMarkdown:
    def test_headings_of_both_kinds(self) -> None:
        text = "Manual\n======\n\nCare\n----\n\n### Filter ###\n\n#no heading\n"
        assert read(text, "a.md") == [
            Heading(1, "Manual"),
            Heading(2, "Care"),
            Heading(3, "Filter"),
            Paragraph("#no heading"),
        ]

    def test_the_title_is_that_of_the_front_matter_else_the_first_heading_else_the_name(self) -> None:
        assert read_document(b"---\ntitle: 'Oven'\n---\n# Other\n", "a.md").title == "Oven"
        assert read_document(b"Intro\n\n# Oven\n", "a.md").title == "Oven"
        assert read_document(b"Intro\n", "papers/old_oven.md").title == "old oven"

    def test_marks_are_left_out(self) -> None:
        text = (
            "**Bold**, _soft_, `code`, [a link](http://x), ![a picture](p.png)\\!  <b>so</b> snake_case_name"
        )
        assert read(text, "a.md") == [
            Paragraph("Bold, soft, code, a link, a picture! so snake_case_name"),
        ]

    def test_items_keep_their_numbers_and_their_lines(self) -> None:
        text = "Do:\n\n1. Close\n   the tap\n2. Wait\n\n- a\n- b\n\nAfter."
        assert read(text, "a.md") == [
            Paragraph("Do:"),
            Lines(("1. Close the tap", "2. Wait", "- a", "- b")),
            Paragraph("After."),
        ]

    def test_a_table_has_its_header_row(self) -> None:
        text = "| Code | Meaning |\n|:--|--:|\n| **E15** | Water \\| leak |\n| E16 | Door |\n\nText"
        assert read(text, "a.md") == [
            Lines(("E15 | Water | leak", "E16 | Door"), "Code | Meaning"),
            Paragraph("Text"),
        ]

    def test_code_is_kept_as_it_is(self) -> None:
        assert read("```sh\n# no heading\nrun  it\n```\nText", "a.md") == [
            Lines(("# no heading", "run  it")),
            Paragraph("Text"),
        ]

    def test_comments_are_left_out(self) -> None:
        assert read("a <!-- secret\n\n# no --> b", "a.md") == [Paragraph("a b")]

    @pytest.mark.parametrize(
        "text", ["[" * 10_000, "<!--" * 50_000, "*a" * 50_000, "| " * 50_000, "#" + " " * 50_000]
    )
    def test_a_text_made_to_take_long_does_not(self, text: str) -> None:
        read(f"{text}\n{text}", "a.md")


class TestPlainText:
    def test_numbered_lines_lines_in_capitals_and_underlined_ones_are_headings(self) -> None:
        text = "Manual\n======\n\nIntro.\n\n1. Safety\n\nUnplug.\n\n2.1 Cleaning the filter\n\nRinse.\n\n"
        text += "ERROR CODES\n\nE15."
        headings = [each for each in read(text, "a.txt") if isinstance(each, Heading)]
        assert headings == [
            Heading(1, "Manual"),
            Heading(1, "1. Safety"),
            Heading(2, "2.1 Cleaning the filter"),
            Heading(2, "ERROR CODES"),
        ]

    def test_a_line_within_a_list_or_a_paragraph_is_no_heading(self) -> None:
        assert read("Steps\n1. Open it\n2. Close it\n\nEnd of it.", "a.txt") == [
            Paragraph("Steps"),
            Lines(("1. Open it", "2. Close it")),
            Paragraph("End of it."),
        ]

    def test_lines_of_a_paragraph_are_joined_without_a_space_in_chinese(self) -> None:
        assert read("请先关闭\n水龙头。", "a.txt") == [Paragraph("请先关闭水龙头。")]

    def test_the_first_line_is_the_title_in_chinese_if_it_stands_alone(self) -> None:
        found = read_document("阳光健身房 会员协议\n\n会费每月付一次。\n\n年卡另算".encode(), "a.txt")
        assert found.title == "阳光健身房 会员协议"
        assert found.blocks[1:] == (Paragraph("会费每月付一次。"), Paragraph("年卡另算"))

    def test_a_short_first_line_is_a_heading_in_chinese(self) -> None:
        assert read("二、停卡\n因病可以停卡,每年一次，\n最长两个月。", "a.txt") == [
            Heading(3, "二、停卡"),
            Paragraph("因病可以停卡,每年一次，最长两个月。"),
        ]

    def test_the_heading_of_the_first_paragraph_is_not_the_title(self) -> None:
        assert read_document("停卡\n因病可以停卡，每年一次。".encode(), "会员.txt").title == "会员"

    def test_a_line_with_a_code_is_not_in_capitals_in_chinese(self) -> None:
        text = "会费每月付一次。\n\n会员:陈晨 卡号:VIP-2207\n\n年卡另算。"
        assert Paragraph("会员:陈晨 卡号:VIP-2207") in read(text, "a.txt")


class TestHtml:
    def test_scripts_styles_navigation_and_hidden_parts_are_left_out(self) -> None:
        text = (
            "<head><title>Oven &amp; hob</title><style>p{}</style></head><nav><ul><li>Home</ul></nav>"
            "<script>if (a<b) '<p>no</p>'</script><p hidden>no</p>"
            "<div aria-hidden=true>no<div>no</div></div><p>Yes"
        )
        found = read_document(text.encode(), "a.html")
        assert (found.title, found.blocks) == ("Oven & hob", (Paragraph("Yes"),))

    def test_headings_paragraphs_and_lists(self) -> None:
        text = "<h1>Oven</h1>One<br>two<p>Three <b>four</b><h2>List</h2><ol><li>a<li>b<ul><li>c</ul></ol>d"
        assert read(text, "a.html") == [
            Heading(1, "Oven"),
            Paragraph("One two"),
            Paragraph("Three four"),
            Heading(2, "List"),
            Lines(("1. a", "2. b", "- c")),
            Paragraph("d"),
        ]

    def test_a_table_has_its_header_row_also_where_cells_are_not_closed(self) -> None:
        text = "<table><tr><th>Code<th>Meaning<tr><td>E15<td><p>Water<p>leak<tr><td>E16<td>Door</table>"
        assert read(text, "a.html") == [Lines(("E15 | Water leak", "E16 | Door"), "Code | Meaning")]

    def test_a_table_that_lays_out_a_page_gives_its_headings_and_text(self) -> None:
        text = "<table><tr><td><h2>Care</h2><p>Rinse it.</td></tr></table>"
        assert read(text, "a.html") == [Heading(2, "Care"), Paragraph("Rinse it.")]

    @pytest.mark.parametrize(
        "odd", ["<![x y>", "<![if !IE]>", "<![CDATA[x]]>", "<!x>", "<?php x ?>", "</>", "<!---->"]
    )
    def test_odd_declarations_are_left_out(self, odd: str) -> None:
        assert read(f"<p>One{odd}<p>Two", "a.html") == [Paragraph("One"), Paragraph("Two")]

    def test_definitions_stand_with_their_words(self) -> None:
        assert read("<dl><dt>Salt<dd>monthly<dt>Aid<dd>weekly</dl>", "a.html") == [
            Lines(("- Salt: monthly", "- Aid: weekly")),
        ]
