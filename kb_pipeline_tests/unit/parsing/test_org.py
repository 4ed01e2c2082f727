"""Org files: headings, lists, tables and blocks, without drawers and marks."""

from __future__ import annotations

from kb_pipeline.parsing.org import read_org

DOCUMENT = """#+TITLE: 周报
#+AUTHOR: Ann
# not for readers
* TODO [#A] First /task/ :work:urgent:
SCHEDULED: <2026-01-05 Mon>
:PROPERTIES:
:ID: 7
:END:
See [[https://example.com][the site]] and
=code= in path/to/file.
- [X] done
- CPU :: the processor
  and more
1. one
** Figures
| Name | Price |
|------+-------|
| A    | 10    |
#+begin_src python :results none
* no heading
#+end_src
#+BEGIN_QUOTE
Quoted.
#+END_QUOTE
#+begin_comment
hidden
#+end_comment
"""


def test_a_document_is_read_without_its_marks() -> None:
    document = read_org(DOCUMENT.encode())
    assert [(element.category, element.text) for element in document.elements] == [
        ("Title", "周报"),
        ("Title", "First task"),
        ("NarrativeText", "See the site and code in path/to/file."),
        ("ListItem", "done"),
        ("ListItem", "CPU: the processor and more"),
        ("ListItem", "one"),
        ("Title", "Figures"),
        ("Table", "Name | Price\nA | 10"),
        ("CodeSnippet", "* no heading"),
        ("NarrativeText", "Quoted."),
    ]
    assert document.elements[8].metadata == {"programming_language": "python"}
    assert "<th>Name</th>" in (document.elements[7].html or "")
    assert [(item.reason, item.text) for item in document.dropped] == [
        ("comment", "not for readers"),
        ("drawer", ":ID: 7"),
        ("comment", "hidden"),
    ]
    assert document.metadata["author"] == "Ann"


def test_a_block_that_does_not_end_is_read_to_the_end_of_the_file() -> None:
    assert [element.text for element in read_org(b"#+begin_src\na\nb").elements] == ["a\nb"]
