"""Elements of a document -> its chunks.

Terms
  section   consecutive elements with the same heading path. No chunk reaches into another section.
  block     a paragraph, list item, code snippet, or a piece of one that is too long for a chunk.
  group     consecutive blocks of a section that become one chunk; `boundaries` says where groups end.
  bare      a heading with nothing below it. It goes with the chunk before it, else with the one after.

`chunk_by_title` of unstructured makes the text of a group. It never packs by itself, since its greedy
packing moves every later boundary of a section when one paragraph is inserted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, zip_longest
from typing import Any

from kb_pipeline.chunking.boundaries import stable_groups
from kb_pipeline.chunking.chunks import Chunk, embedded_text
from kb_pipeline.chunking.language import language_of
from kb_pipeline.chunking.sentences import pieces_within, sentences
from kb_pipeline.chunking.tables import Sizes, table_contents
from kb_pipeline.embedding.tokens import estimate_tokens
from kb_pipeline.parsing.code.parts import code_parts
from kb_pipeline.parsing.elements import CleanedDocument, Element
from kb_pipeline.parsing.offline import silence_unstructured
from kb_pipeline.settings import ChunkingSettings

SEPARATOR = "\n\n"  # between the blocks of a chunk, as chunk_by_title writes it
CAPTION_CHARACTERS = 120  # a longer paragraph before a table is not its caption
LEAD_IN_CHARACTERS = 60  # a longer line is a paragraph, however it ends

BARE = "BareHeading"  # category of a heading with nothing below it, in this module only

Path = tuple[str, ...]

_TITLED_FORMATS = frozenset({"html", "mhtml", "epub"})

_CAPTION = re.compile(
    r"(?:附?[表图]|图表)\s*[\d一二三四五六七八九十A-Z]|(?:Table|Exhibit|Schedule)\s+[\dIVXA-Z]"
    r"|[（(]?(?:金额)?单位\s*[:：]|[（(]?(?:Units?|in (?:millions|thousands))\b",
    re.IGNORECASE,
)
_ANNOUNCEMENT = re.compile(r"[下如]表|如下|\b(?:table|below|following)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Block:
    """`lead`: what stands between the block before and this one when both are in one chunk."""

    text: str
    page: int | None
    page_end: int | None
    category: str
    html: str | None = None
    lead: str = SEPARATOR
    code_language: str | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A chunk before its place among the others is known. `order`: index of its first block in the section.

    `is_bare`: it holds nothing but headings with nothing below them.
    """

    order: int
    content: str
    blocks: Sequence[_Block]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_bare: bool = False


def document_title(document: CleanedDocument) -> str | None:
    """The title in a document's metadata, of formats where a person wrote it; programs fill in that of the others."""
    title = document.metadata.get("title")
    return title if title and document.metadata.get("format") in _TITLED_FORMATS else None


def chunk_document(
    elements: Sequence[Element], *, document_key: str, settings: ChunkingSettings, title: str | None = None
) -> list[Chunk]:
    """The chunks of a document in reading order; deterministic.

    `document_key`: what stays the same while the document's content changes; part of every chunk key.
    `title`: stands in for the heading path where there is no heading above.
    """
    chunks: list[Chunk] = []
    occurrences: dict[str, int] = {}
    root = (title,) if title else ()
    for path, draft in _with_bare_headings(_section_drafts(elements, settings), settings):
        text = " ".join(draft.content.split())
        occurrence = occurrences[text] = occurrences.get(text, -1) + 1
        pages = [p for block in draft.blocks for p in (block.page, block.page_end) if p is not None]
        embedded = embedded_text(path or root, draft.content)
        language = language_of(draft.content)
        chunk = Chunk(
            ordinal=len(chunks),
            chunk_key=_chunk_key(document_key, text, occurrence),
            content=draft.content,
            page_number=min(pages, default=None),
            page_end=max(pages, default=None),
            section_path=path or root,
            language=language_of(embedded) if language == "other" else language,
            token_count=estimate_tokens(embedded),
            metadata=draft.metadata,
        )
        chunks.append(chunk)
    return chunks


def _chunk_key(document_key: str, text: str, occurrence: int) -> str:
    return hashlib.sha256(f"{document_key}\0{text}\0{occurrence}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _section_drafts(elements: Sequence[Element], settings: ChunkingSettings) -> Iterator[tuple[Path, _Draft]]:
    """The drafts of each section with its path; bare headings as drafts of their own."""
    for path, section in groupby(_bare_headings_marked(elements), key=lambda element: element.section_path):
        for is_bare, part in groupby(section, key=lambda element: element.category == BARE):
            if is_bare:
                block = _blocks((), part)[0]
                yield path[:-1], _Draft(0, block.text, [block], is_bare=True)
            else:
                for draft in _drafts(_blocks(path, part), settings):
                    yield path, draft


def _bare_headings_marked(elements: Sequence[Element]) -> Iterator[Element]:
    """A heading with nothing below it would be in no chunk."""
    for element, following in zip_longest(elements, elements[1:]):
        path = element.section_path
        is_heading = element.category == "Title" and path and path[-1] == element.text
        if is_heading and (following is None or following.section_path[: len(path)] != path):
            yield replace(element, category=BARE)
        else:
            yield element


def _with_bare_headings(
    drafts: Iterable[tuple[Path, _Draft]], settings: ChunkingSettings
) -> Iterator[tuple[Path, _Draft]]:
    """Bare headings joined to the draft before them while it has room, else to the one after; at last alone."""
    held: tuple[Path, _Draft] | None = None  # what may still grow
    for path, draft in drafts:
        if held is not None and (draft.is_bare or held[1].is_bare):
            joined = held[1].content + SEPARATOR + draft.content
            if len(joined) <= settings.max_characters:
                text = draft if held[1].is_bare else held[1]  # one of them, unless both are bare
                held = (
                    path if held[1].is_bare and not draft.is_bare else held[0],
                    replace(
                        text,
                        content=joined,
                        blocks=[*held[1].blocks, *draft.blocks],
                        is_bare=held[1].is_bare and draft.is_bare,
                    ),
                )
                continue
        if held is not None:
            yield held
        held = (path, draft)
    if held is not None:
        yield held


def _blocks(path: tuple[str, ...], section: Iterator[Element]) -> list[_Block]:
    """The section's blocks without its own heading, which is the end of `path`."""
    blocks = []
    for element in section:
        text = element.text.strip("\r\n") if element.category == "CodeSnippet" else element.text.strip()
        if not text or (element.category == "Title" and path and path[-1] == element.text):
            continue
        category = element.category
        if category == "Table" and "\n" not in text:
            # A table of one row is layout: a bullet and its text, a label and its value.
            category, text = "Text", " ".join(text.replace("|", " ").split())
            if not text:
                continue
        page_end = element.metadata.get("page_end") or element.page_number
        blocks.append(
            _Block(
                text,
                element.page_number,
                page_end,
                category,
                element.html,
                code_language=element.metadata.get("programming_language"),
            )
        )
    return blocks


def _drafts(blocks: Sequence[_Block], settings: ChunkingSettings) -> list[_Draft]:
    """Tables by themselves, with their captions and what announces them; the text around them packed together."""
    drafts: list[_Draft] = []
    texts: list[tuple[int, _Block]] = []
    sizes = Sizes(settings.new_after_n_chars, settings.max_characters, _spacing(settings))
    for order, block in enumerate(blocks):
        if block.category != "Table":
            texts.append((order, block))
            continue
        above: list[_Block] = []
        while texts and texts[-1][0] == order - 1 - len(above) and _belongs_to_table(texts[-1][1]):
            above.insert(0, texts.pop()[1])
        drafts += [
            _Draft(order, content, [*above, block], {"category": "Table"})
            for content in table_contents(block.text, block.html, [b.text for b in above], sizes)
        ]
    drafts += _text_drafts(texts, settings)
    return sorted(drafts, key=lambda draft: draft.order)


def _belongs_to_table(block: _Block) -> bool:
    """Whether a block right above a table is its caption, its unit, its title, or says that it follows."""
    if len(block.text) > CAPTION_CHARACTERS or block.category in ("ListItem", "CodeSnippet"):
        return False
    is_titled = block.category in ("FigureCaption", "Title") or block.text[-1] in ":："
    return is_titled or bool(_CAPTION.match(block.text) or _ANNOUNCEMENT.search(block.text))


def _spacing(settings: ChunkingSettings) -> int:
    """The least size of a chunk where there is a choice. At 0.4 of the target the mean is about 0.65 of it."""
    wanted = max(settings.combine_under_n_chars, settings.new_after_n_chars * 2 // 5)
    return min(wanted, settings.new_after_n_chars // 2)


# --- text ------------------------------------------------------------------------------------------


def _text_drafts(texts: Sequence[tuple[int, _Block]], settings: ChunkingSettings) -> list[_Draft]:
    pieces = [(order, piece) for order, block in texts for piece in _fitted(block, settings)]
    contents = [piece.text for _, piece in pieces]
    groups = stable_groups(
        contents,
        target=settings.new_after_n_chars,
        spacing=_spacing(settings),
        glue=len(SEPARATOR),
        tied=frozenset(i for i in range(1, len(pieces)) if _leads_in(pieces[i - 1][1], pieces[i][1])),
    )
    drafts = []
    for group in _without_crumbs(groups, contents, settings):
        members = [pieces[i][1] for i in group]
        drafts += [_Draft(pieces[group.start][0], text, members) for text in _group_texts(members, settings)]
    return drafts


def _leads_in(block: _Block, following: _Block) -> bool:
    """`block` says nothing without what follows: a minor heading, or a line that ends with a colon."""
    if block.category == "Title" or block.text[-1] in ":：":
        return True
    short = len(block.text) <= LEAD_IN_CHARACTERS < len(following.text)
    return short and block.category != "ListItem" and block.text[-1] not in '。.!?！？；;,，、”"）)'


def _fitted(block: _Block, settings: ChunkingSettings) -> list[_Block]:
    """The block, or its pieces when it is longer than a chunk may be."""
    if len(block.text) <= settings.max_characters:
        return [block]
    target = settings.new_after_n_chars
    if block.category == "CodeSnippet":
        code = code_parts(block.text, language=block.code_language, limit=target)
        parts = [piece for part in code for piece in pieces_within(part, target)]
    else:
        parts = sentences(block.text, target)
    groups = stable_groups(parts, target=target, spacing=_spacing(settings), glue=0, tied=frozenset())
    pieces: list[_Block] = []
    lead = block.lead
    for group in groups:
        text = "".join(parts[i] for i in group)
        stripped = text.strip("\r\n") if block.category == "CodeSnippet" else text.strip()
        if stripped:
            pieces.append(replace(block, text=stripped, lead=lead))
            lead = text[len(text.rstrip()) :]
    return pieces


def _without_crumbs(groups: Sequence[range], texts: Sequence[str], settings: ChunkingSettings) -> list[range]:
    """Groups smaller than `combine_under_n_chars` joined to a neighbour where both fit into one chunk."""

    def size(group: range) -> int:
        return sum(len(texts[i]) + len(SEPARATOR) for i in group) - len(SEPARATOR)

    merged: list[range] = []
    for group in groups:
        if merged:
            both = range(merged[-1].start, group.stop)
            small = min(size(merged[-1]), size(group)) < settings.combine_under_n_chars
            if small and size(both) <= settings.max_characters:
                merged[-1] = both
                continue
        merged.append(group)
    return merged


def _group_texts(blocks: Sequence[_Block], settings: ChunkingSettings) -> list[str]:
    """The text of a group: one, or several where a heading and what follows it are too long together."""
    if len(blocks) == 1:
        return [blocks[0].text]
    if any("\n" in block.text or block.lead != SEPARATOR for block in blocks):
        # chunk_by_title makes a blank of each line break, and paragraphs of the pieces of one.
        text = blocks[0].text + "".join(block.lead + block.text for block in blocks[1:])
        return [text] if len(text) <= settings.max_characters else [block.text for block in blocks]
    # Where everything fits into one chunk, this is what chunk_by_title makes of it, at a hundredth of the time.
    joined = SEPARATOR.join(" ".join(block.text.split()) for block in blocks)
    if len(joined) <= settings.max_characters:
        return [joined]
    silence_unstructured()
    from unstructured.chunking.title import chunk_by_title
    from unstructured.documents.elements import Text

    composites = chunk_by_title(
        [Text(block.text) for block in blocks],
        max_characters=settings.max_characters,
        new_after_n_chars=settings.max_characters,
        combine_text_under_n_chars=settings.combine_under_n_chars,
        include_orig_elements=False,
    )
    return [composite.text for composite in composites]
