"""Headings by their numbering: 第三章, 一、, （一）, 1.2.3, Chapter 4.

A *scheme* is one way of numbering. Which level a scheme has depends on the document: the schemes that
occur in it, in their usual nesting order, become levels 1, 2, 3, …
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMERAL = r"[〇零一二三四五六七八九十百千两\d０-９]{1,7}"
_UNITS = "%％‰亿万千百元个倍米公吨人日月年℃"  # after a number: it is a quantity
_COUNTERS = _UNITS + "世周天时分秒岁届项家户种类名位件次期条款只台套份余多至到～~"  # the same after a space
# Words that begin with a counter's character: a number before them is that of a heading.
_COUNTER_WORDS = (
    "世界|周期|周边|天然|时间|时限|时效|分工|分析|分类|分布|分配|分级|分支|分公司|届时|项目|家庭|户外|种类|类型|类别|名称|名单|位置|次要|期限|期间"
    "|条件|条款|条例|款项|台账|套期|份额|余额|多元|多方|多级|到期|到货|至今|人员|人才|人力|人事|人工|月度|日常|日志|日程|年度|年报|元素|元数据"
    "|公司|公式|公开|公共|公告|公示|个人(?:信息|数据|所得|账户)|个别|千兆|百科|万能|倍率"
)
_QUANTITY = rf"\s(?!{_COUNTER_WORDS})[{_COUNTERS}]"
# In nesting order, outermost first.
_SCHEMES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("part", rf"第\s?{_NUMERAL}\s?(?:编|編|篇|部分|卷)(?:\s|[:：、]|(?=\S))"),
        ("part-en", r"(?:PART|Part)\s+(?:[IVXLC]+|\d{1,3})\b"),
        ("item-en", r"(?:ITEM|Item)\s+\d{1,2}[A-C]?\b"),
        ("chapter", rf"第\s?{_NUMERAL}\s?章"),
        ("chapter-en", r"(?:CHAPTER|Chapter|APPENDIX|Appendix|ANNEX|Annex)\s+(?:[IVXLC]+|\d{1,3}|[A-Z])\b"),
        ("note-en", r"(?:NOTE|Note)\s+\d{1,2}\b(?=\s*[.:–—-])"),
        ("section", rf"第\s?{_NUMERAL}\s?[节節]"),
        ("article-en", r"(?:ARTICLE|Article)\s+(?:[IVXLC]+|\d{1,3}(?:\.\d{1,3})*)\b"),
        ("section-en", r"(?:(?:SECTION|Section)\s+|§\s?)(?:[IVXLC]+|\d{1,3}(?:\.\d{1,3})*)\b"),
        ("article", rf"第\s?{_NUMERAL}\s?[条條]"),
        ("han", r"[一二三四五六七八九十]{1,3}\s?[、．.](?!\d)"),
        ("han-brackets", r"[（(]\s?[一二三四五六七八九十]{1,3}\s?[)）]"),
        ("roman", r"[IVX]{1,5}\.\s"),
        ("letter", r"[A-Z]\.\s"),
        ("decimal-1", rf"[1-9]\d?(?:[、．]|\.(?!\d)|(?!{_QUANTITY})\s(?=\D))"),
        ("decimal-2", rf"(?:[A-Z]|[1-9]\d?)\.\d{{1,2}}(?!\.?\d|[{_UNITS}]|{_QUANTITY})\.?"),
        ("decimal-3", r"(?:[A-Z]|\d{1,2})\.\d{1,2}\.\d{1,2}(?!\.?\d)\.?"),
        ("decimal-4", r"(?:[A-Z]|\d{1,2})(?:\.\d{1,2}){3}(?!\.?\d)\.?"),
        ("digit-brackets", r"[（(]\s?\d{1,2}\s?[)）]"),
    )
)
_ORDER = {name: rank for rank, (name, _) in enumerate(_SCHEMES)}
# A line that is numbered this way is more often a list item or a clause than a heading.
_WEAK_SCHEMES = frozenset({"decimal-1", "digit-brackets", "article", "roman", "letter"})
_HEADING_CHARACTERS = 60  # longer lines are sentences; wide characters count double
_SENTENCE_END = re.compile(r"[。；;，,！!？?：:]$|(?<![A-Z0-9])\.$")


def numbering_scheme(text: str) -> str | None:
    """The scheme that `text` starts with, or None."""
    for name, pattern in _SCHEMES:
        if pattern.match(text):
            return name
    return None


def is_numbered_heading(line: str) -> bool:
    """True for a line of its own that is a heading by its numbering alone."""
    scheme = numbering_scheme(line)
    if scheme is None or scheme in _WEAK_SCHEMES:
        return False
    return display_width(line) <= 2 * _HEADING_CHARACTERS and not _SENTENCE_END.search(line) and "。" not in line


def display_width(text: str) -> int:
    """Columns that `text` takes: East Asian characters count two."""
    return len(text) if text.isascii() else sum(2 if character >= "\u2e80" else 1 for character in text)


def is_ideograph(character: str) -> bool:
    """Whether it fills a square: an ideograph, kana or hangul; punctuation does not."""
    return "\u3041" <= character <= "\u30ff" or "\u3400" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7a3"


def scheme_levels(schemes: Iterable[str]) -> dict[str, int]:
    """The level of each scheme that occurs in a document, 1 for the outermost."""
    return {name: level for level, name in enumerate(sorted(set(schemes), key=_ORDER.__getitem__), start=1)}
