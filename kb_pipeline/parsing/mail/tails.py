"""What a message quotes or repeats: earlier messages, signatures, disclaimers.

Works on the lines of a message and says which of them to leave out, so that plain text and HTML are treated alike.
A forwarded message is content. A message that is all quotation keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

QUOTED = "quoted message"
SIGNATURE = "e-mail signature"
DISCLAIMER = "e-mail disclaimer"

_RULE = re.compile(
    r"\s*-{2,}\s*(?:Original (?:Message|Appointment)|Reply Message|原始邮件|原始郵件|邮件原件|回复的?原?邮件|"
    r"Ursprüngliche Nachricht|Message d'origine|Mensaje original)\s*-{2,}\s*",
    re.IGNORECASE,
)
_FORWARD = re.compile(
    r"\s*(?:-{2,}\s*)?(?:Forwarded message|Begin forwarded message|转发的?邮件(?:信息)?|轉寄郵件)\s*:?\s*-*\s*",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"(?:On\s.{6,250}\swrote|(?:在|于|於)?\s?.{4,250}(?:写道|寫道|來信寫道)|Am\s.{6,250}\sschrieb.{0,80}"
    r"|Le\s.{6,250}\sa écrit)\s*[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION_DATE = re.compile(r"\d{1,4}[-/.年]\d{1,2}|\d{1,2}:\d{2}|@|\b(?:19|20)\d\d\b")
_FROM = re.compile(r"\s*[*]?(?:From|发件人|寄件者|寄件人|Von|De)\s?[*]?\s?[:：]", re.IGNORECASE)
_OTHER_HEADER = re.compile(
    r"\s*[*]?(?:Sent|Date|To|Subject|发送时间|发送日期|日期|时间|收件人|收件者|主题|主旨|抄送|Gesendet|An|Betreff)"
    r"\s?[*]?\s?[:：]",
    re.IGNORECASE,
)
_HEADERS_WITHIN = 6  # lines after From: in which two others follow
_SIGNATURE_MARK = re.compile(r"--\s?")
_SENT_FROM = re.compile(
    r"\s*(?:Sent from (?:my|Mail|Outlook|Yahoo)\b.{0,60}|Get Outlook for \w+.{0,60}|(?:发自|發自|来自)我的.{1,40}"
    r"|从我的.{1,20}发送|发送自.{1,40})",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r"\W{0,5}(?:CONFIDENTIALITY NOT(?:IC)?E|DISCLAIMER\b|LEGAL NOTICE|免责声明|保密声明"
    r"|This (?:e-?mail|message|communication)\b.{0,120}\b(?:confidential|intended (?:only|solely)|privileged)"
    r"|(?:本|此)(?:电子)?(?:邮件|郵件).{0,40}(?:保密|机密|機密|仅供|仅限))",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_SIGNATURE = 20  # lines that are not blank; more after "-- " is text


@dataclass(frozen=True, slots=True)
class Cut:
    """Lines [start, end) and why they are left out."""

    start: int
    end: int
    reason: str


def tails(lines: Sequence[str]) -> list[Cut]:
    """What to leave out, in order; nothing where nothing else would be left."""
    cuts = list(_quotations(lines))
    own = list(lines)
    for cut in cuts:
        own[cut.start : cut.end] = [""] * (cut.end - cut.start)
    end = min((cut.start for cut in cuts if cut.end == len(lines)), default=len(lines))
    cuts += [cut for cut in (*_trailing_quotation(own), *_signature(own, end)) if cut.start < end]
    cuts.sort(key=lambda cut: cut.start)
    covered = {i for cut in cuts for i in range(cut.start, cut.end)}
    if all(i in covered or not line.strip() for i, line in enumerate(lines)):
        return [cut for cut in cuts if cut.reason == DISCLAIMER and cut.start > 0]
    return cuts


def _quotations(lines: Sequence[str]) -> Iterator[Cut]:
    end = len(lines)
    index = 0
    is_forward = False
    while index < end:
        line = lines[index]
        if _FORWARD.fullmatch(line):
            is_forward = True  # its headers belong to it
        elif _RULE.fullmatch(line) or (not is_forward and _is_header_block(lines, index)):
            yield Cut(index, end, QUOTED)
            return
        attribution = _attribution_end(lines, index)
        if attribution is not None:
            stop = _quotation_end(lines, attribution)
            if stop is None:
                yield Cut(index, end, QUOTED)
                return
            yield Cut(index, stop, QUOTED)
            index = stop
            continue
        index += 1


def _is_header_block(lines: Sequence[str], index: int) -> bool:
    """The copied headers of an earlier message: From: and two more right after it."""
    if not _FROM.match(lines[index]):
        return False
    following = [line for line in lines[index + 1 : index + 1 + _HEADERS_WITHIN] if line.strip()]
    return sum(bool(_OTHER_HEADER.match(line)) for line in following) >= 2


def _attribution_end(lines: Sequence[str], index: int) -> int | None:
    """The line after `On …, … wrote:`, which may be wrapped onto a second and a third line."""
    text = ""
    for offset in range(3):
        if index + offset >= len(lines) or (offset and not lines[index + offset].strip()):
            return None
        text = f"{text} {lines[index + offset].strip()}".strip()
        if _ATTRIBUTION.fullmatch(text):
            return index + offset + 1 if _ATTRIBUTION_DATE.search(text) else None
        if len(text) > 300 or text[-1:] in (":", "：") or not text:
            return None
    return None


def _quotation_end(lines: Sequence[str], index: int) -> int | None:
    """Where the `>` lines end; None where the quotation is not marked, so that it reaches to the end."""
    start = index
    while start < len(lines) and not lines[start].strip():
        start += 1
    if start >= len(lines) or not lines[start].lstrip().startswith(">"):
        return None
    while start < len(lines) and (lines[start].lstrip().startswith(">") or not lines[start].strip()):
        start += 1
    return start


def _trailing_quotation(lines: Sequence[str]) -> Iterator[Cut]:
    end = len(lines)
    start = end
    while start and (lines[start - 1].lstrip().startswith(">") or not lines[start - 1].strip()):
        start -= 1
    if any(line.strip() for line in lines[start:end]):
        yield Cut(start, end, QUOTED)


def _signature(lines: Sequence[str], end: int) -> Iterator[Cut]:
    """The signature, the line that a telephone adds, and a disclaimer, among the last of the lines before `end`."""
    below = 0  # lines that are not blank
    for index in range(end - 1, -1, -1):
        line = lines[index]
        if _SIGNATURE_MARK.fullmatch(line):
            yield Cut(index, end, SIGNATURE)
            return
        below += bool(line.strip())
        if below > _LONGEST_SIGNATURE:
            break
    filled = [index for index in range(end) if lines[index].strip()]
    for index in filled[-3:]:
        if _SENT_FROM.fullmatch(lines[index]):
            yield Cut(index, index + 1, SIGNATURE)
    for index in filled[-_LONGEST_SIGNATURE:]:
        if _DISCLAIMER.match(lines[index]):
            yield Cut(index, end, DISCLAIMER)
            return
