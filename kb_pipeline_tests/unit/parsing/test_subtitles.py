"""Subtitles: what is said, without numbers and times."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.subtitles import read_subtitles

VTT = """WEBVTT - A talk

NOTE by the editor
not said

STYLE
::cue { color: red }

intro
00:00.000 --> 00:02.500 align:start
<v.loud Ann Lee>Welcome to the <b>quarterly</b>
review.</v>

00:00:02.500 --> 00:00:04.000
<v Bo>Thanks &amp; hello<00:00:03.000>.</v>
"""
SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,000\r\n<i>大家好</i>\r\n\r\n"
    "2\r\n00:00:02,000 --> 00:00:03,000\r\n{\\an8}欢迎来到年会。\r\n"
)


def texts(data: bytes) -> list[str]:
    return [element.text for element in read_subtitles(data).elements]


def test_speakers_begin_paragraphs_and_tags_are_no_text() -> None:
    assert texts(VTT.encode()) == ["Ann Lee: Welcome to the quarterly review.", "Bo: Thanks & hello."]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_cues_run_on_in_one_paragraph(encoding: str) -> None:
    assert texts(SRT.encode(encoding)) == ["大家好欢迎来到年会。"]


def test_a_line_that_rolls_up_is_said_once() -> None:
    cues = ("one", "one\ntwo", "two\nthree")
    data = "WEBVTT\n\n" + "\n\n".join(
        f"00:0{number}.000 --> 00:0{number}.900\n{cue}" for number, cue in enumerate(cues)
    )
    assert texts(data.encode()) == ["one two three"]


def test_a_long_talk_is_parted_at_its_sentences() -> None:
    cue = "This is a sentence of some forty letters."
    data = "WEBVTT\n\n" + "\n\n".join(f"00:00.000 --> 00:01.000\n{number} {cue}" for number in range(100))
    paragraphs = texts(data.encode())
    assert len(paragraphs) > 10
    assert all(paragraph.endswith(".") for paragraph in paragraphs)


def test_what_holds_no_cue_is_malformed() -> None:
    with pytest.raises(MalformedDocument, match="subtitles"):
        read_subtitles(b"nothing of the kind")
