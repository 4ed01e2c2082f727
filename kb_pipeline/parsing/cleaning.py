"""Cleaning: from what a reader found to what is worth storing.

Text is normalised (NFC, Kangxi radicals to characters, plain spaces); characters that no reader sees or that
PostgreSQL refuses are removed; page furniture is dropped and listed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kb_pipeline.parsing.elements import DroppedText, Element

_FURNITURE = {"Header": "page header", "Footer": "page footer", "PageNumber": "page number"}

# C0/C1 controls but \t \n, soft hyphen, joiners, fillers, zero-width and direction marks, surrogates, private use,
# tags (which can hide a whole text in a visible one), non-characters. ZWJ and ZWNJ stay: Persian needs them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ud800-\udfff\ue000-\uf8ff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
    "\U000f0000-\U0010ffff]"
)
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# Some PDF producers write radicals for the characters that look like them. Unicode gives the Kangxi
# radicals an equivalent character; those of the supplement block are paired here.
_SUPPLEMENT = (
    "⺎兀⺒巳⺓幺⺝月⺟母⺠民⺧牛⺩王⺫目⺬示⺮竹⺯糸⺰纟⺶羊⺹耂⺼月⺽臼⺾艹⻁虎⻂衤⻃覀⻄西⻅见⻆角⻈讠⻉贝⻊足⻋车⻌辶⻍辶⻎辶⻏阝⻐钅⻑長"
    "⻓长⻔门⻕阜⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻠饣⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻲亀"
)
RADICALS = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0x2E80, 0x2FE0)} | {
    ord(radical): character for radical, character in zip(_SUPPLEMENT[::2], _SUPPLEMENT[1::2], strict=True)
}
# GB18030 of the year 2000 put these into the private use area; they have had code points of their own since.
_LATER_ENCODED = dict(
    zip(
        (
            *range(0xE78D, 0xE797),
            *(0xE7C7, 0xE816, 0xE817, 0xE818, 0xE81E, 0xE826, 0xE82B, 0xE82C, 0xE831, 0xE832, 0xE83B, 0xE843),
            *(0xE854, 0xE855, 0xE864),
        ),
        "︐︒︑︓︔︕︖︗︘︙ḿ𠂇𠂉𠃌龴龵龶龷𡗗龸𢦏龹龺𤇾龻",
        strict=True,
    )
)
_TRANSLATED = RADICALS | _LATER_ENCODED
_HAS_TRANSLATED = re.compile("[\u2e80-\u2fdf\ue78d-\ue796\ue7c7\ue816-\ue864]")
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_BLANK_AROUND_LINE_END = re.compile(r" ?\n[ \n]*")


def clean_elements(elements: Iterable[Element]) -> tuple[list[Element], list[DroppedText]]:
    """The elements worth keeping, with clean texts, and the page furniture among them."""
    kept: list[Element] = []
    dropped: list[DroppedText] = []
    for element in elements:
        preserve = element.category == "CodeSnippet"
        text = clean_text(element.text, preserve_layout=preserve)
        if not text.strip():
            continue
        if element.category in _FURNITURE:
            dropped.append(DroppedText(_FURNITURE[element.category], text, element.page_number))
            continue
        kept.append(
            replace(
                element,
                text=" ".join(text.split()) if element.category == "Title" else text,
                html=None if element.html is None else clean_text(element.html),
                metadata=clean_values(element.metadata) if element.metadata else {},
            )
        )
    return kept, dropped


def clean_dropped(dropped: Iterable[DroppedText]) -> Iterator[DroppedText]:
    """The same texts, normalised; those with nothing visible are left out."""
    for item in dropped:
        text = clean_text(item.text)
        if text:
            yield replace(item, text=text)


def clean_text(text: str, *, preserve_layout: bool = False) -> str:
    """Normalised text. `preserve_layout` keeps runs of spaces and blank lines, as code needs."""
    if text.isascii() and text.isprintable() and "  " not in text and not preserve_layout:
        return text.strip()
    text = _LINE_ENDS.sub("\n", text)
    if _HAS_TRANSLATED.search(text):
        text = text.translate(_TRANSLATED)
    text = _INVISIBLE.sub("", text)
    text = unicodedata.normalize("NFC", text)
    if preserve_layout:
        return text.strip("\n").rstrip()
    text = _SPACES.sub(" ", text)
    return _BLANK_AROUND_LINE_END.sub("\n", text).strip()


def clean_values(value: Any) -> Any:
    """JSON-like data with its strings clean, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_values(name): clean_values(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(clean_values(item) for item in value)
    return value
