"""Numbers and dates as a spreadsheet shows them, by the format code of their cell.

The codes are those of SpreadsheetML (ECMA-376 part 1, 18.8.30 and 18.8.31). What a code leaves to the
reader's computer (the short date, the width of the column) is shown in the one plain way: ISO dates, up to
ten digits. Colours, alignment and native digits are ignored. A code that makes no sense shows the number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from functools import lru_cache

_GENERAL_DIGITS = 10
_EXACT_DIGITS = 15  # that a spreadsheet computes with
_WIDE = Context(prec=1000)  # for the digits of any float, in any code that a cell can have
_MOST_DAYS = 2_958_466  # 9999-12-31, and the day after it

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|[\\!](?P<escaped>.)|_(?P<gap>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<halfday>AM/PM|A/P|上午/下午)|(?P<general>General|G/通用格式)"
    r"|(?P<date>y+|m+|d+|h+|s+|aaaa?|e+(?![+-])|b+)|(?P<exponent>E[+-])"
    r"|(?P<number>[0#?.,%/@])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)$")
_ELAPSED = re.compile(r"(h+|m+|s+)$", re.IGNORECASE)
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHINESE_DAYS = "一二三四五六日"


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind`: literal, date, elapsed, halfday, general, exponent or one of the characters 0 # ? . , % / @."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    """One of the parts of a code between semicolons."""

    tokens: tuple[_Token, ...]
    condition: tuple[str, float] | None
    is_date: bool


def format_number(value: float, code: str, *, epoch_1904: bool = False) -> str:
    """`value` as the code shows it; a date is the number of days since the workbook's epoch."""
    if not math.isfinite(value):
        return str(value)
    section, negative = _choose(_sections(code), value)
    if section is None or any(token.kind == "general" for token in section.tokens):
        literal = "" if section is None else "".join(t.text for t in section.tokens if t.kind == "literal")
        return general(abs(value) if negative else value) + literal.strip()
    if section.is_date:
        return _date_text(section.tokens, value, epoch_1904=epoch_1904)
    if any(token.kind == "@" for token in section.tokens):
        # A code for texts shows a number as it is, with what it adds to a text.
        return _with_literals(section.tokens, general(value))
    text = _number_text(section.tokens, abs(value)).strip()
    return f"-{text}" if value < 0 and not negative and any(digit in "123456789" for digit in text) else text


def format_text(text: str, code: str) -> str:
    """A cell's text as the code shows it: only codes with an @ change it."""
    sections = _sections(code)
    place = sections[3] if len(sections) > 3 else sections[-1]
    if not any(token.kind == "@" for token in place.tokens):
        return text
    return _with_literals(place.tokens, text)


def _with_literals(tokens: Sequence[_Token], text: str) -> str:
    shown = (token for token in tokens if token.kind in ("@", "literal"))
    return "".join(text if token.kind == "@" else token.text for token in shown)


def general(value: float) -> str:
    """A number without a format."""
    if value == int(value) and abs(value) < 10**_EXACT_DIGITS:
        return str(int(value))
    return f"{value:.{_GENERAL_DIGITS}g}".replace("e", "E")


@lru_cache(maxsize=4096)
def _sections(code: str) -> tuple[_Section, ...]:
    """The sections of a code, at least one."""
    parts: list[list[_Token]] = [[]]
    conditions: list[tuple[str, float] | None] = [None]
    for match in _TOKEN.finditer(code):
        kind, text = str(match.lastgroup), match[match.lastgroup or 0]
        if kind == "other" and text == ";":
            parts.append([])
            conditions.append(None)
        elif kind == "bracket":
            condition = _CONDITION.match(text)
            if condition:
                conditions[-1] = (condition[1], float(condition[2]))
            parts[-1] += _bracket(text)
        elif kind in ("quoted", "escaped", "other"):
            parts[-1].append(_Token("literal", text))
        elif kind == "gap":
            parts[-1].append(_Token("literal", " "))
        elif kind == "number":
            parts[-1].append(_Token(text, text))
        elif kind != "fill":
            parts[-1].append(_Token(kind, text))
    return tuple(
        _Section(tuple(tokens), condition, _is_date(tokens))
        for tokens, condition in zip(parts, conditions, strict=True)
    )


def _bracket(text: str) -> Iterator[_Token]:
    """A currency, an elapsed time, or nothing that is shown."""
    if text.startswith("$"):
        currency, _, locale = text[1:].partition("-")
        if locale.upper() in ("F800", "X-SYSDATE"):
            yield _Token("date", "iso")
        elif currency:
            yield _Token("literal", currency)
    elif _ELAPSED.match(text):
        yield _Token("elapsed", text.lower())


def _is_date(tokens: Sequence[_Token]) -> bool:
    has_date = any(token.kind in ("date", "elapsed", "halfday") for token in tokens)
    return has_date and not any(token.kind in ("#", "?", "@", "general") for token in tokens)


def _choose(sections: Sequence[_Section], value: float) -> tuple[_Section | None, bool]:
    """The section for the value, and whether it is one that shows the sign by itself."""
    conditional = [section for section in sections if section.condition is not None]
    if conditional:
        for section in conditional:
            if section.condition is not None and _holds(section.condition, value):
                return section, value < 0 and section.condition[0] in ("<", "<=") and section.condition[1] <= 0
        rest = [section for section in sections[:3] if section.condition is None]
        return (rest[-1] if rest and value < 0 else rest[0] if rest else None), len(rest) > 1
    numeric = sections[:3]
    if value < 0 and len(numeric) > 1:
        return numeric[1], True
    if value == 0 and len(numeric) > 2:
        return numeric[2], False
    return numeric[0], False


def _holds(condition: tuple[str, float], value: float) -> bool:
    operator, bound = condition
    return {
        "<": value < bound,
        "<=": value <= bound,
        ">": value > bound,
        ">=": value >= bound,
        "=": value == bound,
        "<>": value != bound,
    }[operator]


# --- numbers ---------------------------------------------------------------------------------------


def _number_text(tokens: Sequence[_Token], value: float) -> str:
    kinds = [token.kind for token in tokens]
    places = [index for index, kind in enumerate(kinds) if kind in "0#?"]
    if not places:
        return "".join(token.text if token.kind in ("literal", "%") else "" for token in tokens)
    if "/" in kinds and kinds.index("/") > places[0]:
        return _fraction(tokens, value)
    exact = Decimal(f"{value:.{_EXACT_DIGITS}g}") * 100 ** kinds.count("%")
    if "exponent" in kinds:
        return _scientific(tokens, exact)
    point = kinds.index(".") if "." in kinds else len(tokens)
    before = [index for index in places if index < point]
    after = [index for index in places if index > point]
    for last in {before[-1] if before else places[-1], places[-1]}:
        exact /= 1000 ** _commas_after(kinds, last)
    grouped = bool(before) and "," in kinds[before[0] : before[-1]]
    whole, _, decimals = f"{_rounded(exact, len(after)):f}".partition(".")
    shown = _whole_digits(tokens, before, whole, grouped=grouped)
    kept = _decimal_digits([kinds[index] for index in after], decimals)
    shown |= dict(zip(after, kept, strict=True))
    parts = []
    for index, token in enumerate(tokens):
        if index in shown:
            parts.append(shown[index])
        elif token.kind == ".":
            # A format without places before the point still shows the whole number there.
            parts.append(("" if before or whole == "0" else whole) + ("." if any(kept) or not after else ""))
        elif token.kind in ("literal", "%"):
            parts.append(token.text)
    return "".join(parts)


def _commas_after(kinds: Sequence[str], index: int) -> int:
    """Each comma right behind the last place divides by a thousand."""
    following = kinds[index + 1 :]
    return next((count for count, kind in enumerate(following) if kind != ","), len(following))


def _rounded(exact: Decimal, decimals: int) -> Decimal:
    return exact.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP, context=_WIDE)


def _whole_digits(tokens: Sequence[_Token], places: Sequence[int], whole: str, *, grouped: bool) -> dict[int, str]:
    """The digits before the point, spread over their places from the right; the first takes what is left."""
    digits = "" if whole == "0" else whole
    shown: dict[int, str] = {}
    position = 0  # digits written so far, for the separators
    for place in reversed(places):
        if digits:
            taken, digits = (digits, "") if place == places[0] else (digits[-1], digits[:-1])
        else:
            taken = {"0": "0", "?": " "}.get(tokens[place].kind, "")
        text = ""
        for digit in reversed(taken):
            if grouped and digit.isdigit() and position and position % 3 == 0:
                text = "," + text
            text = digit + text
            position += 1
        shown[place] = text
    return shown


def _decimal_digits(kinds: Sequence[str], decimals: str) -> list[str]:
    digits = list(decimals.ljust(len(kinds), "0"))
    for index in range(len(kinds) - 1, -1, -1):
        if digits[index] != "0" or kinds[index] == "0":
            break
        digits[index] = ""
    return digits


def _scientific(tokens: Sequence[_Token], exact: Decimal) -> str:
    kinds = [token.kind for token in tokens]
    exponent_at = kinds.index("exponent")
    mantissa_kinds = kinds[:exponent_at]
    decimals = (
        sum(kind in "0#?" for kind in mantissa_kinds[mantissa_kinds.index(".") :]) if "." in mantissa_kinds else 0
    )
    whole_places = sum(kind in "0#?" for kind in mantissa_kinds) - decimals
    exponent = exact.adjusted() if exact else 0
    exponent -= exponent % max(whole_places, 1) if whole_places > 1 else 0
    mantissa = _rounded(exact.scaleb(-exponent), decimals)
    width = sum(kind in "0#?" for kind in kinds[exponent_at:])
    sign = "-" if exponent < 0 else "+" if tokens[exponent_at].text.endswith("+") else ""
    before = "".join(token.text for token in tokens[:exponent_at] if token.kind == "literal")
    after = "".join(token.text for token in tokens[exponent_at:] if token.kind == "literal")
    return f"{before}{mantissa:f}E{sign}{abs(exponent):0{width}}{after}"


def _fraction(tokens: Sequence[_Token], value: float) -> str:
    kinds = [token.kind for token in tokens]
    slash = kinds.index("/")
    below = "".join(token.text for token in tokens[slash + 1 :] if token.text.isdigit() or token.kind in "#?")
    gap = next((i for i in range(slash - 1, -1, -1) if tokens[i].kind == "literal"), -1)
    has_whole = any(kind in "0#?" for kind in kinds[: max(gap, 0)])
    whole = int(value) if has_whole else 0
    rest = Fraction(value - whole)
    if below.isdigit() and int(below) > 0:
        numerator, denominator = round(rest * int(below)), int(below)
    else:
        near = rest.limit_denominator(10 ** max(len(below), 1) - 1)
        numerator, denominator = near.numerator, near.denominator
    if has_whole and numerator == denominator:
        whole, numerator = whole + 1, 0
    if not numerator:
        return str(whole)
    return f"{whole} {numerator}/{denominator}" if whole else f"{numerator}/{denominator}"


# --- dates -----------------------------------------------------------------------------------------


def _date_text(tokens: Sequence[_Token], value: float, *, epoch_1904: bool) -> str:
    days = value + 1462 if epoch_1904 else value
    if not 0 <= days < _MOST_DAYS:
        return general(value)
    fraction_digits = sum(token.kind == "0" for token in tokens)
    if any(token.text == "iso" for token in tokens):
        return _moment(days, 0).strftime("%Y-%m-%d")
    moment = _moment(days, fraction_digits)
    halfday = any(token.kind == "halfday" for token in tokens)
    parts = []
    for index, token in enumerate(tokens):
        if token.kind == "literal":
            parts.append(token.text)
        elif token.kind == "halfday":
            parts.append(_halfday(token.text, moment.hour))
        elif token.kind == "elapsed":
            parts.append(_elapsed(token.text, days))
        elif token.kind == "date":
            parts.append(_date_part(tokens, index, moment, halfday=halfday))
        elif token.kind == "0":
            digits = f"{moment.microsecond:06}"[:fraction_digits]
            parts.append(digits if tokens[index - 1].kind != "0" else "")
        elif token.kind in ".,/":
            parts.append(token.text)
    return "".join(parts).strip()


def _moment(days: float, fraction_digits: int) -> datetime:
    """The moment, rounded to what is shown. The epoch makes up for the 29 February 1900 that never was."""
    seconds = round(days * 86400, min(fraction_digits, 6))
    return datetime(1899, 12, 31 if days < 60 else 30) + timedelta(seconds=seconds)  # noqa: DTZ001 (a cell has no zone)


def _date_part(tokens: Sequence[_Token], index: int, moment: datetime, *, halfday: bool) -> str:
    text = tokens[index].text.lower()
    width = len(text)
    match text[0]:
        case "y" | "e" | "b":
            return f"{moment.year % 100:02}" if text[0] == "y" and width <= 2 else str(moment.year)
        case "d":
            if width >= 3:
                return _DAYS[moment.weekday()][: 3 if width == 3 else None]
            return f"{moment.day:0{width}}"
        case "a":
            return ("星期" if width == 4 else "") + _CHINESE_DAYS[moment.weekday()]
        case "h":
            hour = (moment.hour % 12 or 12) if halfday else moment.hour
            return f"{hour:0{min(width, 2)}}"
        case "s":
            return f"{moment.second:0{min(width, 2)}}"
        case _:
            if width <= 2 and _means_minutes(tokens, index):
                return f"{moment.minute:0{width}}"
            if width >= 3:
                name = _MONTHS[moment.month - 1]
                return {3: name[:3], 5: name[0]}.get(width, name)
            return f"{moment.month:0{width}}"


def _means_minutes(tokens: Sequence[_Token], index: int) -> bool:
    """An m is minutes after hours and before seconds."""
    units = [(i, t.text[0].lower()) for i, t in enumerate(tokens) if t.kind in ("date", "elapsed")]
    place = next(position for position, (i, _) in enumerate(units) if i == index)
    before = units[place - 1][1] if place else ""
    after = units[place + 1][1] if place + 1 < len(units) else ""
    return before == "h" or after == "s"


def _halfday(text: str, hour: int) -> str:
    before, _, after = text.partition("/")
    return before if hour < 12 else after


def _elapsed(text: str, days: float) -> str:
    seconds = round(days * 86400)
    units = {"h": 3600, "m": 60, "s": 1}[text[0]]
    return f"{seconds // units:0{len(text)}}"
