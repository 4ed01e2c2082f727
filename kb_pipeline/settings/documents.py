"""What is read, and what becomes of it: sources, limits, chunks, personal data, collections."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr, model_validator

from kb_pipeline.fields.declaration import complaint_about_name
from kb_pipeline.fields.groups import EVERYONE, named
from kb_pipeline.privacy.entities import PRESETS, Action, Preset, unknown_entities
from kb_pipeline.privacy.patterns import complaint_about
from kb_pipeline.settings.base import Frozen

# What a text may be in that does not come from a file, and the ending by which its reader knows it.
TEXT_ENDINGS = {"text": ".txt", "markdown": ".md"} | {
    name: f".{name}" for name in ("html", "csv", "tsv", "eml", "mhtml", "ipynb")
}


class SourceSettings(Frozen):
    """A folder, a bucket prefix or a query that is kept in step with the knowledge base."""

    uri: str = Field(description="A folder, a URL such as s3://bucket/prefix, or postgresql://host/database#name.")
    include: tuple[str, ...] = Field((), description="Patterns of the files to read, such as *.pdf; empty: all.")
    exclude: tuple[str, ...] = Field((), description="Patterns of files and folders to leave out, such as drafts/**.")
    follow_links: bool = Field(False, description="Follow links that lead out of the folder.")
    patterns: tuple[str, ...] = Field((), description="What paths say, such as {department}/{year}/.")
    manifests: tuple[str, ...] = Field((), description="CSV files of the source that say something of its documents.")
    secrets: dict[str, str] = Field(
        {}, description="Option, such as password, to the environment variable that has it."
    )
    query: str | None = Field(None, description="Of postgresql://: SELECT of key, text, title, version and fields.")
    format: str = Field("text", description="Of postgresql://: what the texts are in, such as markdown or html.")
    every: float | None = Field(None, gt=0, description="Seconds between two looks; empty: each time, web pages 3600.")
    urls: tuple[str, ...] = Field((), description="Of https://: the pages, instead of those that a sitemap names.")
    hosts: tuple[str, ...] = Field((), description="Of https://: further hosts whose pages may be read.")
    private_addresses: bool = Field(False, description="Of https://: also from machines of the inner network.")
    per_second: float = Field(2.0, gt=0, description="Of https://: most requests to a host in a second.")
    page_mb: int = Field(20, ge=1, description="Of https://: size of a page at most, MiB.")
    seconds: float = Field(300.0, gt=0, description="Of postgresql://: time limit of a statement, seconds.")

    @property
    def extension(self) -> str:
        """The ending of the names of documents that are texts in `format`."""
        return TEXT_ENDINGS[self.format]

    @property
    def is_web(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    @property
    def is_table(self) -> bool:
        return self.uri.startswith(("postgresql://", "postgres://"))

    @model_validator(mode="after")
    def _has_what_its_kind_takes(self) -> SourceSettings:
        if self.format not in TEXT_ENDINGS:
            raise ValueError(f"format is none of {', '.join(TEXT_ENDINGS)}")
        if self.query is not None and not self.is_table:
            raise ValueError("query is for a source postgresql://host/database#name")
        if (self.urls or self.hosts or self.private_addresses) and not self.is_web:
            raise ValueError("urls, hosts and private_addresses are for a source https://host/sitemap.xml")
        return self

    @model_validator(mode="after")
    def _has_sound_patterns(self) -> SourceSettings:
        if not all(pattern.strip("/ ") for pattern in (*self.include, *self.exclude)):
            raise ValueError("include and exclude may not hold an empty pattern")
        for pattern in self.patterns:
            names = re.findall(r"\{(\w+)\}", pattern)
            complaint = next(filter(None, map(complaint_about_name, names)), None)
            if not names or complaint or len(names) != pattern.count("{"):
                raise ValueError(
                    complaint or f"the pattern {pattern} names no field; write one such as {{department}}/"
                )
        return self


class ParsingLimits(Frozen):
    """What one document may cost before it is given up."""

    seconds: float = Field(300.0, gt=0, description="Wall time per document, seconds.")
    memory_mb: int = Field(2048, ge=256, description="Memory of one parser process, MiB.")
    pages: int = Field(5000, ge=1, description="Pages per document.")
    unzipped_mb: int = Field(512, ge=1, description="Unzipped size of an Office or EPUB file, MiB.")
    pixels: int = Field(100_000_000, ge=1_000_000, description="Pixels of one image or of one frame of it.")
    ocr_page_seconds: float = Field(60.0, gt=0, description="Wall time added for each page read by OCR, seconds.")
    characters: int = Field(10_000_000, ge=100_000, description="Characters of a document's text.")


class ChunkingSettings(Frozen):
    """Sizes in characters, as `chunk_by_title` of unstructured takes them.

    Where only the limit is set, the other two follow it down.
    """

    max_characters: int = Field(2000, ge=100, description="Hard upper limit of a chunk.")
    new_after_n_chars: int = Field(1500, ge=50, description="Start a new chunk after this many characters.")
    combine_under_n_chars: int = Field(500, ge=0, description="Join neighbours smaller than this within a section.")

    @model_validator(mode="before")
    @classmethod
    def _follow_the_limit(cls, given: Any) -> Any:
        limit = given.get("max_characters") if isinstance(given, dict) else None
        if isinstance(limit, str) and limit.strip().isdecimal():  # of a variable
            limit = int(limit)
        if not isinstance(limit, int):
            return given
        return {"new_after_n_chars": min(1500, limit * 3 // 4), "combine_under_n_chars": min(500, limit // 4)} | given

    @model_validator(mode="after")
    def _fits_the_limit(self) -> ChunkingSettings:
        if max(self.new_after_n_chars, self.combine_under_n_chars) > self.max_characters:
            raise ValueError("new_after_n_chars and combine_under_n_chars may not exceed max_characters")
        return self


class PolicySettings(Frozen):
    """What is done with each kind of personal data."""

    preset: Preset | None = Field(
        None, description="default, which keeps amounts of money, or strict, which masks them, too."
    )
    entities: dict[str, Action] = Field({}, description="Entity to keep, mask, pseudonym or remove.")

    @model_validator(mode="after")
    def _knows_the_entities(self) -> PolicySettings:
        complaint = unknown_entities(self.entities)
        if complaint:
            raise ValueError(complaint)
        return self

    def actions(self, inherited: dict[str, Action]) -> dict[str, Action]:
        """An action for every entity; without a preset, what is not named is as in `inherited`."""
        return {**(PRESETS[self.preset] if self.preset else inherited), **self.entities}


class PrivacySettings(PolicySettings):
    """The policy of all collections that have none of their own, and the lists of the site."""

    allow: tuple[str, ...] = Field((), description="Terms that are never masked.")
    allow_patterns: tuple[str, ...] = Field((), description="The same as regular expressions.")
    deny: tuple[str, ...] = Field((), description="Terms that are always masked.")
    deny_patterns: tuple[str, ...] = Field((), description="The same as regular expressions.")
    ner_model: str | None = Field(None, description="spaCy model for names without a word beside them.")

    @model_validator(mode="after")
    def _has_sound_lists(self) -> PrivacySettings:
        if not all(map(str.strip, (*self.allow, *self.deny))):
            raise ValueError("allow and deny may not hold an empty term")
        for pattern in (*self.allow_patterns, *self.deny_patterns):
            complaint = complaint_about(pattern)
            if complaint:
                raise ValueError(complaint)
        return self


def _are_groups(names: tuple[str, ...]) -> tuple[str, ...]:
    if named(list(names)) != names:
        raise ValueError(f"groups must be a list of names, each once; write some, or {EVERYONE}")
    return names


Groups = Annotated[tuple[str, ...], AfterValidator(_are_groups)]


class AccessSettings(Frozen):
    """Who may read the documents at a path; of several rules that a document matches the first decides."""

    path: str = Field(min_length=1, description="Pattern of files or folders in a source, such as board/.")
    groups: Groups = Field(description="Groups that may read them, or everyone.")

    @model_validator(mode="after")
    def _has_a_sound_path(self) -> AccessSettings:
        if not self.path.strip("/ "):
            raise ValueError("path may not be an empty pattern")
        return self


class CollectionSettings(Frozen):
    """What one collection does differently."""

    groups: Groups | None = Field(None, description="Groups that may read it; empty: all who may search it.")
    chunking: ChunkingSettings | None = None
    privacy: PolicySettings | None = None
    readers: dict[str, str] = Field({}, description='Format -> another reader: pdf = "unstructured:hi_res", "docling".')
    query_instruction: str | None = Field(None, description="Task sentence of queries over this collection alone.")
    fusion_weight: float | None = Field(None, ge=0, le=1, description="That of [search], for this collection alone.")
    dimension: int | None = Field(None, ge=16, le=4000, description="Serving dimension of a generation of its own.")
    embedding_url: str | None = Field(None, description="Server of another model, for a generation of its own.")
    embedding_model: str | None = Field(None, description="Model to expect of that server.")
    embedding_api_key: SecretStr | None = Field(None, description="Bearer key of that server.")

    @property
    def has_generation(self) -> bool:
        """Whether it asks for a generation of its own."""
        return self.dimension is not None or self.embedding_url is not None

    @model_validator(mode="after")
    def _has_a_server_of_its_model(self) -> CollectionSettings:
        if self.embedding_url is None and (self.embedding_model is not None or self.embedding_api_key is not None):
            raise ValueError("another model than the site's needs a server of its own; set embedding_url, too")
        return self
