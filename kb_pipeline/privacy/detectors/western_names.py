"""What names in Latin letters are made of, and the words, places and firms that look like them (`privacy/data`).

The lists are written as `plain` gives them: in ASCII, with one capital.
"""

from __future__ import annotations

import unicodedata

from kb_pipeline.privacy.data import lines

# Letters of the languages that are written with Latin ones, for sets in patterns.
CAPITAL = "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽȘȚ"
SMALL = "a-zß-öø-ÿāăąćĉċčďđēĕėęěĝğġģĥħĩīĭįıĵķĺļľŀłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷźżžșț"

GIVEN_NAMES = frozenset(lines("western_given_names"))
# They begin a name only before a surname that is no word itself.
WORD_GIVEN_NAMES = frozenset(lines("western_given_words"))
SURNAMES = frozenset(lines("western_surnames"))
# Believed behind a given name that is nothing else.
WORD_SURNAMES = frozenset(lines("western_surname_words"))
THINGS = frozenset(lines("western_things"))
OTHER_WORDS = frozenset(lines("western_other_words"))
BEFORE_PLACES = frozenset(lines("western_before_places"))
# Without a surname nobody's.
NOT_ALONE = frozenset(lines("western_not_alone"))
NOT_PEOPLE = frozenset(lines("western_not_people"))
SURNAME_ENDINGS = lines("western_surname_endings")
WORD_ENDINGS = lines("western_word_endings")
PINYIN_SURNAMES = frozenset(lines("pinyin_surnames"))
SYLLABLES = "|".join(sorted(lines("pinyin_syllables"), key=len, reverse=True))
NOT_PINYIN = frozenset(lines("pinyin_no_names"))
_IN_ASCII = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "æ": "ae", "Æ": "Ae", "đ": "d", "Đ": "D", "ð": "d"}
    | {"þ": "th", "Þ": "Th"}
)


def plain(word: str) -> str:
    """`word` without accents, apostrophes and later capitals: Müller, O'Brien, McDONALD -> Muller, Obrien, Mcdonald."""
    if not word.isascii():
        decomposed = unicodedata.normalize("NFD", word.translate(_IN_ASCII))
        word = "".join(letter for letter in decomposed if letter.isascii())
    return word.replace("'", "").capitalize()
