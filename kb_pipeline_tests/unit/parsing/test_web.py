"""HTML: the content of a page, whole and in order; everything else listed."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import EmptyDocument, LimitExceeded
from kb_pipeline.parsing.document import clean_document
from kb_pipeline.parsing.html.reader import html_document, read_html

FILLER = "<p>" + "The body of the page says a good deal about its subject. " * 12 + "</p>"


def shapes(html: str) -> list[tuple[str, str]]:
    return [(element.category, element.text) for element in html_document(html).elements]


def titles(html: str) -> list[tuple[str, int | None]]:
    return [(e.text, e.heading_level) for e in html_document(html).elements if e.category == "Title"]


def dropped(html: str) -> dict[str, str]:
    return {item.text: item.reason for item in html_document(html).dropped}


def test_lists_keep_their_numbers_and_depth() -> None:
    html = "<ul><li>one<ul><li>two<p>more</p></ul><li>three</ul><ol start=3><li>c<li>d</ol>"
    elements = html_document(html).elements
    assert [element.text for element in elements] == ["one", "two", "more", "three", "3. c", "4. d"]
    assert [element.metadata.get("depth") for element in elements] == [None, 2, 2, None, None, None]


def test_terms_stand_before_their_definitions() -> None:
    html = "<dl><dt>Term<dd>First.<dd>Second.<dt>年假<dd>每年十五天<dt>alone</dl>"
    assert shapes(html) == [("ListItem", text) for text in ("Term: First.", "Second.", "年假：每年十五天", "alone")]


def test_stray_parts_of_lists_and_tables_are_not_lost() -> None:
    assert shapes("<dt>Alone</dt><dd></dd><p>x</p>") == [("ListItem", "Alone"), ("NarrativeText", "x")]
    table = "<table>above<tr>in<td>1</td>between<td>2</td></tr>below<tr><td>3</td><td>4</td></tr></table>"
    assert shapes(table) == [("NarrativeText", "above below in between"), ("Table", "1 | 2\n3 | 4")]


def test_code_is_kept_whole() -> None:
    html = "<pre><code>if a:\n    b  # c<br>    d</code></pre><pre>1\n2\n3</pre>"
    assert shapes(html) == [("CodeSnippet", "if a:\n    b  # c\n    d")]
    assert dropped(html) == {"1\n2\n3": "line numbers"}


def test_inline_tags_and_source_line_ends_do_not_tear_words_apart() -> None:
    html = "<p>中<b>国</b>人民\n银行<i>re</i>port of\n<span>2023</span></p>"
    assert shapes(html) == [("NarrativeText", "中国人民银行report of 2023")]


def test_line_breaks_stay_and_double_ones_part_paragraphs() -> None:
    html = "<p>one<br>two<br><br>three<br>　　四</p>"
    assert [text for _, text in shapes(html)] == ["one\ntwo", "three", "四"]


def test_images_speak_by_their_alternative_text() -> None:
    images = "<img alt='图一 组织架构'><img alt='IMG_1.png'><img alt='logo'>"
    html = f"<p>See {images} here</p><figure><figcaption>图 1</figcaption></figure>"
    assert shapes(html) == [("NarrativeText", "See 图一 组织架构 here"), ("FigureCaption", "图 1")]


def test_spans_stay_in_the_table_and_repeat_in_its_text() -> None:
    html = "<table><tr><th rowspan=2>地区<th>Q1<th>Q2<tr><td>3<td>4<tr><td>北<td colspan=2>n/a</table>"
    (table,) = html_document(html).elements
    assert table.text == "地区 | Q1 | Q2\n地区 | 3 | 4\n北 | n/a | n/a"
    assert table.html is not None
    assert '<th rowspan="2">地区</th>' in table.html


def test_columns_that_align_figures_are_joined_to_them() -> None:
    html = (
        "<table><tr><td></td><td colspan=3>2023</td><td colspan=3>2022</td></tr>"
        "<tr><td>Revenue</td><td>$</td><td>1,234</td><td></td><td>$</td><td>(99</td><td>)</td></tr></table>"
    )
    (table,) = html_document(html).elements
    assert table.text == "| 2023 | 2022\nRevenue | $1,234 | $(99)"


def test_a_table_that_lays_out_the_page_is_read_as_text() -> None:
    nested = "<table><tr><th>a<th>b<tr><td>1<td>2</table>"
    assert shapes(f"<table><tr><td>Left</td><td><h2>Right</h2>{nested}</td></tr></table>") == [
        ("NarrativeText", "Left"),
        ("Title", "Right"),
        ("Table", "a | b\n1 | 2"),
    ]
    assert shapes("<table><tr><td>•</td><td>A point</td></tr></table>") == [("ListItem", "A point")]


@pytest.mark.parametrize(
    ("html", "text", "reason"),
    [
        ("<nav><a>Home</a></nav>", "Home", "HTML navigation"),
        ("<div role=navigation>Home</div>", "Home", "HTML navigation"),
        ("<header>ACME</header>", "ACME", "HTML header"),
        ("<footer>© ACME</footer>", "© ACME", "HTML footer"),
        ("<aside>Related</aside>", "Related", "HTML aside"),
        ("<div class='site-footer'>© ACME</div>", "© ACME", "HTML footer"),
        ("<div class=crumbs>当前位置：<a href=/>首页</a></div>", "当前位置： 首页", "HTML navigation"),
        ("<div class=consent-box>Cookies help us.</div>", "Cookies help us.", "cookie notice"),
        ("<div id=cookieBanner>We use cookies.</div>", "We use cookies.", "cookie notice"),
        ("<ul class=main-menu><li><a href=a>A</a><li><a href=b>B</a></ul>", "A B", "HTML navigation"),
        ("<ul>" + "".join(f"<li><a href={c}>{c}</a>" for c in "abcd") + "</ul>", "a b c d", "list of links"),
        ("<ul>" + "".join(f"<li><a href='#{c}'>{c}</a>" for c in "abcd") + "</ul>", "a b c d", "table of contents"),
        ("<button>Send</button>", "Send", "HTML form control"),
        ("<p style='display: none'>secret</p>", "secret", "hidden text"),
    ],
)
def test_boilerplate_is_listed_with_its_reason(html: str, text: str, reason: str) -> None:
    page = f"<body>{html}<h1>T</h1>{FILLER}</body>"
    assert dropped(page) == {text: reason}
    assert [category for category, _ in shapes(page)] == ["Title", "NarrativeText"]


@pytest.mark.parametrize(
    "html",
    [
        f"<div class='has-sidebar menu'>{FILLER}</div>",
        f"<header>{FILLER}</header>",
        f"<div class=consent-form>I agree to the treatment.</div>{FILLER}",
        f"<div style='display:none'>{FILLER}</div>",
        "<ul>" + "".join(f"<li><a href={n}>Headline number {n} of the whole index</a>" for n in range(9)) + "</ul>",
        f"<article><header><h1>T</h1><p>By Ann</p></header>{FILLER}<footer>Filed under x</footer></article>",
    ],
)
def test_content_is_not_taken_for_boilerplate(html: str) -> None:
    assert dropped(f"<body>{html}</body>") == {}


def test_the_title_of_a_page_header_is_kept() -> None:
    html = f"<header>ACME <h1>Rules</h1></header>{FILLER}"
    assert titles(html) == [("Rules", 1)]
    assert dropped(html) == {"ACME": "HTML header"}


def test_bold_paragraphs_and_numbers_are_headings_where_nothing_else_is() -> None:
    html = "".join(
        f"<p>{text}</p>"
        for text in (
            "<b>PART I</b>",
            "<b>Item 1. Business.</b>",
            f"<b>Overview</b>{''}",
            "We sell things.",
            "<b>Note:</b> bold at the start only.",
            "<b>A whole sentence that is bold for emphasis ends with a stop.</b>",
            "<b>Item 2. Properties.</b>",
            "We own them.",
            "More text.",
            "And more.",
        )
    )
    assert titles(html) == [("PART I", 1), ("Item 1. Business.", 2), ("Overview", 3), ("Item 2. Properties.", 2)]
    chinese = "<h1>通知</h1><p>一、总体要求</p><p>正文。</p><p>（一）目标</p><p>正文。</p>"
    assert titles(chinese) == [("通知", 1), ("一、总体要求", 2), ("（一）目标", 3)]


def test_a_heading_that_is_only_a_label_is_joined_to_the_next() -> None:
    assert titles("<h2>CHAPTER II</h2><h2>Rinks</h2><p>x</p>") == [("CHAPTER II Rinks", 2)]


def test_page_numbers_beside_page_breaks_are_listed_and_paragraphs_go_on() -> None:
    first = "The text of this page says something of its own that takes more than a line of it and goes on"
    rest = "over the page, where it comes to an end after a good many more words than a running line has."
    pages = "".join(f"<p>{first} {n}th</p><p>{n}</p><hr><p>{rest} {n}</p>" for n in range(1, 5))
    document = html_document(pages)
    assert [item.text for item in document.dropped] == ["1", "2", "3", "4"]
    assert document.elements[0].text == f"{first} 1th {rest} 1"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("<meta charset=gb2312><p>镕基</p>".encode("gb18030"), "gb18030"),
        ("<?xml version='1.0' encoding='big5'?><p>規定</p>".encode("big5"), "big5"),
        ("<meta http-equiv=content-type content='text/html; charset=iso-8859-1'><p>规定</p>".encode(), "utf-8"),
        ("<p>规定的内容</p>".encode("utf-16"), "utf-16"),
        ("<meta charset=utf-16><p>规定</p>".encode(), "utf-8"),
    ],
)
def test_the_encoding_is_what_the_page_says_where_that_can_be(data: bytes, encoding: str) -> None:
    document = read_html(data)
    assert document.metadata["encoding"] == encoding
    assert document.elements[0].text in ("镕基", "規定", "规定", "规定的内容")


def test_the_head_is_metadata() -> None:
    document = read_html(b"<html lang=en><title>T</title><meta name=author content=Ann><p>x")
    assert document.metadata == {"title": "T", "author": "Ann", "language": "en", "encoding": "utf-8"}


@pytest.mark.parametrize("tag", ["main", "article", "section", "nav", "header", "p"])
def test_a_page_without_head_and_body_tags_loses_nothing(tag: str) -> None:
    document = clean_document(html_document(f"<meta charset=utf-8><title>T</title><{tag}>First</{tag}>{FILLER}"))
    assert "First" in [item.text for items in (document.elements, document.dropped) for item in items]
    assert document.coverage == 1


def test_everything_is_found_again() -> None:
    html = f"<body><nav>Home</nav>{FILLER}<ul><li>a</ul><pre>b</pre><table><tr><td>1<td>2<tr><td>3<td>4</table><i>tail"
    assert clean_document(html_document(html)).coverage == 1


@pytest.mark.parametrize("html", ["", "<!-- nothing -->", "<script>x</script>", "<p> </p>"])
def test_a_page_without_text_is_empty(html: str) -> None:
    with pytest.raises(EmptyDocument):
        clean_document(html_document(html))


def test_a_page_nested_deeper_than_can_be_read_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="nested"):
        html_document("<div>" * 20_000 + "x")


def test_enormous_spans_cost_nothing() -> None:
    rows = "<tr><td colspan=1000 rowspan=1000>x<td colspan=1000>y" * 100
    (table,) = html_document(f"<table>{rows}</table>").elements
    assert len(table.text) < 1000


def test_raised_and_lowered_text_keeps_its_meaning_and_marks_of_notes_their_brackets() -> None:
    html = "<p>10<sup>6</sup> N, CO<sub>2</sub>, x<sub>总</sub>, said<sup><a href='#n'>[1]</a></sup></p>"
    assert shapes(html) == [("NarrativeText", "10⁶ N, CO₂, x_(总), said[1]")]
    assert shapes("<table><tr><td>m<sup>2</sup><td>1<tr><td>a<td>2</table>") == [("Table", "m² | 1\na | 2")]


def test_a_table_of_data_stays_one_where_a_cell_holds_a_heading_or_a_table() -> None:
    inner = "<table><tr><td>x<td>1<tr><td>y<td>2</table>"
    rows = "".join(f"<tr><td>Plan number {i}<td>costs {i} euro a month<td>for {i} people</tr>" for i in range(6))
    html = (
        f"<table><tr><td><h3>Plan</h3><td>Price<td>Size</tr>{rows}<tr><td>Old plan<td>{inner}<td>for all</tr></table>"
    )
    (table,) = html_document(html).elements
    assert table.category == "Table"
    assert table.text.splitlines()[0] == "Plan | Price | Size"
    assert table.text.splitlines()[-1] == "Old plan | x 1 y 2 | for all"


def test_an_aside_inside_the_main_part_is_part_of_it() -> None:
    html = f"<body><aside>Ads</aside><main><h1>Rules</h1>{FILLER}<aside>Note: keep receipts.</aside></main></body>"
    assert ("NarrativeText", "Note: keep receipts.") in shapes(html)
    assert dropped(html)["Ads"] == "outside the main content"


def test_a_tag_of_endless_attributes_costs_nothing() -> None:
    """200,000 of them: with time that grows with the square this does not end within the test's timeout."""
    attributes = " ".join(f"a{number}=1" for number in range(200_000))
    assert shapes(f"<body><p {attributes}>text</p></body>") == [("NarrativeText", "text")]
