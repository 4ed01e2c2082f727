"""Where personal data stands in a text: pure functions over strings, no library.

Terms
  fold      full-width and other Unicode digits and signs to ASCII, one character for one, so that
            positions in the folded text are positions in the text.
  group     a run of digits; a *cluster* is groups with only spaces, dashes, line breaks or invisible
            characters between them. A number written in pieces is some neighbouring groups of a cluster.
  label     a word before a number that says what it is (手机, 卡号, 订单号, Order No.).
  trigger   a cheap pattern without which an entity cannot be in a text.

Python's word boundary takes Chinese characters for word characters, so boundaries are spelled out.
Every search is linear in the length of the text.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

LABEL_WINDOW = 20  # characters before a number in which a label counts


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is personal data; `score` in (0, 1] decides between overlapping spans."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Detector:
    """How one entity type is found and how equal values are made equal."""

    entity: str
    trigger: str
    find: Callable[[str], list[Span]]
    normalise: Callable[[str], str]


@lru_cache(maxsize=1)
def _folding() -> dict[int, str]:
    everything = "".join(map(chr, range(0x80, sys.maxunicode + 1)))
    digits = {ord(digit): str(unicodedata.digit(digit)) for digit in re.findall(r"\d", everything)}
    full_width = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    return full_width | digits


def fold(text: str) -> str:
    """`text` with full-width letters, digits and signs in ASCII; the length stays."""
    return text if text.isascii() else text.translate(_folding())


# Separators inside a number: blanks, line breaks, dashes of all kinds, and characters nobody sees.
_SEPARATOR = "[\\s\\-\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff\uff0d·]"
_CLUSTER = re.compile(rf"[0-9]+(?:{_SEPARATOR}{{1,3}}[0-9]+)*(?:{_SEPARATOR}{{0,3}}[Xx](?![A-Za-z0-9]))?")
_GROUP = re.compile(r"[0-9]+[Xx]?|[Xx]")
_LONG_NUMBER = rf"\d(?:{_SEPARATOR}{{0,3}}\d){{10}}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Neighbouring groups of a cluster: `number` is their digits, `separators` what stands between them.

    `whole`: the cluster has no other groups; `alone`: none on the same line.
    """

    start: int
    end: int
    number: str
    widths: tuple[int, ...]
    separators: tuple[str, ...]
    whole: bool
    alone: bool


def _candidates(text: str, shortest: int, longest: int) -> Iterator[list[_Candidate]]:
    """For every group of every cluster: the candidates that begin there, the longest first."""
    for cluster in _CLUSTER.finditer(text):
        if cluster.end() - cluster.start() < shortest:
            continue
        groups = [(m.start(), m.end()) for m in _GROUP.finditer(text, cluster.start(), cluster.end())]
        for first, (start, _) in enumerate(groups):
            found: list[_Candidate] = []
            number = ""
            widths: list[int] = []
            separators: list[str] = []
            for last in range(first, len(groups)):
                left, right = groups[last]
                if last > first:
                    separators.append(text[groups[last - 1][1] : left])
                number += text[left:right]
                widths.append(right - left)
                if len(number) > longest:
                    break
                if len(number) >= shortest:
                    before = text[groups[first - 1][1] : start] if first else "\n"
                    after = text[right : groups[last + 1][0]] if last + 1 < len(groups) else "\n"
                    whole = first == 0 and last == len(groups) - 1
                    alone = "\n" in before and "\n" in after
                    found.append(
                        _Candidate(start, right, number.upper(), tuple(widths), tuple(separators), whole, alone)
                    )
            if found:
                yield found[::-1]


def _find(
    text: str, shortest: int, longest: int, score_of: Callable[[str, _Candidate], tuple[int, float]]
) -> list[Span]:
    """Disjoint spans, left to right. `score_of` gives the start of the span and its score, 0 for no."""
    folded = fold(text)
    spans: list[Span] = []
    done = 0
    for candidates in _candidates(folded, shortest, longest):
        for candidate in candidates:
            if candidate.start < done:
                break
            start, score = score_of(folded, candidate)
            if score:
                spans.append(Span(start, candidate.end, score))
                done = candidate.end
                break
    return spans


def _labelled(text: str, start: int, labels: re.Pattern[str]) -> str | None:
    """The kind (a group name of `labels`) of the last label in the window before `start`."""
    kind = None
    for match in labels.finditer(text, max(0, start - LABEL_WINDOW), start):
        kind = match.lastgroup
    return kind


def _joined_at_line_end(candidate: _Candidate) -> bool:
    """A number that only a line break or invisible characters interrupt, with no other number beside it."""
    invisible = all(not s.strip("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff") for s in candidate.separators)
    line_break = len(candidate.separators) == 1 and "\n" in candidate.separators[0]
    return candidate.whole and (invisible or line_break)


_OTHER_NUMBER = (
    r"订单|单号|流水|编号|快递|运单|序列号|合同号|条码|条形码|发票|批次|货号|料号|凭证|工号|学号|税号|批号|机号"
    r"|(?<![A-Za-z_])(?:order|invoice|tracking|serial|ref|isbn|imei|sku|ticket|batch|part|lot|s/n|sn)(?![A-Za-z_])"
)

# --- resident identity cards, GB 11643 ---------------------------------------------------------------

# First two digits: the provinces, Taiwan, Hong Kong, Macau, and 91 for foreigners with permanent residence.
_REGION = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]|91")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_LABELS = re.compile(
    r"(?P<yes>身份证|证件|公民身份|身份号|居民证|(?<![A-Za-z_])(?:ID|identity|citizen)(?![A-Za-z_]))"
    rf"|(?P<no>{_OTHER_NUMBER})",
    re.IGNORECASE,
)


def _resident_id_score(text: str, candidate: _Candidate) -> tuple[int, float]:
    number = candidate.number
    if len(number) not in (15, 18) or not _REGION.match(number) or "X" in number[:-1]:
        return candidate.start, 0.0
    if len(number) == 18:
        if not _is_birth_date(number[6:14]):
            return candidate.start, 0.0
        if number[-1] == _check_character(number[:17]):
            return candidate.start, 1.0
        # Misread or mistyped, but said to be one.
        return candidate.start, 0.9 if _labelled(text, candidate.start, _ID_LABELS) == "yes" else 0.0
    legacy = number.isdigit() and _is_birth_date("19" + number[6:12])
    return candidate.start, 0.95 if legacy and _labelled(text, candidate.start, _ID_LABELS) == "yes" else 0.0


def _is_birth_date(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1880 <= born.year <= 2099


def _check_character(first_17: str) -> str:
    """ISO 7064 MOD 11-2 over the first 17 digits."""
    return "10X98765432"[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, first_17, strict=True)) % 11]


def find_resident_ids(text: str) -> list[Span]:
    """18 digits with region, birth date and checksum; 15 digits (before 1999) where a label says so."""
    return _find(text, 15, 18, _resident_id_score)


def normalise_resident_id(value: str) -> str:
    """18 characters without separators: the old form of a number becomes its new form."""
    number = "".join(_GROUP.findall(fold(value))).upper()
    if len(number) == 15:
        seventeen = number[:6] + "19" + number[6:]
        return seventeen + _check_character(seventeen)
    return number


# --- mobile numbers --------------------------------------------------------------------------------

_MOBILE = re.compile(r"(?:0{0,2}86)?(1[3-9][0-9]{9})")
_MOBILE_LABELS = re.compile(
    r"(?P<yes>手机|电话|联系|号码|致电|拨打|短信|微信|热线|传真|(?<![A-Za-z_])(?:tel|phone|mobile|mob|cell|call|contact|wechat)"
    rf"(?![A-Za-z_]))|(?P<no>{_OTHER_NUMBER})",
    re.IGNORECASE,
)
_PHONE_WORD_BEFORE = re.compile(r"(?:tel|phone|mobile|mob|cell|ph|call)\Z", re.IGNORECASE)
_AMOUNT_AFTER = re.compile(r"\s?(?:[,，]\d{3}(?!\d)|\.\d|元|万|亿|股|吨|件|美元|港元|%|USD|RMB|CNY)")
_YEAR = re.compile(r"(?:19|20)\d\d")


def _mobile_score(text: str, candidate: _Candidate) -> tuple[int, float]:
    start, number = candidate.start, candidate.number
    match = _MOBILE.fullmatch(number)
    if match is None:
        return start, 0.0
    country = len(number) - 11
    widths, separators = _without_prefix(candidate, country)
    if country and text[max(0, start - 1) : start] == "+":
        start -= 1
    before = text[max(0, start - 10) : start]
    if not country and re.search(r"[0-9]-\Z|[0-9][.,]\Z|[$¥￥€£.]\Z", before):
        return start, 0.0
    if re.search(r"[A-Za-z]\Z", before) and not _PHONE_WORD_BEFORE.search(before):
        return start, 0.0
    after = text[candidate.end : candidate.end + 6]
    if _AMOUNT_AFTER.match(after) or (after[:1].isascii() and after[:1].isalpha() and not after.startswith("ext")):
        return start, 0.0
    label = _labelled(text, start, _MOBILE_LABELS)
    if label == "no":
        return start, 0.0
    if widths == (11,) or label == "yes" or country or _joined_at_line_end(candidate):
        return start, 0.8
    if widths == (3, 4, 4):
        table_row = all(_YEAR.fullmatch(part) for part in (number[-8:-4], number[-4:]))
        return start, 0.0 if table_row else 0.8
    dashes = all(s.strip() for s in separators)
    return start, 0.8 if dashes and widths in ((3, 8), (7, 4), (3, 3, 5), (4, 4, 3)) else 0.0


def _without_prefix(candidate: _Candidate, country: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The widths and separators of the eleven digits after a country code of `country` digits."""
    widths, separators = candidate.widths, candidate.separators
    if country == 0:
        return widths, separators
    if widths[0] == country:
        return widths[1:], separators[1:]
    return (widths[0] - country, *widths[1:]), separators


def find_mobiles(text: str) -> list[Span]:
    """Mainland mobile numbers, with or without +86, in one piece or in the usual groups."""
    return _find(text, 11, 15, _mobile_score)


def normalise_mobile(value: str) -> str:
    """The eleven digits."""
    return "".join(re.findall(r"[0-9]+", fold(value)))[-11:]


# --- bank cards ------------------------------------------------------------------------------------

_CARD_LABELS = re.compile(
    r"(?P<yes>银行卡|信用卡|借记卡|储蓄卡|贷记卡|工资卡|卡号|账号|帐号|账户|帐户|开户|收款|汇款|打款"
    r"|(?<![A-Za-z_])(?:card|account|acct|a/c|visa|mastercard|unionpay|iban|pan)(?![A-Za-z_]))"
    rf"|(?P<no>{_OTHER_NUMBER})",
    re.IGNORECASE,
)
# Issuer prefixes and lengths: UnionPay, older mainland cards, Visa, Mastercard, JCB, Discover, Amex.
_CARD_PREFIX = re.compile(
    r"62\d{14,17}|9558[0-9]\d{14}|436742\d{10,13}|601382\d{10,13}"
    r"|4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|5\d\d)\d{12}"
    r"|3[47]\d{13}"
)
_UNIONPAY = re.compile(r"62\d{14}|62\d{17}")
_CARD_WIDTHS = frozenset({(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (6, 13), (4, 6, 5), (4, 12)})


def _card_score(text: str, candidate: _Candidate) -> tuple[int, float]:
    start, number = candidate.start, candidate.number
    if not number.isdigit() or _part_of_a_longer_code(text, candidate):
        return start, 0.0
    # The figures along the axis of a chart come in fours, too.
    apart = candidate.alone or all(s.strip() for s in candidate.separators)
    grouped = (candidate.widths in _CARD_WIDTHS and apart) or _joined_at_line_end(candidate)
    label = _labelled(text, start, _CARD_LABELS)
    if label == "no" or not (len(candidate.widths) == 1 or grouped or label == "yes"):
        return start, 0.0
    if passes_luhn(number):
        return start, 0.9 if label == "yes" or _CARD_PREFIX.fullmatch(number) else 0.0
    # Misread or mistyped, but said to be one.
    return start, 0.7 if label == "yes" and _UNIONPAY.fullmatch(number) else 0.0


def _part_of_a_longer_code(text: str, candidate: _Candidate) -> bool:
    before, after = text[max(0, candidate.start - 2) : candidate.start], text[candidate.end : candidate.end + 2]
    letters = re.search(r"[A-Za-z]\Z", before) or re.match(r"[A-Za-z]", after)
    return bool(letters or re.search(r"[0-9][.,-]\Z|[$¥￥.]\Z", before) or re.match(r"[.,]\d|-\d|元", after))


def passes_luhn(digits: str) -> bool:
    """The checksum of payment cards, ISO/IEC 7812-1; one repeated digit is no card."""
    if len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * 2 if place % 2 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def find_bank_cards(text: str) -> list[Span]:
    """13 to 19 digits that pass Luhn and have a known issuer prefix or a label."""
    return _find(text, 13, 19, _card_score)


def normalise_bank_card(value: str) -> str:
    """The digits."""
    return "".join(re.findall(r"[0-9]+", fold(value)))


# --- e-mail addresses ------------------------------------------------------------------------------

_LOCAL = r"A-Za-z0-9._%+\-"
_EMAIL = re.compile(
    rf"(?<![{_LOCAL}])[{_LOCAL}]++(?:\r?\n)?@(?:\r?\n)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}(?:xn--[A-Za-z0-9\-]{2,59}|[A-Za-z]{2,24})(?![A-Za-z0-9])"
)


def find_emails(text: str) -> list[Span]:
    """Addresses with an ASCII local part and a host name that has a dot; a line may break beside the @."""
    return [Span(m.start(), m.end(), 1.0) for m in _EMAIL.finditer(fold(text))]


def normalise_email(value: str) -> str:
    """Lower case, without line breaks and without punctuation that only leans on it."""
    return "".join(fold(value).split()).strip(".-").lower()


DETECTORS: dict[str, Detector] = {
    detector.entity: detector
    for detector in (
        Detector("CN_RESIDENT_ID", _LONG_NUMBER, find_resident_ids, normalise_resident_id),
        Detector("CN_MOBILE", _LONG_NUMBER, find_mobiles, normalise_mobile),
        Detector("BANK_CARD", _LONG_NUMBER, find_bank_cards, normalise_bank_card),
        Detector("EMAIL_ADDRESS", "[@＠]", find_emails, normalise_email),
    )
}


def trigger(entities: tuple[str, ...]) -> re.Pattern[str]:
    """Matches somewhere in every text that can hold one of `entities`."""
    return re.compile("|".join(sorted({DETECTORS[entity].trigger for entity in entities})))
