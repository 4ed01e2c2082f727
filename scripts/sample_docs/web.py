"""HTML pages of the bank's site and intranet, with the navigation and footer that surround the text there."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from scripts.sample_docs.markup import Block, Document, Heading, Item, Note, PageBreak, Paragraph, Table, spans_of

_PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="author" content="{bank}">
<style>
body{{font-family:sans-serif;margin:2em auto;max-width:60em}}
table{{border-collapse:collapse}}
td,th{{border:1px solid #89a;padding:.3em .6em}}
</style>
<script>document.documentElement.className = "js";</script>
</head>
<body>
<header><p>{bank}</p><nav><ul>{navigation}</ul></nav></header>
<main>
{main}
</main>
<footer><p>{header}</p><p>© {year} {bank}</p></footer>
</body>
</html>
"""


def render(document: Document) -> bytes:
    chinese = document.chinese
    links = ("首页", "个人业务", "公司业务", "联系我们") if chinese else ("Home", "Personal", "Business", "Contact")
    page = _PAGE.format(
        language="zh-CN" if chinese else "en",
        title=escape(document.meta["title"]),
        bank="林江银行" if chinese else "Linden River Bank",
        navigation="".join(f'<li><a href="#">{link}</a></li>' for link in links),
        main="\n".join(_html(document.blocks())),
        header=escape(document.meta["header"]),
        year=str(document.meta["date"])[:4],
    )
    return page.encode("utf-8")


def _html(blocks: tuple[Block, ...]) -> Iterator[str]:
    for kind, group in groupby(blocks, key=_list_tag):
        if kind:
            yield f"<{kind}>" + "".join(f"<li>{_inline(item.text)}</li>" for item in group if isinstance(item, Item))
            yield f"</{kind}>"
        else:
            yield from (_element(block) for block in group)


def _list_tag(block: Block) -> str:
    if not isinstance(block, Item):
        return ""
    return "ul" if block.number is None else "ol"


def _element(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level + 1}>{_inline(text)}</h{level + 1}>"
        case Note(text):
            return f"<blockquote>{_inline(text)}</blockquote>"
        case Table():
            return _table(block)
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case PageBreak() | Item():
            return "<hr>"


def _table(table: Table) -> str:
    rows: list[str] = [""] * len(table.rows)
    for cell in table.cells():
        tag = "th" if cell.row < table.header_rows else "td"
        spans = f' rowspan="{cell.rows}"' if cell.rows > 1 else ""
        spans += f' colspan="{cell.columns}"' if cell.columns > 1 else ""
        rows[cell.row] += f"<{tag}{spans}>{_inline(cell.text)}</{tag}>"
    head = "".join(f"<tr>{row}</tr>\n" for row in rows[: table.header_rows])
    body = "".join(f"<tr>{row}</tr>\n" for row in rows[table.header_rows :])
    return f"<table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table>"


def _inline(text: str) -> str:
    return "".join(f"<strong>{escape(piece)}</strong>" if bold else escape(piece) for piece, bold in spans_of(text))
