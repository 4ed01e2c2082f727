"""What belongs to a person and has no form of its own: names, dates of birth, addresses."""

from __future__ import annotations

import re
from datetime import date

from kb_pipeline.privacy.detection import Detector, Span, Trigger, fold, lowered, near
from kb_pipeline.privacy.detectors.addresses import find_addresses, normalise_address
from kb_pipeline.privacy.detectors.chinese_names import find_chinese_names
from kb_pipeline.privacy.detectors.english_names import find_english_names
from kb_pipeline.privacy.detectors.names_alone import find_names_alone
from kb_pipeline.privacy.detectors.western_names import CAPITAL

_HAN = "\u3400-\u9fff"
_CHINESE = re.compile(f"[{_HAN}]")


def find_names(text: str) -> list[Span]:
    """Chinese and English names by what stands beside them and by themselves."""
    chinese = find_chinese_names(text) if _CHINESE.search(text) else ()
    return [*chinese, *find_english_names(text), *find_names_alone(text)]


def normalise_name(value: str) -> str:
    """Without blanks for Chinese; lower case, single blanks for the rest."""
    text = fold(value)
    return "".join(text.split()) if _CHINESE.search(text) else " ".join(text.split()).lower()


# --- dates of birth ------------------------------------------------------------------------------------

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DATE = (
    r"(?:(?:18|19|20)\d\d ?(?:年 ?(?:1[0-2]|0?[1-9]) ?月(?: ?(?:3[01]|[12]\d|0?[1-9]) "
    r"?[日号])?|[-/.](?:1[0-2]|0?[1-9])(?:[-/.](?:3[01]|[12]\d|0?[1-9]))?"
    r"|(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9]))(?!\d)"
    r"|(?:3[01]|[12]\d|0?[1-9])[-/.](?:3[01]|[12]\d|0?[1-9])[-/.](?:19|20)\d\d(?!\d)"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? (?:3[01]|[12]\d"
    r"|0?[1-9])(?:st|nd|rd|th)?,? (?:19|20)\d\d"
    r"|(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?[ -](?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug"
    r"|sep|oct|nov|dec)[a-z]{0,6}\.?,?[ -](?:19|20)\d\d)"
)
_BIRTH_LABEL = re.compile(
    r"(?:出生年月日?|出生日期|出生时间|出生于|生日|诞辰|(?<![发产诞])生于|出生|date of birth|birth ?date"
    r"|birthday|d\.?o\.?b\.?|born(?: on| in)?)"
    rf"(?:\([^()\n]{{1,10}}\))?[\"']?(?:\s?(?:is|was|是|为))?\s{{0,2}}[:|]?\s{{0,2}}[\"']?(?P<date>{_DATE})"
)
_DATE_OF_BIRTH = re.compile(rf"(?P<date>{_DATE}) ?(?:出生|生人|诞生|生(?=[,;)]))")
_BORN_BEHIND = re.compile("出生|生人|诞生|生[,;)]")


def find_birth_dates(text: str) -> list[Span]:
    """Dates in the usual Chinese and English forms beside a word for birth."""
    lower = lowered(text)
    spans = [Span(*match.span("date"), 0.75) for match in _BIRTH_LABEL.finditer(lower)]
    born_behind = near(_DATE_OF_BIRTH, lower, _BORN_BEHIND.finditer(text), 40, 2)
    return spans + [Span(*match.span("date"), 0.75) for match in born_behind]


def normalise_date(value: str) -> str:
    """ISO 8601 as far as the value goes: 1990-05-17, 1990-05. Day and month of 5/6/1990 are read as in English (UK)."""
    text = fold(value).lower()
    month = next((index for index, name in enumerate(_MONTHS, 1) if name in text), None)
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    if len(numbers) == 1 and numbers[0] > 9999:
        numbers = [numbers[0] // 10000, numbers[0] // 100 % 100, numbers[0] % 100]
    if month is not None:
        numbers = [max(numbers), month, min(numbers)]
    elif numbers[-1] > 1000:
        numbers = numbers[::-1]
        if len(numbers) == 3 and numbers[1] > 12:
            numbers[1], numbers[2] = numbers[2], numbers[1]
    try:
        return date(*numbers).isoformat() if len(numbers) == 3 else "-".join(f"{number:02}" for number in numbers)
    except ValueError:
        return "-".join(map(str, numbers))


PEOPLE = (
    Detector("PERSON", Trigger(pattern=re.compile(f"[{_HAN}{CAPITAL}]")), find_names, normalise_name),
    Detector(
        "DATE_OF_BIRTH", Trigger(("生", "诞辰", "birth", "dob", "d.o.b", "born")), find_birth_dates, normalise_date
    ),
    Detector(
        "ADDRESS",
        Trigger(
            ("址", "住", "坐落", "户", "号", "弄", "居", "addr", "resid", "live", "located at"),
            re.compile(r"\d[A-Za-z]{0,2}(?:,? |,?\s)[A-Z]|\b[FADP]PO A|[a-zß-ÿ.] \d"),
        ),
        find_addresses,
        normalise_address,
    ),
)
