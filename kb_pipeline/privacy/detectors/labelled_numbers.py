"""What identifies somebody only because its label says so: numbers of papers, cards, vehicles, devices of any country.

Such a number has no form to be known by. Behind its label it is whatever looks like a code and is no date. Behind these
labels and those of telephones a number may also be spelled in Chinese digits, or hold letters that a scan or a hand put
in place of digits.
"""

from __future__ import annotations

import re

from kb_pipeline.privacy.detection import Detector, Span, Trigger, compact, lowered, near, simplified

_PAPERS = "身份证|居民证|居留证|统一证|护照|驾驶证|驾照|军官证|士兵证|警官证|台胞证|回乡证|学生证"
_COUNTED = "证件|医保|社保|社会保障|病历|病案|门诊|住院|就诊|车架|车辆识别|发动机"  # only with a word for number
_ENGLISH = (
    r"passport|hkid|identity (?:card|document)|id card|national id|driver'?s? licen[cs]e|medical record|health card"
    r"|vin|imei|mac(?: addr(?:ess)?)?"
)
_PHONES = "电话|手机|固话|联系方式|传真|phone|mobile|tel"
_NUMBER = "(?:卡|电脑|识别|代)?(?:号码|字号|编号|证号|号|码)"
_BEFORE = r"(?:\([^()\n]{1,12}\))?[\"']?\s?(?:[:|\ue000=#]|是|为)?\s{0,2}[\"']?"
_CODE = re.compile(r"(?:军?字?第)?(?P<code>[a-z0-9](?:[a-z0-9]|[-/:.](?=[a-z0-9])| (?=\d)){4,30}(?: ?\([0-9a]\))?)")
_PAPER = re.compile(  # over text in lower case
    rf"(?:(?:{_PAPERS})(?:{_NUMBER})?|(?:{_COUNTED}){_NUMBER}|(?<![a-z])(?:{_ENGLISH})(?: (?:no\.?|number)(?=[\s:])"
    rf"|(?=\s?[:=|\ue000])|地址)){_BEFORE}"
)
_PHONE = re.compile(rf"(?:{_PHONES})(?:{_NUMBER})?{_BEFORE}")
_ANCHOR = re.compile(rf"{_PAPERS}|{_COUNTED}|{_PHONES}|{_ENGLISH}")
_FEWEST_CHARACTERS, _FEWEST_DIGITS = 7, 2
_DATE = re.compile(r"(?:19|20)\d\d[-/.]?(?:1[0-2]|0?[1-9])(?:[-/.]?(?:3[01]|[12]\d|0?[1-9]))?(?!\d)")
_SPELLED_DIGITS, _MEANT = "零〇○一二三四五六七八九壹贰叁肆伍陆柒捌玖幺两", "00012345678912345678912"
_SPELLED = re.compile(rf"[{_SPELLED_DIGITS}](?:[ -]?[{_SPELLED_DIGITS}]){{6,18}}")
_MISREAD = re.compile(r"[0-9olizsb](?:[ -]?[0-9olizsb]){6,18}(?![a-z0-9])")
_TO_DIGITS = str.maketrans(_SPELLED_DIGITS, _MEANT)


def find_labelled_numbers(text: str) -> list[Span]:
    lower = simplified(lowered(text))
    anchors = list(_ANCHOR.finditer(lower))
    spans = []
    for label in near(_PAPER, lower, anchors, 0, 60):
        code = _CODE.match(lower, label.end())
        if code and _is_code(code["code"]):
            spans.append(Span(*code.span("code"), 0.6))
        elif spelled := _SPELLED.match(lower, label.end()):
            spans.append(Span(*spelled.span(), 0.6))
    for label in near(_PHONE, lower, anchors, 0, 60):
        number = _SPELLED.match(lower, label.end()) or _MISREAD.match(lower, label.end())
        if number and 2 * sum(map(str.isdecimal, number[0].translate(_TO_DIGITS))) > len(number[0]):
            spans.append(Span(*number.span(), 0.6))
    return spans


def _is_code(code: str) -> bool:
    digits = sum(map(str.isdecimal, code))
    return len(compact(code)) >= _FEWEST_CHARACTERS and digits >= _FEWEST_DIGITS and _DATE.match(code) is None


def normalise_labelled_number(value: str) -> str:
    """Letters and digits in one case, whatever stands between them and however its digits are written."""
    return compact(value.translate(_TO_DIGITS))


LABELLED_NUMBERS = (
    Detector("ID_NUMBER", Trigger(pattern=re.compile(_ANCHOR.pattern, re.IGNORECASE)), find_labelled_numbers,
             normalise_labelled_number),
)  # fmt: skip
