"""AsciiDoc: headings, lists, tables and listings, without the marks."""

from __future__ import annotations

import html

from kb_pipeline.parsing.asciidoc import read_asciidoc

DOCUMENT = """= The *Manual*
Ann Lee
:version: 1.2

// not for readers
== 安装

Run the `kb` command and
see https://example.com[the site^].

* first
** second, <<install,below>>
. one

CPU:: the processor

[source,python]
----
= no heading
print(1)
----

.Prices
[cols="1,1",options="header"]
|===
|Name |Price

|A
|10
|B |20
|===

////
hidden
////
image::a.png[]

[NOTE]
====
Take _care_ of snake_case_names.
====
"""


def test_a_document_is_read_without_its_marks() -> None:
    document = read_asciidoc(DOCUMENT.encode())
    assert [(element.category, element.text) for element in document.elements] == [
        ("Title", "The Manual"),
        ("NarrativeText", "Ann Lee"),
        ("Title", "安装"),
        ("NarrativeText", "Run the kb command and see the site."),
        ("ListItem", "first"),
        ("ListItem", "second, below"),
        ("ListItem", "one"),
        ("ListItem", "CPU: the processor"),
        ("CodeSnippet", "= no heading\nprint(1)"),
        ("NarrativeText", "Prices"),
        ("Table", "Name | Price\nA | 10\nB | 20"),
        ("NarrativeText", "Take care of snake_case_names."),
    ]
    assert [element.heading_level for element in document.elements if element.heading_level] == [1, 2]
    assert document.elements[8].metadata == {"programming_language": "python"}
    assert "<th>Name</th>" in html.unescape(document.elements[10].html or "")
    assert [item.text for item in document.dropped] == ["not for readers", "hidden"]
    assert document.metadata["version"] == "1.2"


def test_a_table_that_does_not_end_and_one_without_cells_are_read_as_far_as_they_go() -> None:
    assert [element.text for element in read_asciidoc(b"|===\n|a |b\n|c |d").elements] == ["a | b\nc | d"]
    assert read_asciidoc(b"|===\nno cell\n|===").elements == ()


def test_marks_without_an_end_are_text() -> None:
    assert [element.text for element in read_asciidoc(b"link:a *b _c [.d <<e").elements] == ["link:a *b _c [.d <<e"]
