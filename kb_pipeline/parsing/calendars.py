"""Calendars (iCalendar) -> a heading for each event, task or entry, and below it what is said of it as `name: value`.

A *property* is a line `NAME;PARAMETERS:value`; a long one goes on in lines that begin with a blank. Components without
text of people (time zones, alarms) are left out. https://www.rfc-editor.org/rfc/rfc5545
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.elements import Element
from kb_pipeline.parsing.encodings import decode_text
from kb_pipeline.parsing.html.reader import html_document
from kb_pipeline.parsing.parsed import ParsedDocument

_PROPERTY = re.compile(r'([A-Za-z0-9-]+)((?:;[^:;"]*(?:"[^"]*"[^:;"]*)*)*):(.*)', re.DOTALL)
_COMMON_NAME = re.compile(r';CN=(?:"([^"]*)"|([^;:"]*))', re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\;,nN])")
_HTML = re.compile(r"</?(?:html|p|br|b|i|u|a|ul|ol|li|div|span)\b[^<>]*>", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})\d{2}(Z)?)?")
_COMPONENTS = frozenset({"VEVENT", "VTODO", "VJOURNAL"})
_TIMES = {"DTSTART": "start", "DTEND": "end", "DUE": "due"}
_TEXTS = {"LOCATION": "location", "STATUS": "status", "CATEGORIES": "categories", "URL": "url", "RRULE": "repeats"}
_PEOPLE = {"ORGANIZER": "organizer", "ATTENDEE": "attendee"}
_UNTITLED = "Event"


@dataclass(slots=True)
class _Component:
    """`facts`: lines `name: value`; `texts`: what was written about it, at length."""

    title: str = ""
    facts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def read_calendar(data: bytes) -> ParsedDocument:
    """Raises MalformedDocument for what is no calendar."""
    text, encoding = decode_text(data)
    lines = re.sub(r"\r?\n[ \t]", "", text.replace("\r\r\n", "\r\n")).splitlines()
    if not any(line.strip().upper() == "BEGIN:VCALENDAR" for line in lines):
        raise MalformedDocument("The file holds no calendar although its name says so; export it again.")
    elements = tuple(element for component in _components(lines) for element in _elements(component))
    return ParsedDocument(elements, metadata={"encoding": encoding})


def _components(lines: list[str]) -> Iterator[_Component]:
    open_names: list[str] = []
    component = _Component()
    for line in lines:
        found = _PROPERTY.fullmatch(line)
        if found is None:
            continue
        name, parameters, value = found.group(1).upper(), found.group(2), found.group(3)
        if name == "BEGIN":
            open_names.append(value.strip().upper())
            if open_names[-1] in _COMPONENTS:
                component = _Component()
        elif name == "END":
            if open_names and open_names.pop() in _COMPONENTS:
                yield component
        elif open_names and open_names[-1] in _COMPONENTS:
            _add(component, name, parameters, value)


def _add(component: _Component, name: str, parameters: str, value: str) -> None:
    if name == "SUMMARY":
        component.title = " ".join(_unescaped(value).split())
    elif name in ("DESCRIPTION", "COMMENT"):
        component.texts.append(_unescaped(value).strip())
    elif name in _TIMES:
        component.facts.append(f"{_TIMES[name]}: {_time(value)}")
    elif name in _TEXTS and value.strip():
        component.facts.append(f"{_TEXTS[name]}: {' '.join(_unescaped(value).split())}")
    elif name in _PEOPLE:
        component.facts.append(f"{_PEOPLE[name]}: {_person(parameters, value)}")


def _elements(component: _Component) -> Iterator[Element]:
    if not (component.title or component.facts or component.texts):
        return
    yield Element("Title", component.title or _UNTITLED, heading_level=1)
    for fact in component.facts:
        yield Element("ListItem", fact)
    for text in component.texts:
        if _HTML.search(text):  # as some calendars on the web write what was said at length
            yield from map(_below_title, html_document(text, is_mail=True).elements)
        else:
            paragraphs = (paragraph.strip() for paragraph in re.split(r"\n\s*\n", text))
            yield from (Element("NarrativeText", paragraph) for paragraph in paragraphs if paragraph)


def _below_title(element: Element) -> Element:
    return replace(element, heading_level=element.heading_level + 1) if element.heading_level else element


def _time(value: str) -> str:
    found = _TIME.fullmatch(value.strip())
    if found is None:
        return value.strip()
    year, month, day, hour, minute, utc = found.groups()
    clock = f" {hour}:{minute}{' UTC' if utc else ''}" if hour else ""
    return f"{year}-{month}-{day}{clock}"


def _person(parameters: str, value: str) -> str:
    """A name where one is given, and the address."""
    address = re.sub(r"^mailto:", "", value.strip(), flags=re.IGNORECASE)
    named = _COMMON_NAME.search(parameters)
    name = (named.group(1) or named.group(2) or "").strip() if named else ""
    return f"{name} <{address}>" if name and name != address else address


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found.group(1) in "nN" else found.group(1), value)
