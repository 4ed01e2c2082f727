"""Plain text: paragraphs and real headings, no junk titles."""

from __future__ import annotations

from kb_pipeline.parsing.delimited import read_delimited
from kb_pipeline.parsing.text import read_text, text_elements


def shapes(text: str) -> list[tuple[str, str, int | None]]:
    return [(element.category, element.text, element.heading_level) for element in text_elements(text)]


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
    assert [element.page_number for element in text_elements("first\f\fthird")] == [1, 3]


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
