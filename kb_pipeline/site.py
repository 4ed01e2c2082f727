"""A site: the settings together with the database and the embedding server they lead to.

Opening a site is where effects begin: an embedded PostgreSQL is started when no URL is set, and the
schema is brought up to date. The embedding server is only reached for when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import TOKENIZER_VERSION
from kb_pipeline.privacy.key import load_or_create_key
from kb_pipeline.privacy.masking import Masker, MaskingPolicy
from kb_pipeline.settings import (
    CHUNK_CODE_VERSION,
    PARSE_CODE_VERSION,
    ChunkingSettings,
    Settings,
    fingerprint,
)
from kb_pipeline.source.listing import shard_names
from kb_pipeline.store import database
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import Scope, StageFingerprints

if TYPE_CHECKING:
    from kb_pipeline.embedding.client import EmbeddingClient


@dataclass
class Site:
    """Use as a context manager: connections and the client are closed, and the lease is given back."""

    settings: Settings
    database_url: str
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)

    def connect(self, *, autocommit: bool = True) -> Connection:
        """A new connection, closed with the site at the latest."""
        return self._resources.enter_context(database.connect(self.database_url, autocommit=autocommit))

    @cached_property
    def embedding(self) -> EmbeddingClient:
        """The client, connected at first use. Raises EmbeddingServerUnavailable, SettingsError."""
        return self._resources.enter_context(connect_embedding(self.settings))

    @cached_property
    def masker(self) -> Masker:
        """Masks personal data with this site's key, which is made at first use."""
        return site_masker(self.settings)

    def scope(self, shards: Sequence[str] | None = None) -> Scope:
        """`shards` (all of them by default), and what the settings ask of their documents."""
        settings = self.settings
        return Scope(
            digits=settings.shard_digits,
            shards=shard_names(settings.shard_digits) if shards is None else shards,
            fingerprints=self._fingerprints(settings.chunking),
            collection_fingerprints={
                name: self._fingerprints(settings.chunking_for(name)) for name in settings.collections
            },
        )

    def _fingerprints(self, chunking: ChunkingSettings) -> StageFingerprints:
        return StageFingerprints(
            parse=fingerprint("parse", PARSE_CODE_VERSION, self.masker.fingerprint_parts),
            chunk=fingerprint("chunk", CHUNK_CODE_VERSION, TOKENIZER_VERSION, chunking.model_dump()),
        )

    @cached_property
    def scratch(self) -> Path:
        """A private folder for temporary files."""
        folder = self.settings.home_path / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()


def open_site(settings: Settings) -> Site:
    """Reach the database of `settings`, starting the embedded one when needed, and migrate it.

    Raises DatabaseUnavailable.
    """
    from kb_pipeline.services import lease

    resources = ExitStack()
    resources.enter_context(lease.hold(settings.home_path))
    try:
        url = database_url(settings)
        database.migrate(url)
    except BaseException:
        resources.close()
        raise
    return Site(settings, url, resources)


def database_url(settings: Settings) -> str:
    """The configured URL, or that of the embedded server, which is started when it is not running."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    from kb_pipeline.services.postgres import ensure_postgres

    return ensure_postgres(settings.home_path, idle_seconds=settings.idle_seconds)


def embedding_url(settings: Settings) -> str:
    """The configured URL, or that of the CPU server, which is started when it is not running."""
    if settings.embedding_url is not None:
        return settings.embedding_url
    from kb_pipeline.services.embedding import ensure_embedding_server

    return ensure_embedding_server(
        settings.home_path, model=settings.embedding_model, idle_seconds=settings.idle_seconds
    )


def connect_embedding(settings: Settings) -> EmbeddingClient:
    """A new client of the embedding server; starts the CPU server when no URL is set.

    Raises EmbeddingServerUnavailable, SettingsError.
    """
    from kb_pipeline.embedding.client import EmbeddingClient

    key = settings.embedding_api_key
    return EmbeddingClient.connect(
        embedding_url(settings),
        api_key=key.get_secret_value() if key else None,
        expected_model=settings.embedding_model if settings.embedding_url else None,
    )


def site_masker(settings: Settings) -> Masker:
    """The masker of a site; needs no database. Raises SettingsError when the key is unusable."""
    key = settings.privacy_key
    given = key.get_secret_value() if key else None
    return Masker(MaskingPolicy(), load_or_create_key(settings.home_path, given))
