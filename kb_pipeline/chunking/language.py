"""The language of a text by the share of its scripts: no model, no list of words."""

from __future__ import annotations

import re

from kb_pipeline.privacy.pseudonyms import PSEUDONYM

HAN_SHARE = 0.15  # of the letters: a Chinese character says about as much as a whole Latin word

_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_KANA_OR_HANGUL = re.compile("[\u3040-\u30ff\u1100-\u11ff\uac00-\ud7af]+")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]+")
_OTHER_LETTER = re.compile("[^\\W\\d_A-Za-z\u00c0-\u024f\u3040-\u30ff\u1100-\u11ff\u3400-\u9fff\uac00-\ud7af]+")


def language_of(text: str) -> str:
    """ "zh" for Chinese, "en" for other text in Latin script, "other" for the rest and for text without letters."""
    if "<" in text:
        text = PSEUDONYM.sub(" ", text)
    if text.isascii():
        return "en" if _LATIN.search(text) else "other"
    han = _letters(_HAN, text)
    if _letters(_KANA_OR_HANGUL, text) * 10 > han:
        return "other"
    latin, other = _letters(_LATIN, text), _letters(_OTHER_LETTER, text)
    if han and han >= HAN_SHARE * (han + latin + other):
        return "zh"
    return "en" if latin > other else "other"


def has_letters(text: str) -> bool:
    """False for numbers, versions, signs and pseudonyms, which say nothing about a language."""
    return any(character.isalpha() for character in PSEUDONYM.sub(" ", text))


def _letters(script: re.Pattern[str], text: str) -> int:
    return sum(map(len, script.findall(text)))
