"""Amounts of money, and the one form that makes 5万元, 50,000元 and ￥50000.00 equal.

A number is an amount when a currency stands before or behind it. A range (5万元至10万元, $3-5 million) is
one amount, so that neither end stays behind. The canonical form is `<number> <ISO 4217 code>`, a range
`<number>~<number> <code>`; ¥ and 元 without another word are CNY.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from kb_pipeline.privacy.detection import WORD_END, Detector, Span, Trigger, fold

# The first that matches counts: a bare $ is a United States dollar.
_CURRENCIES = {
    "HKD": r"港元|港币|HK\$|HKD|Hong Kong dollars?",
    "TWD": r"新?台币|NT\$|TWD|NTD",
    "MOP": r"澳门元|澳门币|MOP\$?",
    "SGD": r"新加坡元|新元|(?<![A-Za-z])S\$|SGD",
    "AUD": r"澳元|澳大利亚元|AU\$|(?<![A-Za-z])A\$|AUD",
    "CAD": r"加元|加拿大元|CA\$|(?<![A-Za-z])C\$|CAD",
    "USD": r"美元|美金|US\$|USD|\$|(?:U\.?S\.? )?dollars?",
    "EUR": r"欧元|EUR|€|euros?",
    "GBP": r"英镑|GBP|£|pounds?(?: sterling)?",
    "JPY": r"日元|日圆|JPY|JP¥|yen",
    "CHF": r"瑞士法郎|瑞郎|CHF",
    "KRW": r"韩元|KRW|₩",
    "INR": r"卢比|INR|₹|rupees?",
    "RUB": r"卢布|RUB|₽|roubles?|rubles?",
    "THB": r"泰铢|THB",
}
_CODES = [(re.compile(pattern, re.IGNORECASE), code) for code, pattern in _CURRENCIES.items()]

_AFTER_FIRST_DIGIT = r"(?:\d{0,2}(?:,\d{3}){1,8}(?!\d)|\d{0,19}+(?!\d))(?:\.\d{1,12}+(?!\d))?"
_NUMBER = rf"\d{_AFTER_FIRST_DIGIT}"
# Behind another digit only where something else may match than behind the first one.
_FIRST_DIGIT = r"\d(?:(?<!\d\d)|(?=\d{0,2},\d{3}|\d{19}(?!\d)))"
_CAPITALS = "零壹贰叁肆伍陆柒捌玖拾佰仟万亿貳參陸萬億两"
_NUMERALS = "〇零一二两三四五六七八九十百千万亿几"
_SCALE = (
    r"(?:[十百千万]?[万亿]|[百千]"
    r"|(?i:thousand|million|billion|trillion|mn(?![a-z])|bn(?![a-z])|m(?![A-Za-z])|k(?![A-Za-z])))"
)
# 2023元旦, 三元组, 元素, 5元月: 元 that is no money.
_YUAN = r"元(?!旦|素|年|月|件|器|组|数|宵|首|老|宇|代|朝|勋|认知|音|化)"
_UNIT = (
    r"(?:美元|美金|港元|港币|欧元|英镑|日元|日圆|新?台币|澳门元|澳门币|新加坡元|新元|澳元|澳大利亚元|加元|加拿大元"
    rf"|瑞士法郎|瑞郎|韩元|卢比|卢布|泰铢|{_YUAN}(?:人民币)?(?:整|\d{{1,2}}分|\d角(?:\d分)?)?|圆整?|块钱"
    r"|(?i:(?:RMB|CNY|USD|HKD|EUR|GBP|JPY|TWD|SGD|AUD|CAD|CHF|yuan|renminbi|(?:Hong Kong |U\.?S\.? )?dollars?"
    rf"|euros?|pounds? sterling|yen)){WORD_END})"
)
_TO = r" ?(?:-|–|—|~|至|到|to|and(?= ?[$¥€£])) ?"
_SIGN = "[¥$€£₩₹₽]"
_CODE = (
    r"(?:R[Mm][Bb]|r[Mm][Bb]|CNY|U[Ss][Dd]|u[Ss][Dd]|HKD|EUR|GBP|JPY|TWD|NTD|MOP|SGD|AUD|CAD|CHF|KRW|INR|RUB|THB"
    r"|人民币|美元|港币|港元|欧元|日元|英镑|新台币)"
)
_TAIL = (
    rf" ?-?{_NUMBER}(?: ?{_SCALE})?(?: ?{_UNIT})?"
    rf"(?:{_TO}(?:(?:{_CODE}|[A-Z]{{0,2}}{_SIGN}) ?)?{_NUMBER}(?: ?{_SCALE})?(?: ?{_UNIT})?(?![\d,.]*%))?"
)
# Each begins with a character that few texts hold, so that the search skips what lies between.
_SIGNED = re.compile(_SIGN + _TAIL)  # ¥3,000, $1.2 million
_CODED = re.compile(rf"{_CODE}[ :(]?{_SIGN}?{_TAIL}")  # USD 500万
_UNITED = re.compile(  # 3000元, 5-10万元, 1.2亿美元, 500 yuan
    rf"{_FIRST_DIGIT}{_AFTER_FIRST_DIGIT}(?: ?{_SCALE})?(?: ?(?:余|多))?"
    rf"(?: ?{_UNIT}(?:{_TO}{_NUMBER}(?: ?{_SCALE})? ?{_UNIT})?|{_TO}{_NUMBER}(?: ?{_SCALE})? "
    rf"?{_UNIT}|[万亿]{{1,2}}人民币)"
)
_IN_CAPITALS = re.compile(
    rf"[壹贰叁肆伍陆柒捌玖拾貳參陸两][{_CAPITALS}]{{0,24}}[元圆]"
    rf"(?:整|正|零?[{_CAPITALS}]角(?:零?[{_CAPITALS}]分)?整?|零?[{_CAPITALS}]分)?"
)
_IN_NUMERALS = re.compile(
    rf"[一二两三四五六七八九十几][{_NUMERALS}]{{0,14}}(?:多|余)?"
    rf"(?:美元|港元|港币|欧元|英镑|日元|块钱|{_YUAN}(?:整|人民币|钱)?)"
)
_SIGN_WORD = re.compile(r"(?:(?<![A-Za-z])(?:US|HK|NT|AU|CA|MOP|JP|CN|[SAC])|人民币:?|美元|港币)\Z")
_LONGEST_SIGN_WORD = 4
_YUAN_WORD = re.compile(r"人民币:? ?\Z")
_ONE_NUMERAL = re.compile(rf"[{_NUMERALS}]{_YUAN}")  # 一元, 二元, 多元
# $1 and $12 are parameters more often than prices; $10^{6}$ is a formula.
_PARAMETER = re.compile(r"\$\d{1,2}\Z")
_FORMULA = frozenset("^_\\{}$")


def find_amounts(text: str) -> list[Span]:
    """Numbers with a currency before or behind them, ranges as one."""
    spans = [
        _with_word_before(text, match, _SIGN_WORD)
        for match in _SIGNED.finditer(text)
        if not (match[0][0] == "$" and _is_no_price(text, match))
    ]
    spans += [_span(match) for match in _CODED.finditer(text) if not _joined(text, match.start(), letters_only=True)]
    spans += [_span(match) for match in _UNITED.finditer(text) if not _joined(text, match.start())]
    spans += [_with_word_before(text, match, _YUAN_WORD) for match in _IN_CAPITALS.finditer(text)]
    for match in _IN_NUMERALS.finditer(text):
        before = text[match.start() - 1 : match.start()]
        if before not in _NO_NUMERAL_BEFORE and not _ONE_NUMERAL.fullmatch(match[0]):
            spans.append(_span(match))
    return spans


_NO_NUMERAL_BEFORE = frozenset(_NUMERALS + "第")


def _is_no_price(text: str, match: re.Match[str]) -> bool:
    """$1, C$5 in a worksheet, $10^{6}$; US$5 is one."""
    around = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
    if not _FORMULA.isdisjoint(around):
        return True
    word = _SIGN_WORD.search(text, max(0, match.start() - _LONGEST_SIGN_WORD), match.start())
    return _PARAMETER.fullmatch(match[0]) is not None and (word is None or len(word[0]) == 1)


def _span(match: re.Match[str]) -> Span:
    return Span(match.start(), match.end(), 0.65)


def _with_word_before(text: str, match: re.Match[str], word: re.Pattern[str]) -> Span:
    """The match with a currency right before it, as in US$5 and 人民币伍万元."""
    start = match.start()
    before = word.search(text, max(0, start - _LONGEST_SIGN_WORD - 1), start)
    return Span(before.start() if before else start, match.end(), 0.65)


def _joined(text: str, start: int, *, letters_only: bool = False) -> bool:
    """Whether what stands before a number belongs to it: A15, 1.2.3, item_7."""
    before = text[max(0, start - 2) : start]
    if before[-1:].isascii() and before[-1:].isalpha():
        return True
    return not letters_only and (
        before[-1:].isdigit() or before[-1:] in ("_", "#", "-") or _NUMBER_GOES_ON.match(before) is not None
    )


_NUMBER_GOES_ON = re.compile(r"\d[.,]\Z")
_SCALES = {
    "十": 10, "百": 100, "千": 1000, "万": 10**4, "亿": 10**8, "k": 1000, "thousand": 1000, "m": 10**6, "mn": 10**6,
    "million": 10**6, "bn": 10**9, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
_DIGITS = {
    c: d
    for d, cs in enumerate(("零〇", "一壹", "二贰两貳", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖"))
    for c in cs
}
_POWERS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_MYRIADS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_PLAIN = re.compile(rf"({_NUMBER}) ?((?:[十百千万亿]+|thousand|million|billion|trillion|mn|bn|m|k)?)", re.IGNORECASE)
_WRITTEN = re.compile(rf"[{_CAPITALS}{_NUMERALS}]+")
_RANGE = re.compile(r"-|–|—|~|至|到|(?<![A-Za-z])(?:to|and)(?![A-Za-z])", re.IGNORECASE)
_CENTS = re.compile(r"[元圆](?:零?(\S)角)?(?:零?(\S)分)?")


def normalise_amount(value: str) -> str:
    """`50000 CNY`; a value without a number that can be read, such as 几万元, stands for itself."""
    text = fold(value)
    currency = next((code for pattern, code in _CODES if pattern.search(text)), "CNY")
    ends = [_scaled(number, scale) for number, scale in _PLAIN.findall(text)]
    if not ends:
        written = _WRITTEN.search(text)
        if written is None or "几" in written[0]:
            return text
        ends = [_read_chinese(written[0]) + _cents(text)]
    elif len(ends) == 2 and _RANGE.search(text):
        # 5-10万元: the scale behind the range counts for both ends.
        (_, first), (number, last) = _PLAIN.findall(text)[:2]
        if not first and last and ends[0] < _scaled(number, ""):
            ends[0] = _scaled(_PLAIN.findall(text)[0][0], last)
    else:
        ends = ends[:1]
        fen = re.search(r"元(?:(\d)角)?(?:(\d{1,2})分)?", text)
        if fen and any(fen.groups()):
            ends[0] += Decimal(fen[1] or 0) / 10 + Decimal(fen[2] or 0) / 100
    return f"{'~'.join(_plain(end) for end in ends[:2])} {currency}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(number: str, scale: str) -> Decimal:
    try:
        result = Decimal(number.replace(",", ""))
    except InvalidOperation:  # more digits than a decimal holds
        return Decimal(0)
    if scale.lower() in _SCALES:
        return result * _SCALES[scale.lower()]
    for character in scale:
        result *= _SCALES[character]
    return result


def _read_chinese(numerals: str) -> Decimal:
    """一百二十万三千 and 壹佰贰拾万叁仟 as a number; 二〇二三 digit by digit."""
    if not any(character in _POWERS or character in _MYRIADS for character in numerals):
        return Decimal("".join(str(_DIGITS[character]) for character in numerals))
    total = section = digit = 0
    for character in numerals:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _POWERS:
            section += (digit or 1) * _POWERS[character]
            digit = 0
        else:
            myriad = _MYRIADS[character]
            # 一万亿: the larger unit counts for all before it.
            total = (total + section + digit) * myriad if myriad > 10**4 else total + (section + digit) * myriad
            section = digit = 0
    return Decimal(total + section + digit)


def _cents(text: str) -> Decimal:
    match = _CENTS.search(text)
    jiao, fen = (match[1], match[2]) if match else (None, None)
    return Decimal(_DIGITS.get(jiao or "", 0)) / 10 + Decimal(_DIGITS.get(fen or "", 0)) / 100


_COLUMN_UNIT = re.compile(
    r"[(（\s:：/,，](?:单位[:：])?(?:人民币|RMB)?\s?((?:[十百千]?万|亿|千|百万)?(?:元|美元"
    r"|港元|欧元)|CNY|RMB|USD|HKD|EUR|US\$|[¥￥$€£])[)）\s]?\Z",
    re.IGNORECASE,
)
_CELL_NUMBER = re.compile(rf"[-(]?{_NUMBER}\)?")


def unit_of_column(header: str) -> str | None:
    """The currency, with its scale, in which a column counts whose header is `header`: 金额（万元） -> 万元."""
    match = _COLUMN_UNIT.search(fold(header))
    return match[1] if match else None


def is_number(cell: str) -> bool:
    """Whether a cell holds a number and nothing else."""
    return _CELL_NUMBER.fullmatch(fold(cell).strip()) is not None


_MONEY_WORDS = (
    *(
        "元",
        "圆",
        "块",
        "¥",
        "$",
        "€",
        "£",
        "₩",
        "₹",
        "₽",
        "人民币",
        "美金",
        "港币",
        "英镑",
        "台币",
        "澳门币",
        "瑞郎",
        "法郎",
        "卢比",
        "卢布",
    ),
    *(
        "泰铢",
        "rmb",
        "cny",
        "usd",
        "hkd",
        "eur",
        "gbp",
        "jpy",
        "twd",
        "ntd",
        "mop",
        "sgd",
        "aud",
        "cad",
        "chf",
        "krw",
        "inr",
    ),
    *("rub", "thb", "yuan", "renminbi", "dollar", "pound", "yen"),
)
AMOUNT = Detector("AMOUNT", Trigger(_MONEY_WORDS), find_amounts, normalise_amount)
