"""Numbers as lists and headings show them: 3, iii, c, 三, 叁, 丙, ③.

The formats are those of WordprocessingML (ECMA-376 part 1, 17.18.59 ST_NumberFormat); other families of
files are translated into them.
"""

from __future__ import annotations

from collections.abc import Callable

_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC")),
    *((50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
_HAN_DIGITS = "〇一二三四五六七八九"
_HAN = ("零一二三四五六七八九", ("", "十", "百", "千"))
_LEGAL_SIMPLIFIED = ("零壹贰叁肆伍陆柒捌玖", ("", "拾", "佰", "仟"))
_LEGAL_TRADITIONAL = ("零壹貳參肆伍陸柒捌玖", ("", "拾", "佰", "仟"))
_CYCLES = {
    "ideographTraditional": "甲乙丙丁戊己庚辛壬癸",
    "ideographZodiac": "子丑寅卯辰巳午未申酉戌亥",
    "decimalEnclosedCircle": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
    "decimalEnclosedCircleChinese": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
    "decimalEnclosedParen": "⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽⑾⑿⒀⒁⒂⒃⒄⒅⒆⒇",
    "decimalEnclosedFullstop": "⒈⒉⒊⒋⒌⒍⒎⒏⒐⒑⒒⒓⒔⒕⒖⒗⒘⒙⒚⒛",
    "ideographEnclosedCircle": "㊀㊁㊂㊃㊄㊅㊆㊇㊈㊉",
}
_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_ORDINAL_WORDS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh"),
    *("twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth"),
    "twentieth",
)
_WORD_LISTS = {"cardinalText": _WORDS, "ordinalText": _ORDINAL_WORDS}
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_COUNTED_IN_HAN = frozenset(
    {
        *("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting"),
        *("taiwaneseCountingThousand", "koreanCounting", "koreanDigital2"),
    }
)


def number_text(value: int, number_format: str) -> str:
    """`value` in the format; a decimal number where the format is not known or does not reach that far."""
    if number_format == "none":
        return ""
    if value <= 0:
        return str(value)
    cycle = _CYCLES.get(number_format)
    if cycle is not None:
        return cycle[value - 1] if value <= len(cycle) else str(value)
    words = _WORD_LISTS.get(number_format)
    if words is not None:
        return words[value - 1].capitalize() if value <= len(words) else str(value)
    if number_format in _COUNTED_IN_HAN:
        return _han(value, *_HAN)
    write = _WRITERS.get(number_format)
    return str(value) if write is None else write(value)


def _roman(value: int) -> str:
    if value > 5000:
        return str(value)
    text = ""
    for worth, letters in _ROMAN:
        text += letters * (value // worth)
        value %= worth
    return text


def _han(value: int, digits: str, units: tuple[str, ...]) -> str:
    if value >= 10_000:
        return str(value)
    text = ""
    for power in range(3, -1, -1):
        digit = value // 10**power % 10
        if digit:
            text += digits[digit] + units[power]
        elif text and not text.endswith(digits[0]):
            text += digits[0]
    text = text.rstrip(digits[0])
    return text[1:] if 10 <= value < 20 and digits[1] == "一" else text


def _ordinal_ending(value: int) -> str:
    if 10 <= value % 100 <= 20:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _letters(value: int) -> str:
    return chr(ord("A") + (value - 1) % 26) * min((value - 1) // 26 + 1, 10)


def _han_digits(value: int) -> str:
    return "".join(_HAN_DIGITS[int(digit)] for digit in str(value))


def _full_width(value: int) -> str:
    return str(value).translate(_FULL_WIDTH)


_WRITERS: dict[str, Callable[[int], str]] = {
    "decimalZero": lambda value: f"{value:02}",
    "upperRoman": _roman,
    "lowerRoman": lambda value: _roman(value).lower(),
    "upperLetter": _letters,
    "lowerLetter": lambda value: _letters(value).lower(),
    "ideographDigital": _han_digits,
    "japaneseDigitalTenThousand": _han_digits,
    "taiwaneseDigital": _han_digits,
    "chineseLegalSimplified": lambda value: _han(value, *_LEGAL_SIMPLIFIED),
    "ideographLegalTraditional": lambda value: _han(value, *_LEGAL_TRADITIONAL),
    "japaneseLegal": lambda value: _han(value, *_LEGAL_TRADITIONAL),
    "decimalFullWidth": _full_width,
    "decimalFullWidth2": _full_width,
    "numberInDash": lambda value: f"- {value} -",
    "ordinal": lambda value: f"{value}{_ordinal_ending(value)}",
}
