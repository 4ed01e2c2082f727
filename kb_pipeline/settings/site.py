"""All settings of a site, and where they come from."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kb_pipeline.errors import SettingsError
from kb_pipeline.fields.declaration import MOST_FIELDS, FieldType, complaint_about_name
from kb_pipeline.settings.alerts import AlertSettings
from kb_pipeline.settings.base import EmptyIsUnset
from kb_pipeline.settings.documents import (
    AccessSettings,
    ChunkingSettings,
    CollectionSettings,
    ParsingLimits,
    PrivacySettings,
    SourceSettings,
)
from kb_pipeline.settings.names import (
    CONFIG_VARIABLE,
    PREFIX,
    is_no_setting,
    names_beside,
    refuse_unknown_variables,
    variable_of,
)
from kb_pipeline.settings.searching import (
    AnswerSettings,
    GlossarySettings,
    GoldenQuestion,
    QualitySettings,
    RerankerSettings,
    SearchSettings,
)
from kb_pipeline.settings.servers import ServerSettings, SglangSettings
from kb_pipeline.settings.time import RetentionSettings, ScheduleSettings, is_timezone, local_timezone


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
    quality: QualitySettings = QualitySettings()
    server: ServerSettings = ServerSettings()
    reranker: RerankerSettings = RerankerSettings()
    alerts: AlertSettings = AlertSettings()
    glossary: GlossarySettings = GlossarySettings()
    answers: AnswerSettings = AnswerSettings()
    sglang: SglangSettings = SglangSettings()
    limits: ParsingLimits = ParsingLimits()
    chunking: ChunkingSettings = ChunkingSettings()
    privacy: PrivacySettings = PrivacySettings()
    collections: dict[str, CollectionSettings] = {}
    access: tuple[AccessSettings, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, value: str) -> str:
        if not is_timezone(value):
            raise ValueError("it is no IANA name of a time zone, such as Asia/Shanghai or UTC")
        return value

    @field_validator("sources")
    @classmethod
    def _are_complete(cls, value: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        uris = [source.uri for source in value]
        if len(set(uris)) < len(uris):
            raise ValueError("two have the same uri; where it is a database, let each query have a #name at its end")
        if any(source.is_table and not source.query for source in value):
            raise ValueError("a source postgresql://… needs a query, whose columns are key, text and others")
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
                raise SettingsError(f"{file} sets {is_no_setting(name, settings_cls.model_fields)}")
        for variables, remedy in ((env_settings, "unset it"), (dotenv_settings, "take it out of .env")):
            refuse_unknown_variables(getattr(variables, "env_vars", ()), settings_cls, remedy)
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

    @property
    def access_rules(self) -> list[tuple[str, tuple[str, ...]]]:
        """(what it is about, groups) of all that is said here of who may read."""
        of_collections = [(name, own.groups) for name, own in self.collections.items() if own.groups is not None]
        return [(rule.path, rule.groups) for rule in self.access] + of_collections

    def for_generation(self, collection: str | None) -> Settings:
        """As they are for the generation of this collection alone; None: for the one that all others share.

        Where the collection has a server of its own, the dimension of the others means nothing to its model.
        """
        specific = self.collections.get(collection) if collection is not None else None
        if collection is None:
            return self
        if specific is None:
            return self.model_copy(update={"collections": {}})
        own: dict[str, Any] = {"collections": {}, "dimension": specific.dimension or self.dimension}
        if specific.query_instruction is not None:
            own["query_instruction"] = specific.query_instruction
        if specific.embedding_url is not None:
            own |= {
                "dimension": specific.dimension,
                "embedding_url": specific.embedding_url,
                "embedding_model": specific.embedding_model,
                "embedding_api_key": specific.embedding_api_key,
            }
        return self.model_copy(update=own)

    @property
    def own_generations(self) -> list[str]:
        """The collections that ask for a generation of their own."""
        return [name for name, part in self.collections.items() if part.has_generation]

    def readers_for(self, collection: str) -> dict[str, str]:
        specific = self.collections.get(collection)
        return specific.readers if specific else {}


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; a wrong one is a SettingsError that names it."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            raise SettingsError(
                f"The settings hold {is_no_setting(name, names_beside(first['loc'], Settings))}"
            ) from None
        raise SettingsError(
            f"Setting {name} ({variable_of(name)}) is wrong: {first['msg']}. Correct it and try again."
        ) from None
    except ValueError as error:
        raise SettingsError(f"kb.toml or .env cannot be read: {error}. Correct the file and try again.") from None
