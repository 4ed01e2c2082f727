"""Settings, and the fingerprints that decide what is done again.

A setting comes from, in this order: an environment variable `KB_*`, the file `.env`, the file
`kb.toml` (or the one `KB_CONFIG` names), the default. A variable reaches into a table of kb.toml by two
underscores: `KB_SGLANG__PORT` is `port` of `[sglang]`. All local state lives under `KB_HOME`. A name that is no
setting is refused wherever it stands: a misspelt one would be ignored without a word.

A *stage fingerprint* is a short hash over everything besides the input that a stage's output depends
on. Change the chunk size and only the chunk fingerprint moves: nothing is parsed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeGuard, get_args, get_origin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.declaration import MOST_FIELDS, FieldType, complaint_about_name
from kb_pipeline.privacy.entities import PRESETS, Action, Preset, unknown_entities
from kb_pipeline.privacy.patterns import complaint_about

LOCALTIME = Path("/etc/localtime")  # a link into the database of time zones
# Raise when the code of a stage changes its output for the same input.
PARSE_CODE_VERSION = 5
CHUNK_CODE_VERSION = 3

PREFIX = "KB_"
# Names the settings file, so it cannot stand in one; like every variable of ours it begins with the prefix.
CONFIG_VARIABLE = "KB_CONFIG"


def local_timezone() -> str:
    """The IANA name of this machine's time zone; UTC where it has none."""
    named = os.environ.get("TZ") or str(LOCALTIME.resolve()).partition("zoneinfo/")[2]
    return named if is_timezone(named) else "UTC"


def is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class EmptyIsUnset(BaseModel):
    """An empty string is the same as nothing, where a setting may be left out: `KB_DATABASE_URL=`."""

    @field_validator("*", mode="before")
    @classmethod
    def _unset(cls, value: Any, info: ValidationInfo) -> Any:
        may_be_left_out = info.field_name is not None and cls.model_fields[info.field_name].default is None
        return None if value == "" and may_be_left_out else value


class Frozen(EmptyIsUnset):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceSettings(Frozen):
    """A folder or bucket prefix that is kept in step with the knowledge base."""

    uri: str = Field(description="A local folder or an fsspec URL such as s3://bucket/prefix.")
    include: tuple[str, ...] = Field((), description="Patterns of the files to read, such as *.pdf; empty: all.")
    exclude: tuple[str, ...] = Field((), description="Patterns of files and folders to leave out, such as drafts/**.")
    follow_links: bool = Field(False, description="Follow links that lead out of the folder.")
    patterns: tuple[str, ...] = Field((), description="What paths say, such as {department}/{year}/.")
    manifests: tuple[str, ...] = Field((), description="CSV files of the source that say something of its documents.")

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


class CollectionSettings(Frozen):
    """What one collection does differently."""

    chunking: ChunkingSettings | None = None
    privacy: PolicySettings | None = None
    readers: dict[str, str] = Field({}, description='Format -> another reader: pdf = "unstructured:hi_res", "docling".')
    query_instruction: str | None = Field(None, description="Task sentence of queries over this collection alone.")
    fusion_weight: float | None = Field(None, ge=0, le=1, description="That of [search], for this collection alone.")


class GoldenQuestion(Frozen):
    """A question, and the document that has to be among the best passages for it."""

    question: str = Field(min_length=1, description="As a person would ask it.")
    source_file: str = Field(min_length=1, description="The document's path, as a search shows it.")
    k: int = Field(5, ge=1, le=100, description="Among how many passages.")


class ScheduleSettings(Frozen):
    """When the two schedules tick, as cron writes it, in the site's time zone."""

    nightly_sweep: str = Field("30 2 * * *", description="Scan all sources and finish what earlier runs left.")
    re_embedding: str = Field("0 3 * * 0", description="Embed whatever has no vector under the configured model.")

    @field_validator("*")
    @classmethod
    def _has_five_fields(cls, value: str) -> str:
        if not re.fullmatch(r"([\w*/,-]+\s+){4}[\w*/,-]+", value):
            raise ValueError("a schedule has five fields: minute, hour, day, month and day of the week")
        return value


class RetentionSettings(Frozen):
    """How long what nobody needs any more is kept; the nightly sweep applies it."""

    dagster_days: int = Field(30, ge=1, description="Dagster's runs with their events and output, days.")
    unused_days: int = Field(30, ge=0, description="Elements and vectors of documents that were deleted or changed.")
    searches_days: int = Field(90, ge=0, description="The log of searches.")
    generations_days: int = Field(30, ge=0, description="Retired generations, which are there for a rollback.")


class SearchSettings(Frozen):
    """How both rankings of a search become one."""

    fusion_weight: float = Field(
        0.5, ge=0, le=1, description="Part of meaning in a hybrid search; the rest is the part of words."
    )


class ServerSettings(Frozen):
    """Where the search server listens, and whom it believes."""

    host: str = Field("127.0.0.1", description="Address to listen at; beyond this machine only with keys or proxies.")
    names: tuple[str, ...] = Field((), description="Host names that it answers to, besides 127.0.0.1 and localhost.")
    require_keys: bool = Field(False, description="Ask for a key even while none was ever made.")
    proxies: tuple[str, ...] = Field((), description="Addresses or networks of reverse proxies whose headers count.")
    user_header: str = Field("x-forwarded-user", description="Header in which they name who signed in.")
    groups_header: str = Field("x-forwarded-groups", description="Header with that person's groups, by commas.")

    @field_validator("proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            try:
                ip_network(address, strict=False)
            except ValueError:
                raise ValueError(f"{address} is neither an address nor a network such as 10.1.0.0/24") from None
        return value

    @field_validator("names", "user_header", "groups_header")
    @classmethod
    def _in_lower_case(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return value.lower() if isinstance(value, str) else tuple(name.lower() for name in value)


class GlossarySettings(Frozen):
    """Terms that mean the same in this company."""

    file: Path | None = Field(None, description="YAML file of groups of terms; empty: none.")


class RerankerSettings(Frozen):
    """A server that ranks the best passages anew, by `/v1/rerank`."""

    url: str | None = Field(None, description="Base URL, usually ending in /v1; empty: none.")
    model: str | None = Field(None, description="Model to ask for, where the server has several.")
    api_key: SecretStr | None = Field(None, description="Bearer key of the server.")
    depth: int = Field(50, ge=1, le=1000, description="How many of the best passages it is asked about.")
    budget_ms: int = Field(1000, ge=1, description="How long a search waits for it, milliseconds.")
    instruction: str | None = Field(None, description="Task sentence, for models that take one.")


class SglangSettings(Frozen):
    """An SGLang server on this machine's GPU. Empty values leave the choice to SGLang itself."""

    model: str | None = Field(None, description="Local folder or hub name; when set, this site embeds with SGLang.")
    revision: str | None = Field(None, description="Commit of the hub; empty: the newest when it was installed.")
    served_model_name: str | None = Field(None, description="Name that clients see; empty: the last part of model.")
    launch: bool = Field(True, description="Commands and runs start the server when it does not run.")
    version: str = Field("0.5.20", description="The SGLang that `kb server install` installs.")
    python: Path | None = Field(None, description="Interpreter that has SGLang; empty: what install made in KB_HOME.")
    host: str = Field("127.0.0.1", description="Address to listen at; beyond this machine only with an API key.")
    port: int = Field(30000, ge=1, le=65535, description="Port to listen at.")
    tp: int = Field(1, ge=1, description="GPUs that share one copy of the model (tensor parallel).")
    dp: int = Field(1, ge=1, description="Copies of the model, each on GPUs of its own (data parallel).")
    mem_fraction_static: float = Field(0.85, gt=0, lt=1, description="Share of GPU memory for weights and cache.")
    attention_backend: str | None = Field(None, description="fa3, flashinfer, triton, …")
    max_running_requests: int | None = Field(None, ge=1, description="Texts computed at the same time.")
    max_queued_requests: int = Field(8192, ge=1, description="Texts that wait; more are refused with 503.")
    chunked_prefill_size: int | None = Field(None, description="Tokens of one forward pass; -1: texts are never cut.")
    context_length: int | None = Field(None, ge=1, description="Tokens of one text; empty: what the model can.")
    extra_args: tuple[str, ...] = Field((), description="More arguments of sglang.launch_server, as they are.")
    start_seconds: float = Field(900.0, gt=0, description="How long the server may take to become healthy.")
    idle_seconds: float | None = Field(None, gt=0, description="Stop after this long unused; empty: left running.")


class Settings(EmptyIsUnset, BaseSettings):
    """The settings of one site. See the README for the table that people read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Field(Path(".kb"), description="Folder of all local state.")
    database_url: SecretStr | None = Field(None, description="PostgreSQL URL; empty: the embedded server.")
    embedding_url: str | None = Field(
        None, description="OpenAI-compatible base URL, or several with commas; empty: a server of this machine."
    )
    embedding_api_key: SecretStr | None = Field(None, description="Bearer key of the embedding server.")
    embedding_model: str | None = Field(None, description="Model to serve (CPU server) or to expect (URL).")
    privacy_key: SecretStr | None = Field(None, description="64 hex digits; empty: privacy.key in KB_HOME.")
    dimension: int | None = Field(None, ge=16, le=4000, description="Serving dimension; empty: min(native, 1024).")
    query_instruction: str = Field(
        "Given a search query, retrieve relevant passages that answer the query",
        description="Task sentence of models that take one with the query.",
    )
    shard_digits: int = Field(1, ge=1, le=2, description="Hex digits of a shard: 1 gives 16 shards, 2 gives 256.")
    documents_per_run: int = Field(20_000, ge=1, description="Most documents that one sensor run takes on.")
    batch_documents: int = Field(200, ge=1, description="Documents per committed batch.")
    parser_processes: int | None = Field(None, ge=1, description="Parser processes; empty: the CPU cores, at most 8.")
    idle_seconds: float = Field(600.0, gt=0, description="Embedded servers stop after this long without a user.")
    search_port: int = Field(8756, description="Port of the search server; see server for where it listens.")
    dagster_port: int = Field(3000, description="Port of the Dagster web server under `kb up`; 127.0.0.1 only.")
    mass_delete_count: int = Field(50, ge=0, description="Deletions up to this many are never held.")
    mass_delete_share: float = Field(0.2, ge=0, le=1, description="Share of a source whose loss holds deletions.")
    timezone: str = Field(default_factory=local_timezone, description="IANA name, such as Asia/Shanghai.")
    owners: tuple[str, ...] = Field((), description="Owners of the Dagster assets: an e-mail address or team:NAME.")
    sources: tuple[SourceSettings, ...] = ()
    fields: dict[str, FieldType] = Field({}, description="Columns that sidecars and paths fill: name to type.")
    golden: tuple[GoldenQuestion, ...] = Field((), description="Questions that are asked after each load.")
    schedules: ScheduleSettings = ScheduleSettings()
    retention: RetentionSettings = RetentionSettings()
    search: SearchSettings = SearchSettings()
    server: ServerSettings = ServerSettings()
    reranker: RerankerSettings = RerankerSettings()
    glossary: GlossarySettings = GlossarySettings()
    sglang: SglangSettings = SglangSettings()
    limits: ParsingLimits = ParsingLimits()
    chunking: ChunkingSettings = ChunkingSettings()
    privacy: PrivacySettings = PrivacySettings()
    collections: dict[str, CollectionSettings] = {}

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, value: str) -> str:
        if not is_timezone(value):
            raise ValueError("it is no IANA name of a time zone, such as Asia/Shanghai or UTC")
        return value

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, value: dict[str, FieldType]) -> dict[str, FieldType]:
        complaint = next(filter(None, map(complaint_about_name, value)), None)
        if complaint or len(value) > MOST_FIELDS:
            raise ValueError(complaint or f"there can be {MOST_FIELDS} fields at most")
        return value

    @field_validator("owners")
    @classmethod
    def _are_owners(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for owner in value:
            if not re.fullmatch(r"team:[\w.-]+|[^@\s]+@[^@\s]+\.[^@\s.]+", owner):
                raise ValueError(f"{owner} is neither an e-mail address nor team:NAME")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get(CONFIG_VARIABLE)
        file = Path(named or "kb.toml")
        if named and not file.is_file():
            raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which is not a file; correct it.")
        toml = TomlConfigSettingsSource(settings_cls, file)
        for name in sorted(toml.toml_data):
            if name not in settings_cls.model_fields:
                raise SettingsError(f"{file} sets {_is_no_setting(name, settings_cls.model_fields)}")
        for variables, remedy in ((env_settings, "unset it"), (dotenv_settings, "take it out of .env")):
            _refuse_unknown_variables(getattr(variables, "env_vars", ()), remedy)
        return init_settings, env_settings, dotenv_settings, toml

    @cached_property
    def home_path(self) -> Path:
        """KB_HOME as an absolute path."""
        return self.home.expanduser().resolve()

    def chunking_for(self, collection: str) -> ChunkingSettings:
        specific = self.collections.get(collection)
        return specific.chunking if specific and specific.chunking else self.chunking

    def fusion_weight_for(self, collections: Sequence[str]) -> float:
        """Of a search over `collections` (none: all), which has one weight: their own where they share it."""
        specific = (self.collections.get(name) for name in collections)
        own = {part.fusion_weight if part else None for part in specific}
        weight = own.pop() if len(own) == 1 else None
        return self.search.fusion_weight if weight is None else weight

    def readers_for(self, collection: str) -> dict[str, str]:
        specific = self.collections.get(collection)
        return specific.readers if specific else {}


def fingerprint(*parts: Any) -> str:
    """16 hex digits over the JSON of `parts`."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; a wrong one is a SettingsError that names it."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise SettingsError(f"The settings hold {_is_no_setting(name, _beside(first['loc']))}") from None
        raise SettingsError(
            f"Setting {name} ({_variable(name)}) is wrong: {first['msg']}. Correct it and try again."
        ) from None
    except ValueError as error:
        raise SettingsError(f"kb.toml or .env cannot be read: {error}. Correct the file and try again.") from None


def _variable(name: str) -> str:
    """The variable of a setting whose name in kb.toml is `name`, with a dot before each key of a table."""
    return PREFIX + re.sub(r"\W", "_", name.replace(".", "__")).upper()


def _is_no_setting(name: str, known: Iterable[str], remedy: str = "remove it") -> str:
    """The rest of a sentence about a name that is none of `known`, with the one that may be meant."""
    close = get_close_matches(name, known, n=1)
    return f"{name}, which is no setting; {f'write {close[0]} if that is meant, or ' if close else ''}{remedy}."


def _refuse_unknown_variables(names: Iterable[str], remedy: str) -> None:
    """Raises SettingsError when one of these variables begins like ours and is none."""
    known = {CONFIG_VARIABLE: False, **dict(_variables(Settings, PREFIX))}
    open_ended = tuple(f"{name}__" for name, may_go_on in known.items() if may_go_on)
    for name in sorted(map(str.upper, names)):
        if name.startswith(PREFIX) and name not in known and not name.startswith(open_ended):
            raise SettingsError(f"The environment holds {_is_no_setting(name, known, remedy)}")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, bool]]:
    """Every variable that sets something of `model`, and whether names of any kind may follow two underscores."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable, get_origin(field.annotation) is dict
        if _is_model(field.annotation):
            yield from _variables(field.annotation, f"{variable}__")


def _beside(location: Sequence[int | str]) -> list[str]:
    """The full names of the settings that there are in the table of an unknown one."""
    model: type[BaseModel] = Settings
    path = iter(location[:-1])
    for part in path:
        annotation = model.model_fields[str(part)].annotation
        if get_origin(annotation) in (dict, tuple):
            next(path, None)  # the key of a table of tables, or the place in a list
        model = next(one for one in (annotation, *get_args(annotation)) if _is_model(one))
    table = "".join(f"{part}." for part in location[:-1])
    return [f"{table}{name}" for name in model.model_fields]


def _is_model(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
