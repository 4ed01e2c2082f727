"""A site: the settings together with the database and the embedding server they lead to.

Opening a site is where effects begin: an embedded PostgreSQL is started when no URL is set, and the
schema is brought up to date. The embedding server is only reached for when it is first needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from kb_pipeline.chunking.lexemes import TOKENIZER_VERSION
from kb_pipeline.errors import EmbeddingServerUnavailable
from kb_pipeline.parsing.parsed import ParseLimits
from kb_pipeline.privacy.entities import PRESETS
from kb_pipeline.privacy.key import load_or_create_key, require_key
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy, SiteTerms
from kb_pipeline.privacy.pseudonyms import key_id
from kb_pipeline.settings import (
    CHUNK_CODE_VERSION,
    PARSE_CODE_VERSION,
    ChunkingSettings,
    Settings,
    fingerprint,
)
from kb_pipeline.source.kinds import Sources
from kb_pipeline.source.names import Names
from kb_pipeline.store import database
from kb_pipeline.store.database import Connection
from kb_pipeline.store.ledger import ParsePolicy, Scope, StageFingerprints

if TYPE_CHECKING:
    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.embedding.client import EmbeddingClient, ModelIdentity
    from kb_pipeline.embedding.models import ExpectedModel
    from kb_pipeline.parsing.exchange import Choice
    from kb_pipeline.parsing.sandbox import ParserPool
    from kb_pipeline.search.rerank import Reranker

MOST_PARSER_PROCESSES = 8


@dataclass
class Site:
    """Use as a context manager: connections and the client are closed, and the lease is given back."""

    settings: Settings
    database_url: str
    _resources: ExitStack = field(default_factory=ExitStack, repr=False)
    lasting: Site | None = field(default=None, repr=False)  # what `for_one_call` was asked of
    _embeddings: dict[str | None, EmbeddingClient] = field(default_factory=dict, repr=False)

    def connect(self, *, autocommit: bool = True) -> Connection:
        """A new connection, closed with the site at the latest."""
        return self._resources.enter_context(database.connect(self.database_url, autocommit=autocommit))

    @cached_property
    def embedding(self) -> EmbeddingClient:
        """The client, connected at first use. Raises EmbeddingServerUnavailable, SettingsError."""
        if self.lasting is not None:
            return self.lasting.embedding
        return self._resources.enter_context(connect_embedding(self.settings))

    def embedding_of(self, collection: str | None) -> EmbeddingClient:
        """The client of the server that embeds a collection with a generation of its own; None: of all others'.

        Connected at first use. Raises EmbeddingServerUnavailable, SettingsError.
        """
        part = self.settings.collections.get(collection) if collection is not None else None
        if collection is None or part is None or part.embedding_url is None:
            return self.embedding
        if collection not in self._embeddings:
            if self.lasting is not None:
                client = self.lasting.embedding_of(collection)
            else:
                client = self._resources.enter_context(connect_embedding(self.settings.for_generation(collection)))
            self._embeddings[collection] = client
        return self._embeddings[collection]

    @cached_property
    def reranker(self) -> Reranker | None:
        """The site's reranker, if it has one; it is asked when a search needs it."""
        if self.lasting is not None:
            return self.lasting.reranker
        return configured_reranker(self.settings)

    def model_now(self, *, ask: bool, collection: str | None = None) -> ModelIdentity | str | None:
        """The model that embeds: by the server that was asked already, or if `ask` is elsewhere; else by the settings.

        `collection`: of one with a generation of its own. Starts nothing. None when only a server that does not answer
        can tell.
        """
        settings = self.settings.for_generation(collection)
        was_asked = "embedding" in self.__dict__ if settings.embedding_url == self.settings.embedding_url else False
        if was_asked or collection in self._embeddings or (ask and settings.embedding_url is not None):
            with suppress(EmbeddingServerUnavailable):
                return self.embedding_of(collection).identity
        return configured_model(settings)

    @cached_property
    def maskers(self) -> Maskers:
        """Mask personal data with this site's key, which is made at first use.

        Raises SettingsError when the database was masked with another.
        """
        if self.lasting is not None:
            return self.lasting.maskers
        with database.connect(self.database_url, autocommit=True) as connection:
            recorded = database.recorded_key(connection)
        if recorded is not None:
            require_key(self.settings.home_path, given_key(self.settings), recorded)
        return site_maskers(self.settings)

    def record_key(self, connection: Connection) -> None:
        """Have the database remember this site's key before anything is stored under it. Raises SettingsError."""
        database.record_key(connection, key_id(self.maskers.default.key))
        recorded = database.recorded_key(connection)
        if recorded is not None:  # another site may have been faster
            require_key(self.settings.home_path, given_key(self.settings), recorded)

    @cached_property
    def sources(self) -> Sources:
        """The sources as the settings say."""
        return Sources(self.settings, self.database_url)

    @cached_property
    def names(self) -> Names:
        """How paths are stored, and which files they mean."""
        return Names(self.maskers, self.sources)

    def scope(self, shards: Sequence[str] | None = None) -> Scope:
        """The shards from the first to the last of `shards` (all by default), and what is asked of their documents."""
        settings = self.settings
        digits = settings.shard_digits
        return Scope(
            digits=digits,
            first=min(shards) if shards else "0" * digits,
            last=max(shards) if shards else "f" * digits,
            fingerprints=self._fingerprints(settings.chunking, self.maskers.default, {}),
            collection_fingerprints={
                name: self._fingerprints(settings.chunking_for(name), self.maskers.of(name), settings.readers_for(name))
                for name in settings.collections
            },
        )

    def parse_policies(self) -> list[ParsePolicy]:
        """What the parse fingerprints that this site asks for stand for."""
        asked_for: list[tuple[Masker, Choice]] = [(self.maskers.default, {})]
        asked_for += [(self.maskers.of(name), part.readers) for name, part in self.settings.collections.items()]
        distinct = {self._parse_fingerprint(*each): each for each in asked_for}
        return [
            ParsePolicy(parse, self.parse_version(readers), masker.policy_json)
            for parse, (masker, readers) in distinct.items()
        ]

    def parse_version(self, readers: Choice | None = None) -> str:
        """All that parsing depends on besides the policy; see `ledger.ParsePolicy`.

        It must be equal for one policy's elements to be masked further into another's.
        """
        return fingerprint("parse", PARSE_CODE_VERSION, key_id(self.maskers.default.key), *_identities(readers or {}))

    def _parse_fingerprint(self, masker: Masker, readers: Choice) -> str:
        return fingerprint("parse", PARSE_CODE_VERSION, masker.fingerprint_parts, *_identities(readers))

    def _fingerprints(self, chunking: ChunkingSettings, masker: Masker, readers: Choice) -> StageFingerprints:
        return StageFingerprints(
            parse=self._parse_fingerprint(masker, readers),
            chunk=fingerprint("chunk", CHUNK_CODE_VERSION, TOKENIZER_VERSION, chunking.model_dump()),
        )

    def for_one_call(self) -> Site:
        """The same site with connections of its own, closed with it; embedding client and maskers are this one's."""
        return Site(self.settings, self.database_url, lasting=self)

    @cached_property
    def parsers(self) -> ParserPool:
        """The parser processes, started as they are needed and kept until the site is closed."""
        return self._resources.enter_context(parser_pool(self.settings))

    @cached_property
    def scratch(self) -> Path:
        """A private folder for temporary files."""
        folder = self.settings.home_path / "tmp"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _identities(readers: Choice) -> list[dict[str, str]]:
    """Nothing for our own readers, whose version is PARSE_CODE_VERSION."""
    if not readers:
        return []
    from kb_pipeline.parsing.exchange import choice_identity

    return [choice_identity(readers)]


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


def parser_pool(settings: Settings, processes: int | None = None) -> ParserPool:
    """Parser processes with the limits of the settings; as many as these say, unless `processes` does."""
    from kb_pipeline.parsing.sandbox import ParserPool

    most = processes or settings.parser_processes or min(os.cpu_count() or 1, MOST_PARSER_PROCESSES)
    return ParserPool(most, ParseLimits(**settings.limits.model_dump()))


def database_url(settings: Settings) -> str:
    """The configured URL, or that of the embedded server, which is started when it is not running."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    from kb_pipeline.services.postgres import ensure_postgres

    return ensure_postgres(settings.home_path, idle_seconds=settings.idle_seconds)


def connect_embedding(settings: Settings) -> EmbeddingClient:
    """A new client of the embedding server; starts it when no URL is set.

    Raises EmbeddingServerUnavailable, SettingsError.
    """
    from kb_pipeline.embedding.client import EmbeddingClient

    url, expected = _embedding_server(settings)
    return EmbeddingClient.connect(url, api_key=embedding_key(settings), expected_model=expected)


def configured_reranker(settings: Settings) -> Reranker | None:
    part = settings.reranker
    if part.url is None:
        return None
    from kb_pipeline.search.rerank import Reranker

    return Reranker(
        url=part.url,
        model=part.model,
        api_key=part.api_key.get_secret_value() if part.api_key else None,
        depth=part.depth,
        budget=part.budget_ms / 1000,
        instruction=part.instruction,
    )


def configured_answerer(settings: Settings) -> Answerer | None:
    """What writes answers, where the site has a chat server for it; that is asked when an answer is wanted."""
    part = settings.answers
    if part.url is None or part.model is None:
        return None
    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.answers.chat import ChatServer

    chat = ChatServer(
        url=part.url,
        model=part.model,
        api_key=part.api_key.get_secret_value() if part.api_key else None,
        silence=part.silent_seconds,
        longest=part.longest_seconds,
        most_tokens=part.most_tokens,
    )
    return Answerer(chat, part.prompt, part.passages, part.passage_tokens)


def configured_model(settings: Settings) -> str | None:
    """The name of the model that the settings ask for; None when a server elsewhere decides."""
    from kb_pipeline.embedding.models import DEFAULT_CPU_MODEL

    if settings.embedding_url is not None:
        return settings.embedding_model
    return settings.sglang.model or settings.embedding_model or DEFAULT_CPU_MODEL


def embedding_key(settings: Settings) -> str | None:
    key = settings.embedding_api_key
    return key.get_secret_value() if key else None


def _embedding_server(settings: Settings) -> tuple[str, ExpectedModel | None]:
    """Where the server is, and what it has to serve: the configured one; else this machine's SGLang, if the site
    has a model for it; else the CPU server. The last two are started when they are not running.
    """
    from kb_pipeline.embedding.models import ExpectedModel

    if settings.embedding_url is not None:
        return settings.embedding_url, ExpectedModel(settings.embedding_model) if settings.embedding_model else None
    if settings.sglang.model is not None:
        from kb_pipeline.services.sglang import ensure_sglang, wanted_model

        model = wanted_model(settings.home_path, settings.sglang)
        url = ensure_sglang(settings.home_path, settings.sglang, model, embedding_key(settings))
        remedy = "correct KB_SGLANG__MODEL, or run kb server stop and then kb server start"
        return url, ExpectedModel(model.name, model.revision, model.path, remedy)
    from kb_pipeline.services.embedding import ensure_embedding_server

    url = ensure_embedding_server(
        settings.home_path, model=settings.embedding_model, idle_seconds=settings.idle_seconds
    )
    return url, None


def given_key(settings: Settings) -> str | None:
    """The privacy key of the settings; None means the file in KB_HOME."""
    return settings.privacy_key.get_secret_value() if settings.privacy_key else None


def site_maskers(settings: Settings) -> Maskers:
    """The maskers of a site; needs no database. Raises SettingsError when the key is unusable."""
    secret = load_or_create_key(settings.home_path, given_key(settings))
    lists = settings.privacy
    terms = SiteTerms(lists.allow, lists.allow_patterns, lists.deny, lists.deny_patterns)
    default = lists.actions(dict(PRESETS["default"]))
    own = {name: part.privacy for name, part in settings.collections.items() if part.privacy is not None}
    return Maskers(
        Masker(MaskingPolicy(default, terms, lists.ner_model), secret),
        {
            name: Masker(MaskingPolicy(policy.actions(default), terms, lists.ner_model), secret)
            for name, policy in own.items()
        },
    )
