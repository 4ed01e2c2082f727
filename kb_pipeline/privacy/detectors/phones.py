"""Telephone numbers: mainland mobiles and landlines, Hong Kong, Macau, Taiwan and the rest of the world."""

from __future__ import annotations

import re

from kb_pipeline.privacy.detection import (
    LONG_NUMBER,
    OTHER_NUMBER,
    Candidate,
    Detector,
    Span,
    Trigger,
    digits_of,
    find_numbers,
    fold,
    joined_at_line_end,
    labelled,
    lowered,
    near,
)

# --- mainland mobiles ----------------------------------------------------------------------------------

_MOBILE = re.compile(r"(?:0{0,2}86)?(1[3-9][0-9]{9})")
_MOBILE_LABELS = re.compile(
    r"(?P<yes>手机|电话|联系|号码|致电|拨打|短信|微信|热线|传真"
    r"|(?<![A-Za-z_])(?:tel|phone|mobile|mob|cell|call|contact|wechat)(?![A-Za-z_]))"
    rf"|(?P<no>{OTHER_NUMBER})",
    re.IGNORECASE,
)
_PHONE_WORD_BEFORE = re.compile(r"(?:tel|phone|mobile|mob|cell|ph|call)\Z", re.IGNORECASE)
_NO_PHONE_BEFORE = re.compile(r"[0-9]-\Z|[0-9]\.\Z|[$¥€£.]\Z")
# Not before eleven digits in one piece, which are no thousands but the next value of a line.
_DIGIT_AND_COMMA = re.compile(r"(?<![0-9]{3})[0-9],\Z")
_COUNTRY_IN_BRACKETS = re.compile(r"\((?:\+|00)?86\)[ -]?\Z")
_ABROAD_BEFORE = re.compile(r"\+(?!86)\d{1,3}[ ()-]{0,2}\Z")
_PLAIN = "\n\t:|"  # right before a number they say nothing against it
_LETTER_BEFORE = re.compile(r"[A-Za-z]\Z")
_AMOUNT_AFTER = re.compile(r"\s?(?:,\d{3}(?!\d)|\.\d|元|万|亿|股|吨|件|美元|港元|%|USD|RMB|CNY)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DOTTED_MOBILE = re.compile(r"1(?<![A-Za-z0-9_.]1)[3-9]\d[./]\d{4}[./]\d{4}(?![A-Za-z0-9_.]\d|\d)")


def _mobile_score(text: str, candidate: Candidate) -> tuple[int, float]:
    start, number = candidate.start, candidate.number
    match = _MOBILE.fullmatch(number)
    if match is None:
        return start, 0.0
    country = len(number) - 11
    alone = not country and candidate.first == candidate.last
    abroad = country > 2  # an 86 without a plus or zeros may be the end of something else
    if country and text[max(0, start - 1) : start] == "+":
        start -= 1
        abroad = True
    before = text[max(0, start - 10) : start]
    if not country and before and before[-1] not in _PLAIN:
        if _NO_PHONE_BEFORE.search(before) or _ABROAD_BEFORE.search(before):
            return start, 0.0
        if _DIGIT_AND_COMMA.search(before) and not alone:
            return start, 0.0
        bracketed = _COUNTRY_IN_BRACKETS.search(before)
        start -= len(bracketed[0]) if bracketed else 0
    if _LETTER_BEFORE.search(before) and not _PHONE_WORD_BEFORE.search(before):
        return start, 0.0
    after = text[candidate.end : candidate.end + 6]
    if _AMOUNT_AFTER.match(after) or (after[:1].isascii() and after[:1].isalpha() and not after.startswith("ext")):
        return start, 0.0
    label = labelled(text, start, _MOBILE_LABELS)
    if label == "no" or alone:
        return start, 0.0 if label == "no" else 0.8
    widths, separators = _without_prefix(candidate, country)
    if widths == (11,) or label == "yes" or abroad or joined_at_line_end(candidate):
        return start, 0.8
    if widths == (3, 4, 4):
        table_row = all(_YEAR.fullmatch(part) for part in (number[-8:-4], number[-4:]))
        return start, 0.0 if table_row else 0.8
    dashes = all(s.strip() for s in separators)
    return start, 0.8 if dashes and widths in ((3, 8), (7, 4), (3, 3, 5), (4, 4, 3)) else 0.0


def _without_prefix(candidate: Candidate, country: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The widths and separators of the eleven digits after a country code of `country` digits."""
    widths, separators = candidate.widths, candidate.separators
    if country == 0:
        return widths, separators
    if widths[0] == country:
        return widths[1:], separators[1:]
    return (widths[0] - country, *widths[1:]), separators


def find_mobiles(text: str) -> list[Span]:
    """Mainland mobile numbers, with or without +86, in one piece or in the usual groups."""
    spans = find_numbers(text, 11, 15, _MOBILE, _mobile_score)
    return spans + [Span(m.start(), m.end(), 0.75) for m in _DOTTED_MOBILE.finditer(text)]


def normalise_mobile(value: str) -> str:
    """The eleven digits."""
    return digits_of(value)[-11:]


# --- mainland landlines --------------------------------------------------------------------------------

_EXTENSION = r"(?:\s?\(?(?:转|分机|内线|extension|ext\.?|x|#|-)(?:号|[:：])?\s?\d{1,6}(?!\d)\)?)?"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
_GAP = r"[\s\-\u2010-\u2015\u2212]"
_LANDLINE = re.compile(
    rf"(?<![A-Za-z0-9_.+-])(?:"
    rf"\(?(?:\+|00)86\)?{_GAP}?\(?0?{_AREA}\)?{_GAP}?[2-9]\d{{2,3}}{_GAP}?\d{{4}}"
    rf"|\(0{_AREA}\){_GAP}{{0,2}}[2-9]\d{{2,3}}{_GAP}?\d{{4}}"
    rf"|0{_AREA}{_GAP}{{1,3}}[2-9]\d{{6,7}}"
    # The figures of a chart stand in fours with blanks, too; a dash tells them apart.
    rf"|0{_AREA}[-\u2010-\u2015][2-9]\d{{2,3}}{_GAP}\d{{4}}"
    rf"){_EXTENSION}(?![A-Za-z0-9_]|[.,]\d|-\d)",
    re.IGNORECASE,
)
_PHONE_LABEL = (
    r"(?:电话|座机|固话|固定电话|传真|热线|电\s{0,4}话|传\s{0,4}真"
    r"|(?<![A-Za-z_])(?:tel|telephone|phone|fax|ph)(?![A-Za-z_]))"
)
_PHONE_WORD = re.compile(
    r"手机|电\s{0,4}话|座机|固话|联系方式|传\s{0,4}真|热线|tel|mobile|cell|fax|call|whatsapp|ph|contact|desk[:.]"
    "|office[:.]|home[:.]|work[:.]|reach (?:me|us|him|her|them|at|on)|text (?:me|us)|answering at|messages to"
)
_LABELLED_LANDLINE = re.compile(
    rf"{_PHONE_LABEL}(?:号码|号)?(?: ?\(.{{1,8}}\))?[\s:.为是]{{1,4}}(?P<number>0{_AREA}[2-9]\d"
    rf"{{6,7}}|[2-8]\d{{2,3}}{_GAP}?\d{{4}})"
    rf"{_EXTENSION}(?![A-Za-z0-9_]|[.,]\d|{_GAP}\d{{3}})",
    re.IGNORECASE,
)


def find_landlines(text: str) -> list[Span]:
    """An area code with a separator, or a number behind a label. Service numbers (400, 800, 95xxx) stay."""
    spans = [Span(m.start(), m.end(), 0.78) for m in _LANDLINE.finditer(text)]
    labelled_numbers = near(_LABELLED_LANDLINE, text, _PHONE_WORD.finditer(lowered(text)), 10, 60)
    spans += [Span(m.start("number"), m.end(), 0.7) for m in labelled_numbers]
    return spans


def normalise_landline(value: str) -> str:
    """Digits without country code and leading zero, the extension after an x."""
    number, _, extension = re.sub(r"转|分机|ext\.?", "x", fold(value), flags=re.IGNORECASE).partition("x")
    digits = re.sub(r"\A0*(?:86)?0*", "", digits_of(number))
    return f"{digits}x{digits_of(extension)}" if extension else digits


# --- everywhere else -----------------------------------------------------------------------------------

_INTERNATIONAL = re.compile(r"(?<![A-Za-z0-9_+-])\(?(?:\+|00(?=[1-9]\d{0,2}[ -]))[1-9](?:[\s().-]{0,2}\d){6,14}(?!\d)")
_EXTENSION_BEHIND = re.compile(r" ?(?:x|ext\.?|extension|转|分机) ?\d{1,6}(?![A-Za-z0-9_])", re.IGNORECASE)
_COUNTRY_CODE = re.compile(r"\+[1-9]|00[1-9]\d{0,2}[ -]")
_LABELLED = re.compile(
    r"(?:手机|电\s{0,4}话|联系方式|传\s{0,4}真"
    r"|(?<![A-Za-z_])(?:tel|telephone|phone|mobile|cell|fax|whatsapp|contact|desk"
    r"|(?:call|reach|contact|text|phone|ring|messages)(?: (?:me|us|him|her|them))?(?: (?:at|on|to))?|answering at"
    r"|(?:office|home|work)(?=[:.] ?[(\d]))(?![A-Za-z_]))"
    r"(?:号码|号| ?(?:no|number)\.?)?(?: ?\((?![\d+])[^()\n]{1,8}\))?(?:\s{0,2}[:.为是]| is)?[\"']?\s{0,2}"
    r"(?P<number>\(?\d(?:[\s().-]{0,2}\d){6,13}(?![\d]|[.,]\d)(?: ?(?:x|ext\.?|extension) ?\d{1,6}(?!\d))?)",
    re.IGNORECASE,
)
_NORTH_AMERICAN = re.compile(
    r"(?<![A-Za-z0-9_.+-])(?:1[-. ])?(?!\(?[48]00)(?:\([2-9]\d\d\) ?"
    r"|[2-9]\d\d[-.])[2-9]\d\d[-. ]\d{4}(?: ?(?:x|ext\.?|extension) ?\d{1,6})?(?![A-Za-z0-9_-]|\.\d)",
    re.IGNORECASE,
)
_LAST_SEVEN = re.compile(r"[2-9]\d\d[-. ]\d{4}")
_HONG_KONG = re.compile(
    r"\((?<![A-Za-z0-9_.-]\()(?:852|853|886)\) ?\d{4}[- ]?\d{4}(?!\d)"
    r"|8(?<![A-Za-z0-9_.+-]8)5[23]-\d{4}[- ]?\d{4}(?!\d)"
)
_TAIWAN = re.compile(
    r"0(?<![A-Za-z0-9_.-]0)9\d\d(?:-\d{3}-?\d{3}| \d{3} \d{3})(?![\d-])"
    r"|\((?<![A-Za-z0-9_.-]\()0[2-8]\) ?\d{3,4}-\d{4}(?!\d)"
)
_DATE = re.compile(r"(?:19|20)\d\d[-.]?(?:0?\d|1[0-2])[-.]?[0-3]?\d\Z")
_SERVICE = re.compile(r"[48]00|95|1(?:00|1|2)|96")


def find_phone_numbers(text: str) -> list[Span]:
    """Numbers with a country code that `phonenumbers` finds possible, North American, Hong Kong, Macau and
    Taiwan forms, and whatever stands behind a label for telephones."""
    spans = []
    for match in near(_INTERNATIONAL, text, _COUNTRY_CODE.finditer(text), 1, 50):
        length = _valid_end(match[0])
        if length:
            end = match.start() + length
            extension = _EXTENSION_BEHIND.match(text, end)
            spans.append(Span(match.start(), extension.end() if extension else end, 0.76))
    north_american = near(_NORTH_AMERICAN, text, _LAST_SEVEN.finditer(text), 12, 24)
    for matches, score in ((north_american, 0.6), (_HONG_KONG.finditer(text), 0.7), (_TAIWAN.finditer(text), 0.7)):
        spans += [Span(m.start(), m.end(), score) for m in matches]
    for match in near(_LABELLED, text, _PHONE_WORD.finditer(lowered(text)), 10, 80):
        number = match["number"]
        if not _DATE.match(number) and not _SERVICE.match(digits_of(number)):
            spans.append(Span(*match.span("number"), 0.5))
    return spans


def _valid_end(value: str) -> int:
    """How many characters of `value` are a number that exists; 0 for none. Blanks may join two numbers."""
    import phonenumbers

    end = len(value)
    while end > 7:
        number = "+" + re.sub(r"\A0*", "", digits_of(value[:end]))
        try:
            if phonenumbers.is_possible_number(parsed := phonenumbers.parse(number)) and parsed.country_code != 86:
                return end
        except phonenumbers.NumberParseException:
            return 0
        end = max(value.rfind(separator, 0, end) for separator in " -.)\n")
    return 0


def normalise_phone(value: str) -> str:
    """The digits, without the zeros that stand for a plus."""
    return digits_of(value).lstrip("0")


PHONES = (
    Detector(
        "CN_MOBILE",
        Trigger(pattern=re.compile(rf"{LONG_NUMBER.pattern}|\d(?<=1)\d\d[./]\d{{4}}[./]")),
        find_mobiles,
        normalise_mobile,
    ),
    Detector(
        "CN_LANDLINE",
        Trigger(pattern=re.compile(rf"\d(?:[()]|{_GAP}){{0,3}}\d{{3}}")),
        find_landlines,
        normalise_landline,
    ),
    Detector(
        "PHONE_NUMBER", Trigger(pattern=re.compile(r"\d(?:[\s().-]{0,2}\d){6}")), find_phone_numbers, normalise_phone
    ),
)
