"""Payment cards by checksum and issuer, and bank accounts by their label."""

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
    joined_at_line_end,
    labelled,
    lowered,
)

_CARD_LABELS = re.compile(
    r"(?P<yes>银行卡|信用卡|借记卡|储蓄卡|贷记卡|工资卡|卡号|账号|帐号|账户|帐户|开户|收款|汇款|打款"
    r"|(?<![A-Za-z_])(?:card|account|acct|a/c|visa|mastercard|unionpay|iban|pan)(?![A-Za-z_]))"
    rf"|(?P<no>{OTHER_NUMBER})",
    re.IGNORECASE,
)
# Issuer prefixes and lengths: UnionPay, older mainland cards, Visa, Mastercard, JCB, Diners, Discover, Maestro, Amex.
_CARD_PREFIX = re.compile(
    r"62\d{14,17}|9558[0-9]\d{14}|436742\d{10,13}|60\d{14,17}|69\d{14,17}|4\d{12}(?:\d{3}(?:\d{3})?)?"
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|35(?:2[89]|[3-8]\d)\d{12}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:50|5[6-9]"
    r"|6[37])\d{14,17}|(?:1800|2131)\d{11}"
)
_UNIONPAY = re.compile(r"62\d{14}|62\d{17}")
_CARD_WIDTHS = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 4, 4, 4, 3), (6, 13), (4, 6, 5), (4, 6, 4), (4, 12)}
)
_MAESTRO = re.compile("0604|5[06-8]|6[0-9]")
_CARD_LABEL_RIGHT_BEFORE = re.compile(
    r"(?:卡号?码?|card|cc)(?: ?(?:no|number|num)\.?)?\s{0,2}[:#为是]?\s{0,2}(?:is )?[#:]?\s?\Z", re.IGNORECASE
)
_TIMESTAMP = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{5,}\Z")


_CARD = re.compile(r"\d{12,19}")


def _card_score(text: str, candidate: Candidate) -> tuple[int, float]:
    start, number = candidate.start, candidate.number
    known = _CARD_PREFIX.fullmatch(number)
    if not (known or candidate.whole or len(number) == 12):
        return start, 0.0
    checked = passes_luhn(number)
    if not (checked or _UNIONPAY.fullmatch(number)) or _part_of_a_longer_code(text, candidate):
        return start, 0.0
    if len(number) == 12:
        maestro = candidate.first == candidate.last and _MAESTRO.match(number) and checked
        return start, 0.75 if maestro and _CARD_LABEL_RIGHT_BEFORE.search(text, max(0, start - 24), start) else 0.0
    # The figures along the axis of a chart come in fours, too.
    apart = candidate.alone or all(s.strip() for s in candidate.separators)
    grouped = (candidate.widths in _CARD_WIDTHS and (apart or (checked and candidate.whole))) or joined_at_line_end(
        candidate
    )
    label = labelled(text, start, _CARD_LABELS)
    if label == "no" or not (candidate.first == candidate.last or grouped or label == "yes"):
        return start, 0.0
    if checked:
        issued = known and not _TIMESTAMP.match(number)
        return start, 0.9 if issued or (label == "yes" and candidate.whole) else 0.0
    # Misread or mistyped, but said to be one.
    return start, 0.7 if label == "yes" else 0.0


_LETTER_BEFORE = re.compile(r"[A-Za-z]\Z")
_JOINED_BEFORE = re.compile(r"[0-9][.,-]\Z|[$¥.+]\Z")
_JOINED_AFTER = re.compile(r"[A-Za-z]|[.,]\d|-\d|元")
_CARD_WORD_BEFORE = re.compile(r"(?:card|no|acct|account|visa|pan)\Z", re.IGNORECASE)


def _part_of_a_longer_code(text: str, candidate: Candidate) -> bool:
    before, after = text[max(0, candidate.start - 8) : candidate.start], text[candidate.end : candidate.end + 2]
    letter = _LETTER_BEFORE.search(before) and not _CARD_WORD_BEFORE.search(before)
    return bool(letter or _JOINED_BEFORE.search(before) or _JOINED_AFTER.match(after))


def passes_luhn(digits: str) -> bool:
    """The checksum of payment cards, ISO/IEC 7812-1; one repeated digit is no card."""
    if len(set(digits)) == 1:
        return False
    return (sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, map(int, digits[-2::-2])))) % 10 == 0


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, its own digits added


def find_bank_cards(text: str) -> list[Span]:
    """12 to 19 digits that pass Luhn and have a known issuer prefix or a label; 12 only right behind a label."""
    return find_numbers(text, 12, 19, _CARD, _card_score)


_ACCOUNT = re.compile(  # over text in lower case
    r"(?:账\s{0,4}号|帐\s{0,4}号|账户号码?|帐户号码?|银行账户|银行帐户|对公账户|收款账户|账户"
    r"|a(?<![a-z_]a)(?:ccount|cct|/c)(?![a-z_]))"
    r"(?:\s?(?:号码|no|number|num)\.?)?(?:\s?\([^()\n]{1,10}\))?\s{0,3}[:#为是]?\s{0,3}"
    r"(?:[\u3400-\u9fff()（）]{2,30}\s{0,3}|is )?"  # the bank before the number: 开户行及账号：某某支行 1234
    r"(?P<number>\d(?:[ -]?\d){7,29})(?![a-z0-9_]|[.,]\d|-\d|元|万)"
)


def find_bank_accounts(text: str) -> list[Span]:
    """8 to 30 digits right behind a label for accounts."""
    return [Span(*match.span("number"), 0.6) for match in _ACCOUNT.finditer(lowered(text))]


CARDS = (
    Detector("BANK_CARD", Trigger(pattern=LONG_NUMBER), find_bank_cards, digits_of),
    Detector(
        "BANK_ACCOUNT",
        Trigger(("账", "帐", "account", "acct", "a/c")),
        find_bank_accounts,
        digits_of,
    ),
)
