"""RTF -> elements: paragraphs, headings by style, outline level or looks, lists and tables.

Rich Text Format 1.9.1. A *destination* is a group whose text is not part of the body: font table, header,
picture, … A group starts with the properties of the group around it and gives them back at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kb_pipeline.errors import MalformedDocument
from kb_pipeline.parsing.elements import DroppedText, Element
from kb_pipeline.parsing.encodings import has_control_characters
from kb_pipeline.parsing.html.blocks import Block, Look
from kb_pipeline.parsing.html.headings import with_headings
from kb_pipeline.parsing.parsed import ParsedDocument
from kb_pipeline.parsing.rtf_words import (
    AROUND_SPOKEN,
    CHARACTERS,
    CODEPAGES,
    DESTINATIONS,
    ENDS,
    LISTED,
    MARKERS,
    SPOKEN,
    SYMBOLS,
    TOKEN,
    UNREAD,
    encoding_of_page,
)
from kb_pipeline.parsing.tables import table_element

_HEADING_STYLE = re.compile(r"(?:heading|标题|標題|überschrift|titre)\s*([1-9])", re.IGNORECASE)
_TITLE_STYLE = re.compile(r"title|标题|標題", re.IGNORECASE)
_INFO = {"title": "title", "author": "author", "subject": "subject", "keywords": "keywords"}
_BULLET_MARKER = re.compile(r"[•●▪■◆◇○·‣⁃o§–-]|[\uf000-\uf0ff]")
_DEEPEST = 6
_MOST_GROUPS = 10_000  # open at once; deeper nesting is damage or an attack


@dataclass(frozen=True, slots=True)
class _Properties:
    """What a group hands to the groups inside it."""

    destination: str = ""
    encoding: str = "cp1252"
    replaced: int = 1  # \\uc: how many characters stand in for a Unicode one
    bold: bool = False
    italic: bool = False
    hidden: bool = False
    deleted: bool = False
    size: float | None = None  # points


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """Properties of the paragraph that is being read."""

    style: int = 0
    outline: int | None = None
    in_table: bool = False
    centered: bool = False
    in_list: bool = False


@dataclass(slots=True)
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    row: list[str] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    has_header: bool = False


def read_rtf(data: bytes) -> ParsedDocument:
    """Raises MalformedDocument where the text is no text."""
    reader = _Reader(data.decode("latin-1"))
    reader.read()
    text = "".join(block.text for block in reader.blocks)
    if has_control_characters(text):
        raise MalformedDocument("The file cannot be read as RTF (no text in it); open it and save it again.")
    elements = tuple(
        Element(block.category, block.text, heading_level=block.level, html=block.html)
        for block in with_headings(reader.blocks)
    )
    return ParsedDocument(
        elements, tuple(reader.dropped), metadata=reader.metadata, source_characters=reader.characters
    )


class _Reader:
    def __init__(self, source: str) -> None:
        self.blocks: list[Block] = []
        self.dropped: list[DroppedText] = []
        self.metadata: dict[str, str] = {}
        self.characters = 0
        self._source = source
        self._groups: list[_Properties] = []
        self._now = _Properties()
        self._paragraph = _Paragraph()
        self._pieces: list[tuple[str, Look]] = []
        self._bytes = bytearray()  # text that waits to be decoded
        self._aside: dict[str, list[str]] = {}  # text of each destination that is collected
        self._table = _Table()
        self._default_encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._styles: dict[int, int] = {}  # style number -> heading level
        self._style_outline: int | None = None
        self._style = 0
        self._to_skip = 0  # characters that stand in for the Unicode one before them

    def read(self) -> None:
        position, end = 0, len(self._source)
        while position < end:
            match = TOKEN.match(self._source, position)
            if match is None:
                break
            position = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if text is not None:
                self._text(text)
            elif code is not None:
                self._text(chr(int(code, 16)))
            elif word is not None:
                value = int(number) if number else None
                if word == "bin":
                    position += max(value or 0, 0)
                else:
                    self._word(word, value)
            elif brace == "{":
                self._open_group()
            elif brace == "}":
                self._close_group()
            elif symbol is not None:
                self._symbol(symbol)
        self._decode()
        self._end_paragraph()
        self._end_table()

    # groups

    def _open_group(self) -> None:
        self._decode()
        if len(self._groups) >= _MOST_GROUPS:
            raise MalformedDocument("The file cannot be read as RTF (too deep); open it and save it again.")
        self._groups.append(self._now)

    def _close_group(self) -> None:
        self._decode()
        if not self._groups:
            return
        ending = self._now
        self._now = self._groups.pop()
        if ending.destination != self._now.destination:
            self._end_destination(ending.destination)

    def _end_destination(self, name: str) -> None:
        text = " ".join("".join(self._aside.pop(name, [])).split())
        if name == "stylesheet-entry":
            self._name_style(text)
        elif name in LISTED and text:
            self.dropped.append(DroppedText(LISTED[name], text))
        elif name in _INFO and text:
            self.metadata[_INFO[name]] = text
        elif name == "footnote" and text:
            self._pieces.append((f" [{text}] ", Look()))

    def _name_style(self, name: str) -> None:
        name = name.rstrip(";").strip()
        heading = _HEADING_STYLE.match(name)
        if heading:
            self._styles[self._style] = min(int(heading.group(1)), _DEEPEST)
        elif _TITLE_STYLE.fullmatch(name):
            self._styles[self._style] = 1
        elif self._style_outline is not None:
            self._styles[self._style] = self._style_outline + 1

    # control words

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._now = replace(self._now, destination="*")
        elif symbol in SYMBOLS:
            self._character(SYMBOLS[symbol])

    def _word(self, word: str, value: int | None) -> None:
        if word == "u" and value is not None:
            self._decode()
            self._emit(chr(value % 0x10000))
            self._to_skip = self._now.replaced
            return
        self._decode()
        self._to_skip = 0
        if word in CHARACTERS:
            self._character(CHARACTERS[word])
        elif self._now.destination == "*" or word in DESTINATIONS:
            self._enter(word)
        elif self._now.destination == "info" and word in _INFO:
            self._now = replace(self._now, destination=word)
        elif self._now.destination in ("fonttbl", "stylesheet", "stylesheet-entry"):
            self._define(word, value)
        elif not self._end(word) and not self._format_text(word, value):
            self._format_paragraph(word, value)

    def _enter(self, word: str) -> None:
        """A destination begins, or what looked like one is text after all."""
        if word in SPOKEN or word in MARKERS:
            around = (group.destination for group in reversed(self._groups))
            destination = next((name for name in around if name not in AROUND_SPOKEN), "")
            if word in MARKERS and destination == "":
                destination = "marker"
        else:
            destination = word if word in DESTINATIONS else "ignored"
        self._now = replace(self._now, destination=destination)

    def _define(self, word: str, value: int | None) -> None:
        """The font table and the style sheet."""
        if self._now.destination == "fonttbl":
            if word == "f" and value is not None:
                self._font = value
            elif word == "fcharset" and value in CODEPAGES:
                self._fonts[self._font] = CODEPAGES[value]
            elif word == "cpg" and value is not None:
                self._fonts[self._font] = encoding_of_page(value)
            return
        if self._now.destination == "stylesheet":
            self._now = replace(self._now, destination="stylesheet-entry")
            self._style, self._style_outline = 0, None
        if word == "s" and value is not None:
            self._style = value
        elif word == "outlinelevel" and value is not None and value < _DEEPEST:
            self._style_outline = value

    def _end(self, word: str) -> bool:
        """Words that end a paragraph, a cell or a row."""
        if word not in ENDS:
            return False
        if self._now.destination != "":
            self._emit(" ")  # inside a note or a header
        elif word in ("cell", "nestcell"):
            self._end_paragraph(in_table=True)
            if word == "cell":
                self._table.row.append(" ".join("".join(self._table.cell).split()))
                self._table.cell.clear()
        elif word == "row":
            if self._table.row:
                self._table.rows.append(self._table.row)
            self._table.row = []
        else:
            self._end_paragraph()
        return True

    def _format_text(self, word: str, value: int | None) -> bool:
        on = value != 0
        match word:
            case "f":
                self._now = replace(self._now, encoding=self._fonts.get(value or 0, self._default_encoding))
            case "b":
                self._now = replace(self._now, bold=on)
            case "i":
                self._now = replace(self._now, italic=on)
            case "v":
                self._now = replace(self._now, hidden=on)
            case "deleted":
                self._now = replace(self._now, deleted=on)
            case "fs":
                self._now = replace(self._now, size=value / 2 if value else None)
            case "uc":
                self._now = replace(self._now, replaced=max(value or 0, 0))
            case "plain":
                kept = (self._now.destination, self._default_encoding, self._now.replaced)
                self._now = _Properties(*kept)
            case "ansicpg":
                self._default_encoding = encoding_of_page(value or 1252)
                self._now = replace(self._now, encoding=self._default_encoding)
            case "mac":
                self._default_encoding = "mac_roman"
                self._now = replace(self._now, encoding="mac_roman")
            case _:
                return False
        return True

    def _format_paragraph(self, word: str, value: int | None) -> None:
        if self._now.destination != "":
            return  # of a note, a header or a marker, not of the paragraph that it stands in
        match word:
            case "pard":
                self._paragraph = _Paragraph()
            case "s":
                self._paragraph = replace(self._paragraph, style=value or 0)
            case "outlinelevel":
                self._paragraph = replace(self._paragraph, outline=value)
            case "intbl":
                self._paragraph = replace(self._paragraph, in_table=True)
            case "qc":
                self._paragraph = replace(self._paragraph, centered=True)
            case "ls" | "ilvl" | "pnlvlblt" | "pnlvlbody":
                self._paragraph = replace(self._paragraph, in_list=True)
            case "trhdr":
                self._table.has_header |= not self._table.rows
            case _:
                pass  # of the hundreds of other words none changes what the text says

    # text

    def _text(self, text: str) -> None:
        if self._to_skip:
            skipped = min(self._to_skip, len(text))
            self._to_skip -= skipped
            text = text[skipped:]
        if self._now.destination not in UNREAD:
            self._bytes += text.encode("latin-1")

    def _character(self, character: str) -> None:
        self._decode()
        self._emit(character)

    def _decode(self) -> None:
        if self._bytes:
            raw, self._bytes = bytes(self._bytes), bytearray()
            encoding = self._now.encoding
            if encoding == "cp1252":
                encoding = self._default_encoding
            self._emit(raw.decode(encoding, "replace"))

    def _emit(self, text: str) -> None:
        destination = self._now.destination
        if destination == "" or destination == "marker":
            self.characters += len("".join(text.split()))
            if self._now.hidden or self._now.deleted:
                self.dropped.append(DroppedText("deleted text" if self._now.deleted else "hidden text", text))
                return
            look = Look(self._now.bold, self._now.italic, self._paragraph.centered, self._now.size)
            self._pieces.append((text, look))
        elif destination not in UNREAD:
            self._aside.setdefault(destination, []).append(text)
            if destination in LISTED or destination == "footnote":
                self.characters += len("".join(text.split()))

    def _end_paragraph(self, *, in_table: bool = False) -> None:
        pieces, self._pieces = self._pieces, []
        text = _joined(pieces)
        if self._paragraph.in_table or in_table:
            self._table.cell += [text, " "]
            return
        self._end_table()
        if text:
            self.blocks.append(self._block(text, _look_of(pieces)))

    def _block(self, text: str, look: Look) -> Block:
        outline = self._paragraph.outline
        level = outline + 1 if outline is not None and 0 <= outline < _DEEPEST else None
        level = level or self._styles.get(self._paragraph.style)
        if level is not None:
            return Block("Title", " ".join(text.split()), level=level)
        marker, _, rest = text.partition(" ")
        if rest and _BULLET_MARKER.fullmatch(marker):
            return Block("ListItem", rest.strip(), look=look)
        return Block("ListItem" if self._paragraph.in_list else "NarrativeText", text, look=look)

    def _end_table(self) -> None:
        if not self._table.rows and not self._table.cell:
            return
        table, self._table = self._table, _Table()
        rest = " ".join("".join(table.cell).split())
        rows = [*table.rows, *([[*table.row, rest]] if rest else [])]
        element = table_element(rows, header=table.has_header)
        if element is not None:
            self.blocks.append(Block("Table", element.text, html=element.html))


def _joined(pieces: list[tuple[str, Look]]) -> str:
    text = "".join(piece for piece, _ in pieces)
    if any("\ud800" <= character <= "\udfff" for character in text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "\n".join(line for line in _tidy_lines(text) if line)


def _tidy_lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield " ".join(line.split())


def _look_of(pieces: list[tuple[str, Look]]) -> Look:
    looks = [(look, len(text.strip())) for text, look in pieces if text.strip()]
    if not looks:
        return Look()
    main = max(looks, key=lambda item: item[1])[0]
    return replace(main, bold=all(look.bold for look, _ in looks), italic=all(look.italic for look, _ in looks))
