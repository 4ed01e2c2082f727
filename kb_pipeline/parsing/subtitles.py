"""Subtitles (WebVTT, SubRip) -> paragraphs of what is said, without numbers and times.

A *cue* is a text with the time for which it is shown. Cues run on in one paragraph until a sentence ends it or somebody
else speaks; a line that the next cue shows again, as captions that roll up do, is said once.
https://www.w3.org/TR/webvtt1/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.text import join_lines

_TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s*-->\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s([^<>]+)>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]*>|\{\\[^{}]*\}")
_ENDS = ".!?。！？…"
_LONGEST_PARAGRAPH = 400  # characters; what is said without a full stop is parted here


def read_subtitles(data: bytes) -> ParsedDocument:
    """Raises MalformedDocument where no cue is found."""
    text, encoding = decode_text(data)
    blocks = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n"))
    cues = [cue for block in blocks if (cue := _cue(block.split("\n"))) is not None]
    if not cues:
        raise MalformedDocument("The file holds no subtitles although its name says so; save it again.")
    said = [line for cue in cues for line in cue]
    elements = tuple(Element("NarrativeText", paragraph) for paragraph in _paragraphs(said))
    return ParsedDocument(elements, metadata={"encoding": encoding})


def _cue(lines: list[str]) -> list[tuple[str, str]] | None:
    """(speaker, line) of a block's cue; None for a block without one: a header, a note, a style."""
    times = next((number for number, line in enumerate(lines[:2]) if _TIMES.match(line)), None)
    if times is None:
        return None
    voice = ""
    found = []
    for line in lines[times + 1 :]:
        if speaker := _VOICE.search(line):
            voice = html.unescape(speaker.group(1)).strip()
        shown = " ".join(html.unescape(_TAG.sub("", line)).split())
        if shown:
            found.append((voice, shown))
    return found


def _paragraphs(said: list[tuple[str, str]]) -> Iterator[str]:
    lines: list[str] = []
    speaker = ""
    previous = ""
    for voice, line in said:
        if line == previous:
            continue
        previous = line
        is_full = bool(lines) and lines[-1][-1] in _ENDS and sum(map(len, lines)) >= _LONGEST_PARAGRAPH / 2
        if lines and (voice != speaker or is_full or sum(map(len, lines)) >= _LONGEST_PARAGRAPH):
            yield _spoken(speaker, lines)
            lines = []
        speaker = voice
        lines.append(line)
    if lines:
        yield _spoken(speaker, lines)


def _spoken(speaker: str, lines: list[str]) -> str:
    text = join_lines(lines)
    return f"{speaker}: {text}" if speaker else text
