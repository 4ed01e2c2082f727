"""Cutting a text that is too long for one chunk: at sentence ends, else at clause ends, else anywhere.

Pieces joined give the text again, except for the blanks at the cuts. A pseudonym is never cut.
"""

from __future__ import annotations

import re

from kb_pipeline.privacy.pseudonyms import PSEUDONYM

# A Chinese sentence ends at its mark and any closing quotes; an English one where a blank and a capital,
# a digit, a quote or Chinese follow. A line break ends one in either.
_SENTENCE_END = re.compile(
    r"""[。！？；…]+[”’」』）\])"']*\s*"""
    r"""|(?<![A-Z])(?<!\b[A-Za-z])(?<!\b(?:Mr|Ms|Dr|No|vs|cf))(?<!\b(?:Mrs|Inc|Ltd|Fig|Sec|Art|Vol|etc|e\.g|i\.e))"""
    r"""[.!?;]+["'”’)\]]*\s+(?=["'“‘(\[]?[A-Z0-9\u4e00-\u9fff])"""
    r"|[!?;]+(?=[\u4e00-\u9fff])|(?<!\d)\.(?=[\u4e00-\u9fff])|\n+"
)
_CLAUSE_END = re.compile(r"[，、,：:]\s*|\s+")


def sentences(text: str, limit: int) -> list[str]:
    """The sentences of `text`, blanks kept at their ends; one longer than `limit` characters is cut further."""
    return [piece for sentence in _cut_after(text, _SENTENCE_END) for piece in pieces_within(sentence, limit)]


def _cut_after(text: str, end: re.Pattern[str]) -> list[str]:
    pieces, start = [], 0
    for match in end.finditer(text):
        pieces.append(text[start : match.end()])
        start = match.end()
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def pieces_within(sentence: str, limit: int) -> list[str]:
    """`sentence` in pieces of at most `limit` characters, filled clause by clause."""
    if len(sentence) <= limit:
        return [sentence]
    pieces, current = [], ""
    for clause in _cut_after(sentence, _CLAUSE_END):
        if current and len(current) + len(clause) > limit:
            pieces.append(current)
            current = ""
        current += clause
        while len(current) > limit:
            cut = _safe_cut(current, limit)
            pieces.append(current[:cut])
            current = current[cut:]
    return [*pieces, current] if current else pieces


def _safe_cut(text: str, limit: int) -> int:
    """The last position up to `limit` that is not inside a pseudonym."""
    for match in PSEUDONYM.finditer(text, max(0, limit - 80), limit + 80):
        if match.start() < limit < match.end():
            return match.start() or limit
    return limit
