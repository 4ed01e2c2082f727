"""Looking at one file the way the pipeline would, storing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kb_pipeline.chunking.chunk import chunk_document, document_title
from kb_pipeline.chunking.chunks import Chunk
from kb_pipeline.errors import DocumentError, SettingsError
from kb_pipeline.operations.descriptions import Described, describe_file
from kb_pipeline.parsing.elements import CleanedDocument
from kb_pipeline.parsing.exchange import check_choice
from kb_pipeline.parsing.sandbox import ParseJob
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.settings import Settings
from kb_pipeline.site import parser_pool
from kb_pipeline.source.listing import collection_of


@dataclass(frozen=True, slots=True)
class Inspection:
    source_file: str
    document: CleanedDocument
    chunks: tuple[Chunk, ...]
    described: Described

    def as_dict(self) -> dict[str, Any]:
        document = self.document
        return {
            "source_file": self.source_file,
            "pages": document.page_count,
            "coverage": document.coverage,
            "metadata": dict(document.metadata),
            "fields": [{"name": name, **found} for name, found in self.described.fields.items()],
            "readers": {"groups": list(self.described.readers.groups), "origin": self.described.readers.origin},
            "given": [{"origin": layer.origin, "values": dict(layer.given)} for layer in self.described.given],
            "complaints": list(self.described.complaints),
            "elements": [
                {
                    "category": element.category,
                    "text": element.text,
                    "page_number": element.page_number,
                    "heading_level": element.heading_level,
                    "section_path": list(element.section_path),
                    "html": element.html,
                }
                for element in document.elements
            ],
            "dropped": [
                {"reason": dropped.reason, "text": dropped.text, "page_number": dropped.page_number}
                for dropped in document.dropped
            ],
            "chunks": [
                {
                    "chunk_key": chunk.chunk_key,
                    "text": chunk.content,
                    "page_number": chunk.page_number,
                    "page_end": chunk.page_end,
                    "section_title": chunk.section_title,
                    "section_path": list(chunk.section_path),
                    "language": chunk.language,
                    "token_count": chunk.token_count,
                }
                for chunk in self.chunks
            ],
            "privacy": [
                {"entity_type": entity, "count": count} for entity, count in sorted(document.privacy_counts.items())
            ],
            "warnings": list(document.warnings),
        }


def inspect(file: Path, settings: Settings, maskers: Maskers) -> Inspection:
    """Parse, clean, mask and chunk `file`, in a sandboxed process as always.

    Raises SettingsError when it is not a file or its reader is not installed, DocumentError when it cannot be parsed.
    """
    if not file.is_file():
        raise SettingsError(f"{file} is not a file; name the file to look at.")
    # Collections are first-level folders of a source; outside of one, the folder's own name serves.
    place = f"{file.absolute().parent.name}/{file.name}"
    collection = collection_of(place)
    (name,) = maskers.of(collection).mask_paths([file.name])
    readers = settings.readers_for(collection)
    check_choice(readers)
    job = ParseJob(None, file, name, None, maskers.of(collection).mask_document, readers)
    with parser_pool(settings, processes=1) as pool:
        ((_, result),) = pool.parse([job])
    if isinstance(result, DocumentError):
        raise result
    chunks = chunk_document(
        result.elements,
        document_key=str(file),
        settings=settings.chunking_for(collection),
        title=document_title(result),
    )
    described = describe_file(file, settings, maskers, result.metadata)
    return Inspection(name, result, tuple(chunks), described)
