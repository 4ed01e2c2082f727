"""Plain text: paragraphs and real headings, no junk titles."""

from __future__ import annotations

from kb_pipeline.parsing.delimited import read_delimited
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.text import read_text, text_document


def shapes(text: str) -> list[tuple[str, str, int | None]]:
    return [(element.category, element.text, element.heading_level) for element in text_document(text).elements]


def test_wrapped_lines_are_rejoined_in_the_way_of_their_language() -> None:
    english = "This line is wrapped by an editor at some seventy columns or so,\nand goes on here.\n"
    chinese = "这一行是由编辑器在大约三十五个汉字的地方自动折行的，折行之处不应当出现\n任何空格。\n"
    assert shapes(english) == [("NarrativeText", english.replace("\n", " ").strip(), None)]
    assert shapes(chinese) == [("NarrativeText", chinese.replace("\n", ""), None)]


def test_short_lines_stay_apart_and_are_no_titles() -> None:
    assert shapes("Dear Ann\nBest regards\nBob") == [
        ("NarrativeText", "Dear Ann", None),
        ("NarrativeText", "Best regards", None),
        ("NarrativeText", "Bob", None),
    ]


def test_numbering_gives_levels() -> None:
    text = "第一章 总则\n\n一、目的\n为了规范管理，制定本制度。\n二、范围\n\n第二章 附则\n"
    assert [shape for shape in shapes(text) if shape[0] == "Title"] == [
        ("Title", "第一章 总则", 1),
        ("Title", "一、目的", 2),
        ("Title", "二、范围", 2),
        ("Title", "第二章 附则", 1),
    ]


def test_an_underlined_line_is_a_heading() -> None:
    assert shapes("Policy\n======\n\nText of it.") == [("Title", "Policy", 1), ("NarrativeText", "Text of it.", None)]


def test_bullets_become_list_items_without_their_mark() -> None:
    assert shapes("- one\n- two\n• three") == [("ListItem", item, None) for item in ("one", "two", "three")]


def test_form_feeds_count_pages() -> None:
    assert [element.page_number for element in text_document("first\f\fthird").elements] == [1, 3]


def test_the_encoding_is_noted() -> None:
    assert read_text("公司的规定".encode("utf-16")).metadata == {"encoding": "utf-16"}


def test_a_semicolon_file_in_gb18030_becomes_one_table() -> None:
    data = "产品;价格;库存\n螺栓;1,5;20\n垫圈;0,3;100\n".encode("gb18030")
    (table,) = read_delimited(data).elements
    assert table.text == "产品 | 价格 | 库存\n螺栓 | 1,5 | 20\n垫圈 | 0,3 | 100"
    assert table.html is not None
    assert table.html.startswith("<table><tr><th>产品</th>")


def test_quoted_cells_keep_their_delimiters_and_line_ends() -> None:
    (table,) = read_delimited(b'name,note\n"Li, Wei","two\nlines"\n').elements
    assert table.text == "name | note\nLi, Wei | two lines"


def reasons(text: str) -> list[tuple[str, str]]:
    return [(item.reason, item.text) for item in text_document(text).dropped]


def test_lines_are_rejoined_by_the_width_at_which_they_were_wrapped() -> None:
    text = "The first line is wrapped at about fifty columns,\nand the second one goes on for as long as\nthe third."
    text += "\nA new thought."
    assert shapes(text + "\n\n" + text)[:2] == [
        ("NarrativeText", " ".join(text.split("\n")[:3]), None),
        ("NarrativeText", "A new thought.", None),
    ]


def test_addresses_below_each_other_stay_apart() -> None:
    lines = [f"https://example.com/{name}/subscription/page" for name in ("tools", "methods", "datasets")]
    assert shapes("\n".join(lines)) == [("NarrativeText", line, None) for line in lines]


def test_long_lines_are_paragraphs() -> None:
    line = "这是一个很长的段落，" * 20
    assert len(shapes(f"{line}\n{line}\n{line}")) == 3


def test_running_lines_of_pages_are_dropped_and_listed() -> None:
    text = "\f".join(
        f"ACME report\n\nText of the page number {n} alone, which is long enough.\n\nPage {n}\n" for n in range(1, 6)
    )
    document = text_document(text)
    assert len(document.elements) == 5
    assert document.page_count == 5
    assert {item.reason for item in document.dropped} == {"running header or footer", "page number"}
    assert document.dropped[0].page_number == 1


def test_pages_of_labels_are_no_running_lines() -> None:
    assert len(text_document("x\f" * 20).elements) == 20


def test_underlines_give_levels_in_their_order_and_are_listed() -> None:
    text = "Manual\n======\n\nPart\n----\n\nText.\n\nOther\n=====\n\nMore.\n"
    assert [level for _, _, level in shapes(text)] == [1, 2, None, 1, None]
    assert reasons(text) == [("ruling line", "======"), ("ruling line", "----"), ("ruling line", "=====")]


def test_drawn_tables_keep_their_columns() -> None:
    table = "item      price   stock\n-----     -----   -----\nbolt       1.50      20\nwasher     0.30     100"
    assert shapes(f"Prices:\n\n{table}\n\nEnd.")[1] == ("CodeSnippet", table, None)
    boxed = "+---+---+\n| a | b |\n+---+---+\n| 1 | 2 |\n+---+---+"
    assert shapes(boxed) == [("CodeSnippet", boxed, None)]


def test_base64_is_said_to_be_base64() -> None:
    assert read_text(b"8uPr5e8gVGVzbGEgLSDw4/j5+iDn+unu5CDy7CDk4ff55CDs+On55e0g\n").warnings
    assert not read_text(b"An ordinary text without anything special in it.").warnings


def test_all_text_is_found_again() -> None:
    document = clean_document(read_text("一、总则\n\n- 甲\n- 乙\n\n正文。\n======\n".encode("gb18030")))
    assert document.coverage == 1
