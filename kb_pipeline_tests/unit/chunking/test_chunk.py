from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from kb_pipeline.chunking.boundaries import stable_groups
from kb_pipeline.chunking.chunk import chunk_document, document_title
from kb_pipeline.chunking.chunks import Chunk
from kb_pipeline.chunking.sentences import sentences
from kb_pipeline.parsing.elements import CleanedDocument, Element
from kb_pipeline.parsing.tables import rows_to_html, rows_to_text
from kb_pipeline.settings import ChunkingSettings

SETTINGS = ChunkingSettings()


def chunks_of(
    elements: Sequence[Element], settings: ChunkingSettings = SETTINGS, title: str | None = None
) -> list[Chunk]:
    return chunk_document(elements, document_key="docs/a.pdf", settings=settings, title=title)


def heading(*path: str, page: int | None = None) -> Element:
    return Element("Title", path[-1], page, len(path), path)


def paragraph(text: str, *path: str, page: int | None = None, category: str = "NarrativeText") -> Element:
    return Element(category, text, page, None, path)


def table(rows: list[list[str]], *path: str, page: int | None = None) -> Element:
    return Element("Table", rows_to_text(rows), page, None, path, rows_to_html(rows, header=True))


def chinese(seed: random.Random, sentences_wanted: int) -> str:
    words = (
        "贷款",
        "审批",
        "客户",
        "经理",
        "资料",
        "提交",
        "复核",
        "系统",
        "合同",
        "签署",
        "利率",
        "期限",
        "担保",
        "风险",
    )
    return "".join(
        "".join(seed.choice(words) for _ in range(seed.randrange(6, 16))) + "。" for _ in range(sentences_wanted)
    )


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_no_chunk_reaches_into_another_section_and_nothing_is_lost() -> None:
    seed = random.Random(1)
    elements: list[Element] = []
    for chapter in range(6):
        path = (f"第{chapter}章", f"{chapter}.1 范围")
        elements += [heading(path[0]), heading(*path)]
        elements += [paragraph(f"〔{chapter}〕" + chinese(seed, 3), *path) for _ in range(seed.randrange(1, 30))]
    chunks = chunks_of(elements)
    assert all(len(set(re.findall("〔(.)〕", chunk.content))) == 1 for chunk in chunks)
    assert all(chunk.section_path[0] == f"第{re.findall('〔(.)〕', chunk.content)[0]}章" for chunk in chunks)
    body = "".join(e.text for e in elements if e.category != "Title")
    assert squeezed("".join(chunk.content for chunk in chunks)) == squeezed(body)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))


def test_chunks_are_neither_crumbs_nor_over_the_limit() -> None:
    seed = random.Random(2)
    elements = [paragraph(chinese(seed, seed.randrange(1, 12)), "节") for _ in range(300)]
    sizes = [len(chunk.content) for chunk in chunks_of(elements)]
    assert max(sizes) <= SETTINGS.max_characters
    assert sum(size < SETTINGS.combine_under_n_chars for size in sizes) <= 1
    assert 800 < sum(sizes) / len(sizes) < 1500


@pytest.mark.parametrize("edit", ["insert", "delete", "change"])
def test_an_edit_in_a_long_section_changes_only_the_chunks_it_touches(edit: str) -> None:
    seed = random.Random(3)
    texts = [chinese(seed, seed.randrange(1, 8)) for _ in range(600)]
    before = {chunk.chunk_key for chunk in chunks_of([paragraph(text, "节") for text in texts])}
    changed = []
    for _ in range(25):
        place = seed.randrange(len(texts))
        edited = list(texts)
        if edit == "insert":
            edited.insert(place, chinese(seed, 4))
        elif edit == "delete":
            del edited[place]
        else:
            edited[place] = chinese(seed, 4)
        after = {chunk.chunk_key for chunk in chunks_of([paragraph(text, "节") for text in edited])}
        changed.append(len(after - before))
    assert max(changed) <= 4
    assert sum(changed) / len(changed) <= 2
    assert len(before) > 50


def test_an_edit_inside_one_very_long_paragraph_changes_only_the_chunks_it_touches() -> None:
    seed = random.Random(4)
    text = chinese(seed, 3000)
    before = {chunk.chunk_key for chunk in chunks_of([paragraph(text)])}
    place = text.index("。", len(text) // 2) + 1
    after = {chunk.chunk_key for chunk in chunks_of([paragraph(text[:place] + "新插入的一句。" + text[place:])])}
    assert 1 <= len(after - before) <= 3


def test_chunking_twice_gives_the_same_chunks() -> None:
    elements = [paragraph(chinese(random.Random(i), 5), "节") for i in range(50)]
    assert chunks_of(elements) == chunks_of(elements)


def test_long_text_is_cut_at_sentence_ends_in_both_languages() -> None:
    english = " ".join(f"Dr. Lee moved item {i} to v1.{i} of the plan, as agreed." for i in range(100))
    for text in (chinese(random.Random(5), 200), english):
        for chunk in chunks_of([paragraph(text)]):
            assert chunk.content.endswith(("。", "agreed."))


def test_a_text_without_any_place_to_cut_is_cut_at_the_limit_but_never_in_a_pseudonym() -> None:
    text = "账" * 1495 + "<CN_MOBILE_3fa9c1abcd>" + "户" * 3000
    chunks = chunks_of([paragraph(text)])
    assert max(len(chunk.content) for chunk in chunks) <= SETTINGS.max_characters
    assert "".join(chunk.content for chunk in chunks) == text
    assert sum("<CN_MOBILE_3fa9c1abcd>" in chunk.content for chunk in chunks) == 1


def test_page_ranges_are_exact_across_pages() -> None:
    elements = [heading("节", page=3), *(paragraph("短段落。" * 20, "节", page=page) for page in (3, 4, 4, 5))]
    (chunk,) = chunks_of(elements)
    assert (chunk.page_number, chunk.page_end) == (3, 5)
    (spanning,) = chunks_of([Element("NarrativeText", "跨页。", 7, metadata={"page_end": 8})])
    assert (spanning.page_number, spanning.page_end) == (7, 8)
    (pageless,) = chunks_of([paragraph("no pages")])
    assert (pageless.page_number, pageless.page_end) == (None, None)


def test_content_reads_as_the_passage_and_the_heading_is_in_the_embedded_text() -> None:
    (chunk,) = chunks_of([heading("手册"), heading("手册", "报销"), paragraph("凭发票报销。", "手册", "报销")])
    assert chunk.content == "凭发票报销。"
    assert chunk.section_title == "报销"
    assert chunk.embedded_text == "手册 > 报销\n凭发票报销。"


def test_a_heading_with_nothing_below_it_is_found_beside_its_neighbour_and_never_a_chunk_alone() -> None:
    article = [heading("章", "第二条"), paragraph("正文。", "章", "第二条")]
    (first,) = chunks_of([heading("章"), heading("章", "第一条 禁止转让"), *article])
    assert (first.section_path, first.content) == (("章", "第二条"), "第一条 禁止转让\n\n正文。")
    (last,) = chunks_of([*article, heading("章", "第三条 附则", page=7), heading("附录")])
    assert (last.content, last.page_end) == ("正文。\n\n第三条 附则\n\n附录", 7)


def test_a_document_of_headings_alone_is_still_found() -> None:
    chunks = chunks_of([heading(f"Slide {number}: what we plan to do about it") for number in range(100)])
    assert 2 <= len(chunks) <= 5
    assert max(len(chunk.content) for chunk in chunks) <= SETTINGS.max_characters


def test_a_document_without_headings_takes_its_title() -> None:
    assert chunks_of([paragraph("text")], title="价格表")[0].section_path == ("价格表",)
    assert chunks_of([paragraph("text")])[0].section_path == ()


def test_only_titles_that_people_wrote_stand_for_headings() -> None:
    written = CleanedDocument((), metadata={"format": "html", "title": "Leave"})
    filled_in = CleanedDocument((), metadata={"format": "pdf", "title": "Microsoft Word - final2.doc"})
    assert (document_title(written), document_title(filled_in)) == ("Leave", None)


def test_a_minor_title_stays_with_the_text_that_follows_it() -> None:
    seed = random.Random(6)
    elements = []
    for number in range(60):
        elements += [paragraph(f"小标题{number:02}", "节", category="Title"), paragraph(chinese(seed, 4), "节")]
    assert not any(re.search(r"小标题\d\d$", chunk.content) for chunk in chunks_of(elements))


def test_a_line_with_a_colon_stays_with_what_it_announces() -> None:
    seed = random.Random(9)
    elements = []
    for number in range(60):
        elements += [paragraph(chinese(seed, 3), "节"), paragraph(f"办理第{number}项业务应当：", "节")]
    elements.append(paragraph("完。", "节"))
    assert not any(chunk.content.endswith("：") for chunk in chunks_of(elements))


def test_a_table_of_one_row_is_text() -> None:
    (chunk,) = chunks_of([paragraph("Required:", "S"), table([["", "•", "proof of address"]], "S")])
    assert chunk.content == "Required:\n\n• proof of address"


def test_a_long_table_is_split_between_rows_with_caption_and_header_in_each_part() -> None:
    rows = [["产品", "期限", "利率"], *([f"稳健{i}号", f"{i}天", f"{i / 100:.2f}%"] for i in range(400))]
    chunks = chunks_of(
        [paragraph("表3 产品利率", "节", page=2), table(rows, "节", page=2), paragraph("表后说明。", "节", page=3)]
    )
    parts = [chunk for chunk in chunks if chunk.metadata.get("category") == "Table"]
    assert len(parts) > 3
    assert all(part.content.startswith("表3 产品利率\n产品 | 期限 | 利率\n") for part in parts)
    lines = [line for part in parts for line in part.content.splitlines()[2:]]
    assert lines == [" | ".join(row) for row in rows[1:]]
    assert max(len(part.content) for part in parts) <= SETTINGS.max_characters
    assert [chunk.content for chunk in chunks if chunk not in parts] == ["表后说明。"]


def test_a_new_row_in_a_long_table_changes_only_the_parts_it_touches() -> None:
    rows = [["item", "price"], *([f"part number {i}", f"{i}.00"] for i in range(800))]
    before = {chunk.chunk_key for chunk in chunks_of([table(rows)])}
    after = {chunk.chunk_key for chunk in chunks_of([table([*rows[:400], ["a new part", "1.00"], *rows[400:]])])}
    assert len(before) > 10
    assert 1 <= len(after - before) <= 3


def test_a_small_table_is_one_chunk_of_its_own() -> None:
    rows = [["a", "b"], ["1", "2"]]
    chunks = chunks_of([paragraph("Before.", "S"), table(rows, "S"), paragraph("After.", "S")])
    assert sorted(chunk.content for chunk in chunks) == ["Before.\n\nAfter.", "a | b\n1 | 2"]


def test_what_announces_a_table_stands_above_each_of_its_parts() -> None:
    rows = [["产品", "期限"], *([f"稳健{i}号产品", f"{i}天"] for i in range(300))]
    chunks = chunks_of([paragraph("前文。", "节"), paragraph("各产品的期限如下：", "节"), table(rows, "节")])
    parts = [chunk for chunk in chunks if chunk.metadata.get("category") == "Table"]
    assert all(part.content.startswith("各产品的期限如下：\n产品 | 期限\n") for part in parts)
    assert [chunk.content for chunk in chunks if chunk not in parts] == ["前文。"]


def test_a_row_of_sentences_stays_whole() -> None:
    rows = [["问题", "答案"], *([f"如何办理第{i}类报销？", f"第{i}类须提交发票与审批单。" * 30] for i in range(30))]
    contents = [chunk.content for chunk in chunks_of([table(rows)])]
    assert max(map(len, contents)) <= SETTINGS.max_characters
    assert all(sum(" | ".join(row) in content for content in contents) == 1 for row in rows[1:])


def test_each_part_of_a_very_wide_table_names_its_values_and_begins_with_its_row() -> None:
    names = [f"字段{i}" for i in range(120)]
    chunks = chunks_of([table([names, *([f"值{row}_{i}" for i in range(120)] for row in range(5))])])
    assert max(len(chunk.content) for chunk in chunks) <= SETTINGS.max_characters
    for row in range(5):
        of_row = [chunk.content for chunk in chunks if f"值{row}_" in chunk.content]
        assert all(content.startswith(f"字段0: 值{row}_0; ") for content in of_row)
        assert all(sum(f"字段{i}: 值{row}_{i}" in content.split("; ") for content in of_row) for i in range(120))


def test_names_of_column_groups_stand_before_those_of_their_columns() -> None:
    wide = 60
    html = (
        f"<table><tr><th rowspan=2>地区</th><th colspan={wide}>收入</th></tr><tr>"
        + "".join(f"<th>第{i}月之累计金额</th>" for i in range(wide))
        + "</tr><tr><td>华北</td>"
        + "".join(f"<td>{i}.50</td>" for i in range(wide))
        + "</tr></table>"
    )
    contents = [c.content for c in chunks_of([Element("Table", "x | y\n" * 800, html=html)])]
    assert all(content.startswith("地区: 华北; ") for content in contents)
    assert any("收入 第7月之累计金额: 7.50" in content for content in contents)


def test_a_giant_row_is_cut_as_the_last_resort_and_says_what_it_is_in_each_part() -> None:
    chunks = chunks_of([table([["条款", "说明"], ["一", chinese(random.Random(8), 300)]])])
    assert len(chunks) > 2
    assert all(
        len(chunk.content) <= SETTINGS.max_characters
        and chunk.content.startswith("条款 | 说明\n条款: 一; 说明: ")
        and chunk.content.endswith("。")
        for chunk in chunks
    )


@pytest.mark.parametrize("language", ["python", "py", None])
def test_code_that_is_too_long_is_cut_at_definitions(language: str | None) -> None:
    functions = [f'def function_{i}(a):\n    """Compute {i}."""\n\n    return a * {i}' for i in range(80)]
    metadata = {"programming_language": language} if language else {}
    chunks = chunks_of([Element("CodeSnippet", "\n\n".join(functions), metadata=metadata)])
    assert len(chunks) > 3
    assert all(sum(function in chunk.content for chunk in chunks) == 1 for function in functions)


def test_methods_of_a_class_that_is_too_long_stay_whole_where_the_language_is_known() -> None:
    methods = [f"    def method_{i}(self):\n        value = {i}\n        return value" for i in range(80)]
    code = "class Long:\n" + "\n".join(methods)
    chunks = chunks_of([Element("CodeSnippet", code, metadata={"programming_language": "python"})])
    assert all(sum(method.strip() in chunk.content for chunk in chunks) == 1 for method in methods)


def test_equal_rows_are_cut_like_others() -> None:
    """100,000 of them: with time that grows with the square this does not end within the test's timeout."""
    groups = stable_groups(["1,a"] * 100_000, target=1000, spacing=400, glue=1, tied=frozenset())
    assert [i for group in groups for i in group] == list(range(100_000))
    assert max(map(len, groups)) * 4 <= 1001


def test_code_keeps_its_lines() -> None:
    code = "def total(rows):\n    return sum(\n        row.amount for row in rows\n    )"
    (chunk,) = chunks_of([paragraph("Totals:", "S"), paragraph(code, "S", category="CodeSnippet")])
    assert code in chunk.content


def test_equal_texts_in_one_document_get_distinct_keys_and_other_documents_other_keys() -> None:
    twice = [heading("A"), paragraph("same text", "A"), heading("B"), paragraph("same text", "B")]
    first, second = chunks_of(twice)
    other = chunk_document(twice, document_key="docs/b.pdf", settings=SETTINGS)
    assert len({first.chunk_key, second.chunk_key, other[0].chunk_key}) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", chunk.chunk_key) for chunk in (first, second))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("本行为客户提供 Internet Banking 服务", "zh"),
        ("The contract (合同) is governed by law", "en"),
        ("<CN_MOBILE_3fa9c1abcd> 电话", "zh"),
        ("これは日本語の文です", "other"),
        ("1,234.56 | 78%", "other"),
        ("Это русский текст", "other"),
    ],
)
def test_the_language_follows_the_script(text: str, language: str) -> None:
    assert chunks_of([paragraph(text)])[0].language == language


def test_numbers_alone_take_the_language_of_their_heading() -> None:
    assert chunks_of([heading("利润表"), paragraph("1,234 5,678", "利润表")])[0].language == "zh"


def test_sentences_give_the_text_back() -> None:
    text = "他说：“好。”然后走了！Mr. Smith paid 3.5 yuan. Then what? 第2.1条适用。\n完"
    pieces = sentences(text, 100)
    assert "".join(pieces) == text
    assert pieces[0] == "他说：“好。”"
    assert "Mr. Smith paid 3.5 yuan. " in pieces


def test_empty_and_blank_documents_have_no_chunks() -> None:
    assert chunks_of([]) == []
    assert chunks_of([paragraph("  \n ")]) == []
