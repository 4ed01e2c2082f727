"""What all detectors share: pure functions over strings, no library.

Terms
  detector  finds one entity type in a text, and makes equal values equal however they are written.
  folded    a text with full-width letters, digits and signs in ASCII, and with pseudonyms blanked out; one
            character for one, so that positions in the folded text are positions in the text.
  group     a run of digits; a *cluster* is groups with only spaces, dashes, line breaks or invisible
            characters between them. A number written in pieces is some neighbouring groups of a cluster.
  label     a word before a value that says what it is (手机, 卡号, 订单号, Order No.).
  trigger   something cheap to look for without which an entity cannot be in a text.

Python's word boundary takes Chinese characters for word characters, so boundaries are spelled out.
Every search is linear in the length of the text. Most of a text begins no value: a pattern whose first characters
are plain to see skips it many times faster than one that looks behind first, and so does one that is tried only
near something plain (`near`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from kb_pipeline.privacy.pseudonyms import PSEUDONYM

LABEL_WINDOW = 20  # characters before a value in which a label counts


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is personal data; `score` in (0, 1] decides between overlapping spans."""

    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Trigger:
    """One of `words` (lower case) or `pattern` is in every text that can hold an entity."""

    words: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def fires(self, text: str) -> bool:
        """Whether `text`, prepared, is worth a closer look. A substring is found many times faster than a pattern."""
        if self.words:
            lower = lowered(text)
            for word in self.words:  # a generator for `any` would take longer than the search
                if word in lower:
                    return True
        return self.pattern is not None and self.pattern.search(text) is not None


@dataclass(frozen=True, slots=True)
class Detector:
    """How one entity type is found in a folded text, and how equal values are made equal."""

    entity: str
    trigger: Trigger
    find: Callable[[str], list[Span]]
    normalise: Callable[[str], str]


@lru_cache(maxsize=1)
def _folding() -> dict[int, str]:
    digits = {
        code: str(unicodedata.digit(chr(code)))
        for code in (*range(0x80, 0x10000), *range(0x1D7CE, 0x1D800))
        if chr(code).isdecimal()
    }
    full_width = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    return full_width | digits | {ord("￥"): "¥", ord(CELL): "|"}


CELL = "\ue000"  # between two cells of a table; private use: never in a text that was cleaned
HIDDEN = "\ue001"  # what detectors see in place of a pseudonym
_FOLDABLE = re.compile("[^\x00-\x7f\u2010-\u203b\u3000-\u3020\u3400-\u9fff]")


def fold(text: str) -> str:
    """`text` with full-width letters, digits and signs in ASCII; the length stays."""
    if text.isascii() or not _FOLDABLE.search(text):
        return text
    return text.translate(_folding())


@lru_cache(maxsize=2)  # every detector asks for the same text
def prepared(text: str) -> str:
    """`text` as detectors see it: folded, pseudonyms blanked out; the length stays."""
    folded = fold(text)
    return PSEUDONYM.sub(lambda match: HIDDEN * len(match[0]), folded) if "<" in folded else folded


@lru_cache(maxsize=2)
def lowered(text: str) -> str:
    """`text` in lower case, letters that `re.IGNORECASE` takes for i and s, too; the length stays."""
    return text.replace("İ", "I").replace("ı", "i").replace("ſ", "s").lower()


_TO_SIMPLIFIED = str.maketrans(
    "電話機號證聯絡戶帳銀傳護車鎮區縣樓條單國門開關業員師長錢鄭陳張劉黃趙吳楊許馮鄧蕭葉蔣呂盧鐘鍾陸範賈鄒閻賀顧龔嚴賴湯龐顏莊聶魯謝蘇羅簡孫馬藍紀連歐韓溫駱譚"
    "萬饒闕陽龍韋麥華塗鮑練鄔繆籃齊應喬畢郵務職貨件費貸轉額總億圓貳參兩點時現臺廣東灣場鄉棟層險簽會醫診處記錄經紹審製編寫導學緊類別確認碼幣項責買賣銷聲權見證費誌陸雲為與將說對給讓來請從",
    "电话机号证联络户帐银传护车镇区县楼条单国门开关业员师长钱郑陈张刘黄赵吴杨许冯邓萧叶蒋吕卢钟钟陆范贾邹阎贺顾龚严赖汤庞颜庄聂鲁谢苏罗简孙马蓝纪连欧韩温骆谭"
    "万饶阙阳龙韦麦华涂鲍练邬缪篮齐应乔毕邮务职货件费贷转额总亿圆贰叁两点时现台广东湾场乡栋层险签会医诊处记录经绍审制编写导学紧类别确认码币项责买卖销声权见证费志陆云为与将说对给让来请从",
)
_TRADITIONAL = re.compile(f"[{''.join(map(chr, _TO_SIMPLIFIED))}]")


@lru_cache(maxsize=2)
def simplified(text: str) -> str:
    """`text` with the traditional characters of labels, places and surnames in simplified form; the length stays."""
    return text.translate(_TO_SIMPLIFIED) if not text.isascii() and _TRADITIONAL.search(text) else text


def begin(characters: str, not_after: str) -> str:
    """A pattern for one of `characters` with none of `not_after` before it."""
    return f"[{characters}](?<![{not_after}][{characters}])"


def near(
    pattern: re.Pattern[str], text: str, anchors: Iterable[re.Match[str]], before: int, after: int
) -> Iterator[re.Match[str]]:
    """What `pattern.finditer(text)` gives, where every match holds an anchor.

    A match begins at most `before` characters before the beginning of an anchor and ends, with what it looks ahead to,
    at most `after` characters behind the end of one.
    """
    low = high = 0
    for anchor in anchors:
        start = anchor.start() - before
        if start > high:
            yield from pattern.finditer(text, low, high)
            low = start
        high = anchor.end() + after
    yield from pattern.finditer(text, low, high)


_AT = re.compile("@")
_EMAIL_BEHIND = re.compile(r"(?:[<(]|[\"]?[,;|\t\ue000][\"]?\s?)[A-Za-z0-9._%+\-]{1,64}@")


def emails_behind(text: str) -> Iterator[re.Match[str]]:
    """E-mail addresses in brackets or in the next cell, as they stand behind names; a match begins with that sign."""
    return near(_EMAIL_BEHIND, text, _AT.finditer(text), 70, 0)


# Separators inside a number: blanks, line breaks, dashes of all kinds, and characters nobody sees.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
SEPARATOR = "[\\s\\-\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff·]"
_CLUSTER = re.compile(rf"[0-9]+(?:{SEPARATOR}{{1,3}}[0-9]+)*(?:{SEPARATOR}{{0,3}}[Xx](?![A-Za-z0-9]))?")
_GROUP = re.compile(r"[0-9]+[Xx]?|[Xx]")
LONG_NUMBER = re.compile(rf"\d(?:{SEPARATOR}{{0,3}}\d){{10}}")
DIGITS = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class _Cluster:
    """`groups`: where its groups are in `text`. `digits`: all of them, `offsets`: where each group begins among them.
    `breaks`: how many line breaks stand before each group."""

    text: str
    groups: Sequence[tuple[int, int]]
    digits: str
    offsets: Sequence[int]
    breaks: Sequence[int]

    @classmethod
    def of(cls, text: str, start: int, end: int) -> _Cluster:
        groups = [match.span() for match in _GROUP.finditer(text, start, end)]
        parts = [text[left:right] for left, right in groups]
        gaps = ["\n" in text[right:left] for (_, right), (left, _) in pairwise(groups)]
        return cls(
            text, groups, "".join(parts).upper(), [0, *accumulate(map(len, parts))], [0, *accumulate(gaps, initial=0)]
        )

    def may_go_on(self, first: int) -> bool:
        """Whether a number in pieces may begin with a group of a long row of figures: near its beginning, where a label
        may stand before it, at the beginning of a line, or between a blank and a dash."""
        (start, end), text = self.groups[first], self.text
        return (
            start - self.groups[0][0] <= LABEL_WINDOW
            or self.breaks[first] > self.breaks[first - 1]
            or (text[start - 1].isspace() and not text[end : end + 1].isspace())
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """The groups from `first` to `last` of a cluster: `number` is their digits."""

    cluster: _Cluster
    first: int
    last: int
    number: str

    @property
    def start(self) -> int:
        return self.cluster.groups[self.first][0]

    @property
    def end(self) -> int:
        return self.cluster.groups[self.last][1]

    @property
    def widths(self) -> tuple[int, ...]:
        """How many digits each group has."""
        return tuple(right - left for left, right in self.cluster.groups[self.first : self.last + 1])

    @property
    def separators(self) -> tuple[str, ...]:
        """What stands between the groups."""
        own = self.cluster.groups[self.first : self.last + 1]
        return tuple(self.cluster.text[left:right] for (_, left), (right, _) in pairwise(own))

    @property
    def whole(self) -> bool:
        """Whether the cluster has no other groups."""
        return self.first == 0 and self.last == len(self.cluster.groups) - 1

    @property
    def alone(self) -> bool:
        """Whether no other group is on the same line."""
        text, groups = self.cluster.text, self.cluster.groups
        before = text[groups[self.first - 1][1] : self.start] if self.first else "\n"
        after = text[self.end : groups[self.last + 1][0]] if self.last + 1 < len(groups) else "\n"
        return "\n" in before and "\n" in after


@lru_cache(maxsize=2)  # every detector of numbers asks for the same text
def _clusters(text: str) -> list[_Cluster]:
    """The clusters of `text` that are long enough for any number that `find_numbers` is asked for."""
    spans = (match.span() for match in _CLUSTER.finditer(text))
    return [_Cluster.of(text, start, end) for start, end in spans if end - start >= SHORTEST_NUMBER]


SHORTEST_NUMBER = 11  # digits
# A number is written in groups of three digits and more, if it does not stand digit by digit in a row of its own:
# a long row of smaller groups is figures.
_MOST_NARROW_GROUPS = 24
_NARROW = 2


def _candidates(text: str, shortest: int, longest: int, form: re.Pattern[str]) -> Iterator[list[Candidate]]:
    """For every group of every cluster: the candidates that begin there and have a `form`, the longest first."""
    for cluster in _clusters(text):
        offsets, breaks, groups = cluster.offsets, cluster.breaks, len(cluster.groups)
        figures = groups > _MOST_NARROW_GROUPS
        last = 0
        for first in range(groups):
            digit = offsets[first]
            if offsets[groups] - digit < shortest:
                break
            if figures and offsets[first + 1] - digit <= _NARROW:
                continue
            # Figures below each other are not a number that a line's end cut in two.
            last = max(last, first)
            joined = not figures or cluster.may_go_on(first)
            while (
                joined
                and last + 1 < groups
                and offsets[last + 2] - digit <= longest
                and breaks[last + 1] - breaks[first] < 2
            ):
                last += 1
            found = []
            for end in range(last if joined else first, first - 1, -1):
                if offsets[end + 1] - digit < shortest:
                    break
                if offsets[end + 1] - digit <= longest and form.fullmatch(cluster.digits, digit, offsets[end + 1]):
                    found.append(Candidate(cluster, first, end, cluster.digits[digit : offsets[end + 1]]))
            if found:
                yield found


def find_numbers(
    text: str,
    shortest: int,
    longest: int,
    form: re.Pattern[str],
    score_of: Callable[[str, Candidate], tuple[int, float]],
) -> list[Span]:
    """Disjoint spans, left to right. `form`: what the digits of such a number match. `score_of` gives the start of the
    span and its score, 0 for no."""
    spans: list[Span] = []
    done = 0
    for candidates in _candidates(text, shortest, longest, form):
        for candidate in candidates:
            if candidate.start < done:
                break
            start, score = score_of(text, candidate)
            if score:
                spans.append(Span(start, candidate.end, score))
                done = candidate.end
                break
    return spans


_NO_LABEL = re.compile(rf"[\d\s,.;|\"'(){HIDDEN}-]*")  # a row of numbers, where looking for words takes long


def labelled(text: str, start: int, labels: re.Pattern[str], window: int = LABEL_WINDOW) -> str | None:
    """The kind (a group name of `labels`) of the last label in the window before `start`."""
    kind = None
    first = max(0, start - window)
    if _NO_LABEL.fullmatch(text, first, start):
        return None
    for match in labels.finditer(text, first, start):
        kind = match.lastgroup
    return kind


def joined_at_line_end(candidate: Candidate) -> bool:
    """A number that only a line break or invisible characters interrupt, with no other number beside it."""
    invisible = all(not s.strip(INVISIBLE) for s in candidate.separators)
    line_break = len(candidate.separators) == 1 and "\n" in candidate.separators[0]
    return candidate.whole and (invisible or line_break)


def digits_of(value: str) -> str:
    """The digits of `value`, whatever stands between them."""
    return "".join(DIGITS.findall(fold(value)))


def compact(value: str) -> str:
    """Upper case, nothing but letters, digits and Chinese: how most codes are made equal."""
    return "".join(filter(str.isalnum, fold(value))).upper()


# An ASCII word; (?<!…) and (?!…) because \b sees no boundary between a letter and a Chinese character.
WORD_START, WORD_END = "(?<![A-Za-z0-9_])", "(?![A-Za-z0-9_])"

OTHER_NUMBER = (
    r"单号|流水|编号|运单|序列号|合同号|条码|条形码|货号|料号|工号|学号|税号|批号|机号"
    # What a sentence is about says nothing of a number further on: 快递签收人：王芳（13800138000）.
    r"|(?:订单|会话|快递|发票|批次|凭证)(?:\s?(?:单?号码?|编号|代?码|id|no)|(?=\s?[:#是为(]?\s?(?:\d|\Z)))"
    r"|(?<![A-Za-z_])(?:order|invoice|tracking|serial|ref|isbn|imei|sku|ticket|batch|part|lot|s/n|sn)(?:[_ ]?"
    r"(?:id|no|num|number|code))?(?![A-Za-z_])"
)
