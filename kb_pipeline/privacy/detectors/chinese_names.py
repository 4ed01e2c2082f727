"""Chinese names by their odds and by what stands beside them; no model.

A name is a surname with one or two more characters (`chinese_words` gives its odds), or names of other languages
joined by dots (阿卜杜拉·买买提). Where the odds are clear it needs nothing beside it. Where they are not, something
beside it has to speak for a person: a role or a title (记者, 先生), what only people do (表示), what belongs to a
person (a sex, a mobile number), a line or cell of its own, another name in a list. Behind a label that says so (姓名：)
whatever stands there is a name. A surname alone needs a title behind it (王经理).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from kb_pipeline.privacy import data
from kb_pipeline.privacy.detection import Span
from kb_pipeline.privacy.detectors.chinese_words import (
    ADJECTIVE_PENALTY,
    described_places,
    is_word,
    no_names,
    possible_names,
    surname_odds,
    surname_of,
    words,
)

_HAN = "\u3400-\u9fff"
_NO_HAN = f"(?![{_HAN}])"
_SURE, _LIKELY = 0.6, 0.55

BY_ITSELF = 4.5  # odds from which a name needs nothing beside it
BESIDE = 0.0  # odds from which it is one where something beside it speaks for a person

# --- what speaks for a person --------------------------------------------------------------------------


def _any_of(*names: str) -> str:
    """A pattern for the entries of some lists, a longer one before what it begins with."""
    entries = {entry for name in names for entry in data.lines(name)}
    return "|".join(sorted(entries, key=len, reverse=True))


_TITLES = _any_of("chinese_titles")
_POLITE = "先生|女士|小姐|太太|阿姨|同志|同学|夫妇|夫人"
# Behind 先生 a colon begins what is said of him, not his name.
_BEFORE = re.compile(rf"(?:(?:{_any_of('chinese_titles', 'chinese_roles')}):?|(?:{_POLITE}))[\s\"“]{{0,2}}\Z")
_BEFORE_WINDOW = 8
_TAKES_OFFICE = (
    r"任(?!何|意|务|期|命|性|免)|为(?=[\u3400-\u9fff]{0,8}(?:长|员|主任|经理|人|代表|主席|书记))|摄影?(?![氏像])"
)
# What belongs to somebody: a sex, a telephone number, an identity card, an e-mail address.
_BELONGS = (
    rf"[,、;:(\s\"'|/\ue000]{{0,3}}(?:[男女](?:{_NO_HAN}|(?=[汉回满壮苗]族|博士|硕士|本科|大专))"
    r"|\(?(?:\+?86)?\)?[ -]?1[3-9]\d[ .-]?\d{4}[ .-]?\d{4}(?!\d)|\d{17}[\dXx](?!\d)"
    r"|公民身份|身份证|护照|工号|学号|手机(?!银行))"
    r"|[\"”']? ?(?:[<(]|[,;|\t\ue000]\s?)[A-Za-z0-9._%+\-]{1,64}@"
)
_BEHIND = re.compile(
    rf"[”\"]?\s?(?:(?:{_TITLES})(?![们级])|(?:{_POLITE})(?![们口])|{_any_of('chinese_deeds')}|{_TAKES_OFFICE})"
    rf"|{_BELONGS}|,? ?[你您]好|[总工](?=[,:。!?\s]|\Z)"
)
_LINE_BEGINS = re.compile(r"(?:\A|[\n\ue000(]|\d:\d\d[\])]?)[ \t\"“]{0,4}\Z")
_LINE_ENDS = re.compile(r"[ \t\"”]{0,4}(?:\Z|[\n\ue000):]|\([^()\n]{1,12}\):|[ \t]{1,4}\d{1,2}:\d\d)")
# A place, a firm or a thing named after somebody: no name by itself.
_PLACE = "路道街巷区县市镇乡村庄屯沟湖坡矿桥塘河湾坝岭寨屋堡港岛寺庙塔关泉坪洲集店铺郡社"
# 张建国银行卡 is his card.
_FIRM = (
    "公司|集团|股份|控股|(?:商业)?银行(?![卡账帐流存贷开转])|[支分]行|基金(?!经理)|证券|保险(?![单箱柜费理])|信托|期货"
)
_NAMED = re.compile(
    rf"[{_PLACE}省]|山脉|{_FIRM}|大学|中学|小学|医院|派出所|检察院|法院|地区|机场|车站|》|氏"
    r"|跨[海江河湖]|特?大桥|隧道|[水航通]道|海峡"
)
_NAMES_A_FIRM = re.compile(_FIRM)
# In quotes, a few characters without a sign between them are what something is called: 台风“杜苏芮”, “四梁八柱”.
_MOST_QUOTED = 6
_QUOTED = re.compile(rf"“[{_HAN}]{{1,{_MOST_QUOTED}}}(?=”)")
_LIST = re.compile(r"(?:\([^()\n]{1,8}\))?\s?(?:[、,;和与及\s]|以及)\s?")

# --- labels --------------------------------------------------------------------------------------------

_LABELLED = -4.0  # odds from which what stands behind a label for people is a name
# Behind one of these anything is a name: 姓名：李向东.
_NAME_LABEL = r"姓\s{0,4}名|名字"
# Behind one of these stands a person, if not an institution or a word: 联系人：李向东, 出席：李明、陈晨.
_PERSON_LABEL = r"人|员|医师|医生|讲师|教师|导师|记者|作者|患者|name|户\s{0,4}名"
_LABEL = re.compile(
    rf"(?:(?P<name>{_NAME_LABEL})|(?P<person>{_PERSON_LABEL})"
    rf"|{_any_of('chinese_titles', 'chinese_roles', 'chinese_labels')}|[甲乙丙]\s{{0,2}}方)"
    r"(?:\([^()\n]{1,8}\))?[\"'”]?\s{0,2}\Z",
    re.IGNORECASE,
)
_LABEL_WINDOW = 22
_AFTER_LABEL = re.compile(r"(?:[:|\ue000]|=>?)\s{0,2}[\"'“]?")
_RUN = re.compile(rf"[{_HAN}]+(?:[·•.][{_HAN}]+)*")
_SPACED_NAME = re.compile(rf"[{_HAN}]\s{{1,4}}[{_HAN}]{_NO_HAN}")
_MORE = re.compile(r"\s?[、,;/ ]\s?")
_MOST_LISTED = 40
_LONGEST_NAME = 6  # characters of a name without dots behind a label for names
_NOBODY = frozenset(
    (
        *(
            "待定",
            "待补",
            "同上",
            "不详",
            "保密",
            "匿名",
            "暂无",
            "未知",
            "未填",
            "未定",
            "无",
            "略",
            "签字",
            "签名",
            "盖章",
        ),
        *("性别", "年龄", "部门", "职务", "职位", "电话", "手机", "单位", "地址", "备注", "日期", "时间"),
    )
)
_NOBODY_ENDS = (
    *("公司", "集团", "单位", "部门", "委员会", "办公室", "中心", "银行", "支行", "医院"),
    *("大学", "学院", "学校", "协会", "法院", "政府", "人员"),
    *"部处科组局所厅院厂店社队",
)
# Names of other languages: some of the characters that those are written with, in parts joined by dots.
_FOREIGN = "".join(data.lines("transliteration_characters"))
_DOTTED = re.compile(rf"[{_FOREIGN}]{{1,8}}[·•][{_FOREIGN}]{{1,10}}(?:[·•][{_FOREIGN}]{{1,10}}){{0,3}}")
_UNDOTTED = re.compile(rf"[{_FOREIGN}]{{3,8}}")
_TITLE = re.compile(  # the first condition spares other letters all the words
    rf"(?=[{_HAN}])(?:(?P<polite>(?:{_POLITE}|某)(?![们口些种个]))|(?:{_TITLES})(?![们级])|[总工](?=[,:。!?\s您你]|\Z))"
)
# Of a surname alone: how much oftener it is a surname than another word (向, 公, 国).
_POLITE_ODDS, _TITLE_ODDS = -1.0, 2.0
_COLONS = re.compile("[:|\ue000=]")


def find_chinese_names(text: str) -> Iterator[Span]:
    """Names behind a label, by their odds, by what stands beside them, and surnames before a title."""
    possible = {start: (end, odds) for start, end, odds in possible_names(text)}
    yield from _labelled_names(text, possible)
    yield from _likely_names(text, possible)
    yield from _foreign_names(text)
    yield from _titled_surnames(text)


# --- by odds -------------------------------------------------------------------------------------------


def _likely_names(text: str, possible: dict[int, tuple[int, float]]) -> Iterator[Span]:
    """张建国 by itself; 张法 beside something that speaks for a person; each of a list with one of them in it."""
    found: dict[int, int] = {}
    unsure: list[tuple[int, int]] = []
    least: dict[str, float] = {}  # what speaks against a name in one place does so in all
    described = described_places(text)
    for start, (end, odds) in possible.items():
        name = text[start:end]
        least[name] = min(odds - ADJECTIVE_PENALTY * (start in described), least.get(name, odds))
    done = 0
    for start, (end, odds) in possible.items():
        if odds <= BESIDE or start < done:
            continue
        if (least[text[start:end]] > BY_ITSELF and not _is_named_after(text, start, end)) or _speaks_for_a_person(
            text, start, end
        ):
            found[start] = done = end
        else:
            unsure.append((start, end))
    ends = {end: start for start, end in found.items()}
    for start, end in (*unsure, *reversed(unsure)):
        if start not in found and _is_listed(text, start, end, found, ends):
            found[start] = end
            ends[end] = start
    certain = {text[start:end] for start, end in found.items()}
    found |= {start: end for start, end in unsure if text[start:end] in certain}
    for start, end in found.items():
        yield Span(start, end, _LIKELY)


def _is_named_after(text: str, start: int, end: int) -> bool:
    """Whether a name is one of a place or a thing, or part of it: 李家沟, 田庄乡, 《孙子兵法》, 台风“杜苏芮”."""
    quote = text.rfind("“", max(0, start - _MOST_QUOTED), start)
    quoted = quote >= 0 and (term := _QUOTED.match(text, quote)) is not None and end <= term.end()
    part = text[start - 1 : start] in ("《", "·") or _NAMED.match(text, end) is not None
    return quoted or part or text[end - 1] in _PLACE


def _speaks_for_a_person(text: str, start: int, end: int) -> bool:
    before = max(0, start - _BEFORE_WINDOW)
    return (
        (_BEFORE.search(text, before, start) is not None and _NAMES_A_FIRM.match(text, end) is None)
        or _BEHIND.match(text, end) is not None
        or (_LINE_BEGINS.search(text, before, start) is not None and _LINE_ENDS.match(text, end) is not None)
    )


def _is_listed(text: str, start: int, end: int, found: dict[int, int], ends: dict[int, int]) -> bool:
    """Whether the next or the previous of a list is a name: 姚旭、白丽."""
    behind = _LIST.match(text, end)
    if behind and behind.end() in found:
        return True
    before = start - 1
    while before > start - 4 and before > 0 and text[before] in " 、,;和与及":
        before -= 1
    return before < start - 1 and before + 1 in ends


# --- behind a label ------------------------------------------------------------------------------------


def _labelled_names(text: str, possible: dict[int, tuple[int, float]]) -> Iterator[Span]:
    """姓名：买买提, 出席：李明、陈晨, "name": "王有为"."""
    for sign in _COLONS.finditer(text):
        separator = _AFTER_LABEL.match(text, sign.start())
        if separator is None or not "\u3400" <= text[separator.end() : separator.end() + 1] <= "\u9fff":
            continue
        label = _LABEL.search(text, max(0, sign.start() - _LABEL_WINDOW), sign.start())
        if label is None:
            continue
        kind = "other" if label.lastgroup is None or sign[0] == "\ue000" else label.lastgroup
        place = separator.end()
        for _ in range(_MOST_LISTED):
            end = _end_of_name(text, place, kind, possible)
            if end is None:
                break
            yield Span(place, end, _SURE)
            more = _MORE.match(text, end)
            if more is None:
                break
            place, kind = more.end(), "other"


def _end_of_name(text: str, start: int, kind: str, possible: dict[int, tuple[int, float]]) -> int | None:
    """Where the name that begins at `start` ends; None when there is none."""
    run = _RUN.match(text, start)
    if run is None:
        return None
    name, end = run[0], run.end()
    if name in _NOBODY or name.startswith("各") or name.endswith(_NOBODY_ENDS):
        return None
    if any(dot in name for dot in "·•."):
        return end
    spaced = _SPACED_NAME.match(text, start)
    if spaced and surname_of(name):
        return spaced.end()
    whole = 1 < len(name) <= _LONGEST_NAME and text[end : end + 1] not in (":", "|")
    likely, odds = possible.get(start, (start, 0.0))
    part_of_whole = whole and kind == "name" and not _begins_with_word(text, likely, end)
    if likely > start and odds > _LABELLED and not part_of_whole:
        return likely
    if whole and (kind == "name" or (kind == "person" and not any(map(is_word, _long_words(name))))):
        return end
    return None


def _begins_with_word(text: str, start: int, end: int) -> bool:
    """Whether what is left of a run of characters begins with a word: 先生 of 李向东先生, but not 尔 of 古丽娜尔."""
    return start < end and len(words(text[start:end])[0]) > 1


def _long_words(name: str) -> list[str]:
    return [word for word in words(name) if len(word) > 1]


# --- names of other languages, surnames alone ----------------------------------------------------------


def _foreign_names(text: str) -> Iterator[Span]:
    """阿卜杜拉·买买提; 克林顿 beside what speaks for a person. From where a word begins."""
    begins, ends = _borders(text)
    for match in _DOTTED.finditer(text):
        start = next((place for place in range(match.start(), match.end()) if place in begins), match.start())
        if any(dot in text[start : match.end()] for dot in "·•"):
            yield Span(start, match.end(), _LIKELY)
    for match in _UNDOTTED.finditer(text):
        start, end = match.span()
        whole = start in begins and end in ends and match[0] not in no_names()
        if whole and not any(map(is_word, _long_words(match[0]))) and _speaks_for_a_person(text, start, end):
            yield Span(start, end, _LIKELY)


@lru_cache(maxsize=2)
def _borders(text: str) -> tuple[frozenset[int], frozenset[int]]:
    """Where words begin and where they end."""
    ends = tuple(accumulate(map(len, words(text))))
    return frozenset((0, *ends)), frozenset(ends)


def _titled_surnames(text: str) -> Iterator[Span]:
    """王经理, 欧阳老师, 李工, where a word begins with the surname."""
    begins, _ = _borders(text)
    for title in _TITLE.finditer(text):
        end = title.start()
        least = _POLITE_ODDS if title["polite"] else _TITLE_ODDS
        for start in (end - 2, end - 1):
            whole = text[start : title.end()]
            bordered = start in begins and (end in begins or title.end() in begins)
            if bordered and surname_odds(text[start:end]) > least and not is_word(whole):
                yield Span(start, end, _LIKELY)
                break
