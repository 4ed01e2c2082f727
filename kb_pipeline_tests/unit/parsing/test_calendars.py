"""Calendars: a heading for each event, and what is said of it."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.calendars import read_calendar

CALENDAR = r"""BEGIN:VCALENDAR
PRODID:-//x//y
BEGIN:VTIMEZONE
TZID:Asia/Shanghai
COMMENT:no text
END:VTIMEZONE
BEGIN:VEVENT
DTSTART;TZID=Asia/Shanghai:20260105T093000
DTEND:20260105T020000Z
SUMMARY:预算评审\, 第二轮
LOCATION:Room 3\; east
ORGANIZER;CN="Lee: Ann";ROLE=CHAIR:mailto:ann@example.com
ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:bo@example.com
DESCRIPTION:Bring the figures.\n\nThe long line of this description goes
  on here.
BEGIN:VALARM
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
BEGIN:VTODO
DUE;VALUE=DATE:20260201
SUMMARY:Report
END:VTODO
END:VCALENDAR
"""
FACTS = [
    "start: 2026-01-05 09:30",
    "end: 2026-01-05 02:00 UTC",
    "location: Room 3; east",
    "organizer: Lee: Ann <ann@example.com>",
    "attendee: bo@example.com",
]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_events_and_tasks_are_sections(line_end: str) -> None:
    elements = read_calendar(CALENDAR.replace("\n", line_end).encode()).elements
    assert [(element.category, element.text) for element in elements] == [
        ("Title", "预算评审, 第二轮"),
        *(("ListItem", fact) for fact in FACTS),
        ("NarrativeText", "Bring the figures."),
        ("NarrativeText", "The long line of this description goes on here."),
        ("Title", "Report"),
        ("ListItem", "due: 2026-02-01"),
    ]


def test_a_description_may_be_a_page() -> None:
    data = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDESCRIPTION:<h1>Plan</h1><p>First.<br>Then.</p>\nEND:VEVENT\nEND:VCALENDAR"
    assert [(element.text, element.heading_level) for element in read_calendar(data).elements] == [
        ("Event", 1),
        ("Plan", 2),
        ("First.\nThen.", None),
    ]


def test_what_is_no_calendar_is_malformed() -> None:
    with pytest.raises(MalformedDocument, match="calendar"):
        read_calendar(b"a note")
