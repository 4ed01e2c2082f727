"""One file from its bytes to a cleaned, masked document: read, clean, section paths, mask.

This is what a parser process does for each job; it needs no process of its own, so that tests and tools
can call it directly.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kb_pipeline.errors import ChangedWhileRead, EmptyDocument, LimitExceeded, UnreadableFile
from kb_pipeline.parsing.cleaning import clean_dropped, clean_elements, clean_values
from kb_pipeline.parsing.elements import CleanedDocument, DroppedText, Element
from kb_pipeline.parsing.parsed import ParsedDocument, ParseLimits
from kb_pipeline.parsing.partition import partition
from kb_pipeline.parsing.tables import element_characters, repeats_cells
from kb_pipeline.system.files import open_regular

REPLACEMENT = "\ufffd"  # stands for bytes that are no character
LEAST_COVERAGE = 0.98  # of a file's characters; less is a warning
MOST_COVERAGE = 1.05  # the same: more was read than there is

Mask = Callable[[CleanedDocument], CleanedDocument]


def read_document(
    path: Path,
    *,
    name: str,
    mask: Mask,
    limits: ParseLimits = ParseLimits(),  # noqa: B008 (frozen)
    content_hash: bytes | None = None,
    readers: Mapping[str, str] = MappingProxyType({}),
) -> CleanedDocument:
    """The document in the file at `path`, called `name`.

    `mask` takes personal data out of a whole document. `content_hash` is the sha256 that the bytes must
    have, if given. `readers`: format -> the reader that its collection wants instead of ours. Raises DocumentError:
    UnreadableFile, ChangedWhileRead, EmptyDocument and all that `partition` raises.
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise UnreadableFile(
            f"The file cannot be read ({error.strerror}); check that it is there and may be read."
        ) from None
    if content_hash is not None and hashlib.sha256(data).digest() != content_hash:
        raise ChangedWhileRead("The file changed between the scan and the reading; the next run picks it up.")
    started = time.monotonic()
    parsed = partition(data, name=name, limits=limits, readers=readers)
    _check_length(parsed, limits.characters)
    document = mask(clean_document(parsed))
    return replace(document, seconds=time.monotonic() - started)


def _check_length(parsed: ParsedDocument, most: int) -> None:
    """Raises LimitExceeded for more text than may be stored, chunked and embedded for one document."""
    characters = sum(len(element.text) for element in parsed.elements)
    characters += sum(len(item.text) for item in parsed.dropped)
    if characters > most:
        raise LimitExceeded(
            f"The file holds {characters:,} characters of text, more than {most:,}; split it, or raise"
            " limits.characters."
        )


def clean_document(parsed: ParsedDocument) -> CleanedDocument:
    """A parsed document cleaned, with section paths. Raises EmptyDocument where nothing is left."""
    elements, furniture = clean_elements(parsed.elements)
    if not elements:
        raise EmptyDocument("The file holds no text.")
    dropped = (*clean_dropped(parsed.dropped), *furniture)
    coverage = _coverage(elements, dropped, parsed.source_characters)
    return CleanedDocument(
        elements=tuple(with_section_paths(elements)),
        dropped=dropped,
        page_count=parsed.page_count,
        metadata=clean_values(parsed.metadata),
        warnings=(
            *parsed.warnings,
            *_damage_warning(elements),
            *_coverage_warning(coverage),
            *_repetition_warning(elements),
        ),
        coverage=coverage,
    )


def _coverage(
    elements: Iterable[Element], dropped: Iterable[DroppedText], source_characters: int | None
) -> float | None:
    if not source_characters:
        return None
    kept = sum(element_characters(element) for element in elements)
    left_out = sum(len("".join(item.text.split())) for item in dropped)
    return (kept + left_out) / source_characters


def _damage_warning(elements: Iterable[Element]) -> Iterable[str]:
    damaged = sum(element.text.count(REPLACEMENT) for element in elements)
    if damaged:
        yield f"{damaged} characters are damaged in the file and read as {REPLACEMENT}; correct them there."


def _coverage_warning(coverage: float | None) -> Iterable[str]:
    if coverage is not None and coverage < LEAST_COVERAGE:
        yield f"Only {coverage:.1%} of the file's text was found again; compare `kb inspect` with the file."
    if coverage is not None and coverage > MOST_COVERAGE:
        yield f"{coverage:.1%} of the file's text was found, some of it twice; compare `kb inspect` with the file."


def _repetition_warning(elements: Iterable[Element]) -> Iterable[str]:
    pages = [element.page_number for element in elements if element.html is not None and repeats_cells(element.html)]
    if pages:
        where = ", ".join(str(page) for page in dict.fromkeys(pages) if page is not None)
        place = f" (pages {where})" if where else ""
        yield f"{len(pages)} tables say most of their numbers twice{place}; compare them with the file."


def with_section_paths(elements: Iterable[Element]) -> Iterable[Element]:
    """The elements with the headings above each; a heading closes those of its level and below.

    A path that the reader gave stays.
    """
    open_headings: list[tuple[int, str]] = []
    for element in elements:
        if element.heading_level is not None:
            while open_headings and open_headings[-1][0] >= element.heading_level:
                open_headings.pop()
            open_headings.append((element.heading_level, element.text))
        yield replace(element, section_path=element.section_path or tuple(text for _, text in open_headings))
