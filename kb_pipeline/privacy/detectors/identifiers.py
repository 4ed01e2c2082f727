"""Identity documents and codes: resident ID cards, company codes, passports, travel permits, plates, US SSN, IBAN."""

from __future__ import annotations

import re
from datetime import date

from kb_pipeline.privacy.detection import (
    LONG_NUMBER,
    OTHER_NUMBER,
    SEPARATOR,
    WORD_END,
    WORD_START,
    Candidate,
    Detector,
    Span,
    Trigger,
    begin,
    compact,
    digits_of,
    find_numbers,
    labelled,
)

# --- resident identity cards, GB 11643, and what is numbered like them ---------------------------------

# First two digits: the provinces, Taiwan, Hong Kong and Macau (residence permits), and 9 with a province for
# foreigners with permanent residence.
_RESIDENT_ID = re.compile(
    r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]|9[1-6])\d{4}(?:\d{9}|(?:1[89]|20)\d{9}[\dX])"
)
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_LABELS = re.compile(
    r"(?P<yes>身份证|证件|公民身份|身份号|居民证|居住证|居留|(?<![A-Za-z_])(?:ID|identity|citizen)(?![A-Za-z_]))"
    rf"|(?P<no>{OTHER_NUMBER})",
    re.IGNORECASE,
)
# The card of foreigners before 2023: country, region, birth date as YYMMDD, a serial and a check digit.
_FOREIGNER = re.compile(rf"{begin('A-Z', 'A-Za-z0-9_')}[A-Z]{{2}}[1-6]\d{{3}}\d{{8}}{WORD_END}")
_FOREIGNER_LABELS = re.compile(
    r"(?P<yes>居留|外国人|证件|身份|residence|permit|(?<![A-Za-z])ID(?![A-Za-z]))", re.IGNORECASE
)


def _resident_id_score(text: str, candidate: Candidate) -> tuple[int, float]:
    number = candidate.number
    if len(number) == 18:
        if not _is_birth_date(number[6:14]):
            return candidate.start, 0.0
        if number[-1] == check_character(number[:17]):
            return candidate.start, 1.0
        # Misread or mistyped, but said to be one.
        return candidate.start, 0.9 if labelled(text, candidate.start, _ID_LABELS) == "yes" else 0.0
    legacy = number.isdigit() and _is_birth_date("19" + number[6:12])
    return candidate.start, 0.95 if legacy and labelled(text, candidate.start, _ID_LABELS) == "yes" else 0.0


def _is_birth_date(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1880 <= born.year <= 2099


def check_character(first_17: str) -> str:
    """The last character of a resident ID: ISO 7064 MOD 11-2 over the first 17 digits."""
    return "10X98765432"[sum(w * int(d) for w, d in zip(_ID_WEIGHTS, first_17, strict=True)) % 11]


def find_resident_ids(text: str) -> list[Span]:
    """18 digits with region, birth date and checksum; 15 digits (before 1999) where a label says so."""
    spans = find_numbers(text, 15, 18, _RESIDENT_ID, _resident_id_score)
    for match in _FOREIGNER.finditer(text):
        value = match[0]
        born = _is_birth_date("19" + value[7:13]) or _is_birth_date("20" + value[7:13])
        if born and (_passes_mrz_check(value) or labelled(text, match.start(), _FOREIGNER_LABELS)):
            spans.append(Span(match.start(), match.end(), 0.95))
    return spans


def _passes_mrz_check(value: str) -> bool:
    """The check digit of machine-readable travel documents, ICAO 9303: weights 7, 3, 1; A is 10."""
    total = sum(int(character, 36) * (7, 3, 1)[place % 3] for place, character in enumerate(value[:-1]))
    return total % 10 == int(value[-1])


def normalise_resident_id(value: str) -> str:
    """The characters without separators: the old form of a number becomes its new form."""
    number = compact(value)
    if len(number) == 15 and number.isdigit():
        seventeen = number[:6] + "19" + number[6:]
        return seventeen + check_character(seventeen)
    return number


# --- unified social credit codes, GB 32100 -------------------------------------------------------------

_USCC_CHARACTER = "[0-9A-HJ-NPQRTUWXYa-hj-npqrtuwxy]"
_USCC = re.compile(
    rf"{begin('1-9A-NYa-ny', 'A-Za-z0-9_')}(?:{SEPARATOR}?{_USCC_CHARACTER})(?:{SEPARATOR}?\d){{6}}"
    rf"(?:{SEPARATOR}?{_USCC_CHARACTER}){{10}}{WORD_END}"
)
_USCC_LABELS = re.compile(r"(?P<yes>信用代码|纳税人识别号|税号|USCC|credit code)", re.IGNORECASE)


def find_credit_codes(text: str) -> list[Span]:
    """18 characters with their checksum, or said to be one. One number in 31 passes, so digits alone need a label."""
    from stdnum.cn import uscc

    spans = []
    for match in _USCC.finditer(text):
        code = compact(match[0])
        label = labelled(text, match.start(), _USCC_LABELS, 12)
        if (label or not code.isdigit()) and uscc.is_valid(code):
            spans.append(Span(match.start(), match.end(), 0.98))
        elif label and len(match[0]) == 18:
            spans.append(Span(match.start(), match.end(), 0.9))
    return spans


# --- passports and travel permits ----------------------------------------------------------------------

_PASSPORT = re.compile(
    rf"{WORD_START}(?:[EGDSPHegdsph] ?\d{{8}}|[Ee][A-HJ-NP-Za-hj-np-z] ?\d{{7}}|1[45] ?\d{{7}}"
    rf"|[A-Za-z]{{0,3}}\d{{6,9}}){WORD_END}"
)
_PASSPORT_LABELS = re.compile(
    r"(?P<no>护照专业|通行证|身份证)|(?P<yes>护照|(?<![A-Za-z])passports?(?![A-Za-z]))"
    r"|(?P<other>手机|电话|卡号|日期|有效期|tel|phone|date)",
    re.IGNORECASE,
)
_PASSPORT_BEHIND = re.compile("号?(?:的)?护照")
_PERMIT = re.compile(
    rf"{WORD_START}(?:[HMhm] ?\d{{8}}(?:\d\d)?|[CWLTcwlt] ?\d{{8}}|[CcLl][A-HJ-NP-Za-hj-np-z] "
    rf"?\d{{7}}|\d{{8}}(?:\d\d)?){WORD_END}"
)
_PERMIT_LABELS = re.compile(
    r"(?P<yes>通行证|回乡证|台胞证|还乡证|往来港澳|往来台湾|往来大陆|(?<![A-Za-z])(?:travel|entry|home.?return) permit)"
    r"|(?P<no>护照|身份证|手机|电话|卡号|日期|有效期|签发|passport|phone|date)",
    re.IGNORECASE,
)
_DOCUMENT_WINDOW = 28


def find_passports(text: str) -> list[Span]:
    """Passport numbers of any country where a label says so."""
    return [
        Span(match.start(), match.end(), 0.9)
        for match in _PASSPORT.finditer(text)
        if labelled(text, match.start(), _PASSPORT_LABELS, _DOCUMENT_WINDOW) == "yes"
        or _PASSPORT_BEHIND.match(text, match.end())
    ]


def find_travel_permits(text: str) -> list[Span]:
    """Permits for Hong Kong, Macau, Taiwan and the mainland where a label says so."""
    return [
        Span(match.start(), match.end(), 0.92)
        for match in _PERMIT.finditer(text)
        if labelled(text, match.start(), _PERMIT_LABELS, _DOCUMENT_WINDOW) == "yes"
    ]


# --- licence plates, GA 36 -----------------------------------------------------------------------------

_PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PLATE_CHARACTER = "[A-HJ-NP-Z0-9]"
_NEW_ENERGY = "[A-HJK]"
_PLATE = re.compile(
    rf"[{_PROVINCE}][A-HJ-NP-Z][ ·•.\-]?"
    rf"(?:{_NEW_ENERGY}{_PLATE_CHARACTER}\d{{4}}|\d{{5}}{_NEW_ENERGY}"
    rf"|{_PLATE_CHARACTER}{{4}}[A-HJ-NP-Z0-9挂学警港澳])(?![A-Za-z0-9])"
)
_TWO_DIGITS = re.compile(r"\d.*\d", re.DOTALL)


def find_plates(text: str) -> list[Span]:
    """Mainland plates, with five characters after the place, or six for new-energy vehicles."""
    return [
        Span(match.start(), match.end(), 0.9)
        for match in _PLATE.finditer(text)
        if _TWO_DIGITS.search(match[0]) or match[0][2:].isdigit()
    ]


# --- United States social security numbers, IBAN -------------------------------------------------------

_SSN = re.compile(
    r"\d(?<![A-Za-z0-9_.-]\d)(?<!9)\d\d(?<!000)(?<!666)([- ]?)(?!00)\d\d\1(?!0000)\d{4}(?![A-Za-z0-9_-]|\.\d)"
)
_SSN_LABELS = re.compile(r"(?P<yes>(?<![A-Za-z])(?:SSN|social security|soc\.? sec)|社会安全号|社保号)", re.IGNORECASE)
_WELL_KNOWN_SSN = frozenset({"078051120", "219099999"})  # printed on sample cards
_IBAN = re.compile(rf"{begin('A-Za-z', 'A-Za-z0-9_')}[A-Za-z]\d\d(?:[ -]?[A-Za-z0-9]){{11,30}}{WORD_END}")


def find_ssns(text: str) -> list[Span]:
    """Nine digits written 3-2-4; in one piece or with blanks only where a label says so."""
    spans = []
    for match in _SSN.finditer(text):
        dashed = match[1] == "-" and digits_of(match[0]) not in _WELL_KNOWN_SSN
        if dashed or labelled(text, match.start(), _SSN_LABELS, 30):
            spans.append(Span(match.start(), match.end(), 0.85))
    return spans


def find_ibans(text: str) -> list[Span]:
    """Account numbers with country, length and the MOD 97-10 checksum of ISO 13616."""
    from stdnum import iban

    spans = []
    for match in _IBAN.finditer(text):
        # The pattern may run on into the next word: try shorter ends, a group at a time.
        value = match[0]
        for _ in range(4):
            if iban.is_valid(value, check_country=False) and len(compact(value)) >= 15:
                spans.append(Span(match.start(), match.start() + len(value), 0.97))
                break
            value = re.sub(r"[ -]?[^ -]*\Z", "", value)
    return spans


IDENTIFIERS = (
    Detector("CN_RESIDENT_ID", Trigger(pattern=LONG_NUMBER), find_resident_ids, normalise_resident_id),
    Detector("CN_USCC", Trigger(pattern=re.compile(rf"\d(?:{SEPARATOR}?\d){{5}}")), find_credit_codes, compact),
    Detector("PASSPORT", Trigger(("护照", "passport")), find_passports, compact),
    Detector("TRAVEL_PERMIT", Trigger(("通行证", "乡证", "台胞证", "往来", "permit")), find_travel_permits, compact),
    Detector("LICENSE_PLATE", Trigger(pattern=re.compile(rf"[{_PROVINCE}][A-HJ-NP-Z]")), find_plates, compact),
    Detector("US_SSN", Trigger(pattern=re.compile(r"\d\d\d[- ]?\d\d[- ]?\d{4}")), find_ssns, digits_of),
    Detector("IBAN_CODE", Trigger(pattern=re.compile(r"[A-Za-z][A-Za-z]\d\d[ -]?[A-Za-z0-9]")), find_ibans, compact),
)
