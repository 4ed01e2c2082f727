"""Stage 4: every text of the chunks gets a vector under the generation's model, once.

A *refresh* works for the active generations and refuses a server that runs another model. A *rebuild*
works for those that the settings and the servers now describe, and makes them when they are missing; so does a
refresh while there is no active one, or it holds nothing of what there is. A collection gets the generation of its own
that the settings ask for by itself as long as no other holds anything of it; later it has to be built.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import fields, replace
from urllib.parse import urlsplit

import numpy as np

from kb_pipeline.embedding.client import EmbeddedText, EmbeddingClient, ModelIdentity, RejectedText, Result, Usage
from kb_pipeline.embedding.models import require_dimension
from kb_pipeline.errors import GenerationMismatch, TextRejected
from kb_pipeline.progress import Track, track
from kb_pipeline.services import gpu
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.stages.report import StageReport
from kb_pipeline.stages.throughput import Throughput
from kb_pipeline.store import generations, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.generations import WIDEST_DEFAULT, Generation, GenerationKey
from kb_pipeline.system.hosts import is_loopback

STAGE = "embeddings"
COMMIT_TEXTS = 512
MOST_SPANS = 20  # of the run's throughput, each a row to look at


def generation_key(identity: ModelIdentity, settings: Settings, collection: str | None = None) -> GenerationKey:
    """The generation that `settings` and the server ask for; `collection`: the one that it is for alone, whose settings
    they are. Raises SettingsError for a dimension that the model has not or was not trained for."""
    require_dimension(identity.name, identity.native_dimension, settings.dimension, collection)
    return GenerationKey(
        model_fingerprint=identity.fingerprint,
        model=identity.name,
        native_dimension=identity.native_dimension,
        dimension=settings.dimension or min(identity.native_dimension, WIDEST_DEFAULT),
        query_instruction=settings.query_instruction,
        collection_instructions={
            name: part.query_instruction
            for name, part in settings.collections.items()
            if part.query_instruction is not None
        },
        collection=collection,
    )


def site_key(site: Site, collection: str | None = None) -> GenerationKey:
    """The generation that the site's settings ask for, of all collections or of one alone; asks the server."""
    return generation_key(site.embedding_of(collection).identity, site.settings.for_generation(collection), collection)


def target_generations(site: Site, connection: Connection, *, rebuild: bool) -> list[Generation]:
    """The generations that a run works for, the shared one first; see the module's docstring."""
    targets = [_shared(site, connection, rebuild=rebuild)]
    active = {generation.collection: generation for generation in generations.active_generations(connection)}
    asked_for = site.settings.own_generations
    there = set(ledger.collections(connection)) if asked_for else set()
    for collection in asked_for:
        key = site_key(site, collection) if collection in there and (rebuild or collection not in active) else None
        if key is None or (key.model_fingerprint, key.dimension) == targets[0].space:
            continue
        if rebuild or not generations.is_shared(connection, collection):
            active[collection] = generations.ensure_generation(connection, key)
            generations.activate_first(connection, active[collection])
    named = sorted(name for name in active if name is not None)
    return targets + [generations.named_generation(connection, active[name].name) for name in named]


def _shared(site: Site, connection: Connection, *, rebuild: bool) -> Generation:
    if not rebuild:
        active = generations.active_generation(connection)
        if active is not None and not generations.serves_nothing(connection, active):
            return active
    return generations.ensure_generation(connection, site_key(site))


def require_model(identity: ModelIdentity, generation: Generation) -> None:
    """Raises GenerationMismatch when the server's vectors cannot be mixed with the generation's."""
    if identity.fingerprint != generation.model_fingerprint:
        raise GenerationMismatch(generation.name, generation.model, identity.name)


def run(
    site: Site, shards: Sequence[str] | None, *, rebuild: bool = False, target: Generation | None = None
) -> StageReport:
    """Embed what has no vector; commits every few hundred texts. `target`: for this generation instead.

    Raises EmbeddingServerUnavailable, GenerationMismatch; what was committed stays.
    """
    started = time.monotonic()
    report = StageReport.of(
        *("tokens_estimated", "texts_embedded", "texts_reused", "texts_rejected", "texts_averaged", "failed"),
        *("tokens_embedded", "requests", "retries"),
    )
    scope = site.scope(shards)
    with site.connect() as reader, site.connect() as writer:
        targets = [target] if target else target_generations(site, reader, rebuild=rebuild)
        report.details |= {
            "model": ", ".join(dict.fromkeys(generation.model for generation in targets)),
            "generation": ", ".join(generation.name for generation in targets),
        }
        for model, of_model in _by_model(targets).items():
            ids = [generation.id for generation in of_model]
            totals = ledger.pending_text_totals(reader, scope, ids, model)
            report.counts.update(tokens_estimated=totals.tokens, texts_reused=totals.reused)
            if not totals.texts:
                continue
            client = site.embedding_of(of_model[0].collection)
            require_model(client.identity, of_model[0])
            with _measuring(site, client, report) as throughput, track("embedding texts", totals.texts) as progress:
                results = client.embed(ledger.pending_texts(reader, scope, ids, model))
                _commit(writer, model, _advancing(results, progress, client.usage, throughput), report)
    report.seconds = time.monotonic() - started
    return report


def _by_model(targets: Sequence[Generation]) -> dict[str, list[Generation]]:
    found: dict[str, list[Generation]] = {}
    for generation in targets:
        found.setdefault(generation.model_fingerprint, []).append(generation)
    return found


@contextmanager
def _measuring(site: Site, client: EmbeddingClient, report: StageReport) -> Iterator[Throughput]:
    """Put into the report, however the block ends, what the client and the cards did meanwhile."""
    usage, throughput, begun = client.usage, Throughput(), time.monotonic()
    before = replace(usage)
    with gpu.sampled() if _on_this_machine(site.settings) else nullcontext(gpu.Samples()) as cards:
        try:
            yield throughput
        finally:
            seconds = time.monotonic() - begun
            spent = Usage(**{one.name: getattr(usage, one.name) - getattr(before, one.name) for one in fields(Usage)})
            report.counts.update(
                tokens_embedded=spent.tokens,
                requests=spent.requests,
                retries=spent.retries,
                texts_averaged=spent.averaged,
            )
            report.details |= {
                "tokens_per_second": spent.tokens / seconds if seconds > 0 else 0.0,
                "padding_share": spent.padding_share,
                "throughput": throughput.rows(seconds, spent.tokens, MOST_SPANS),
            }
    report.details |= {"gpu_utilization": cards.utilization, "gpu_memory_mb": cards.memory_used}


def _on_this_machine(settings: Settings) -> bool:
    """Whether the cards of this machine are those that embed."""
    urls = (settings.embedding_url or "").split(",")
    return settings.embedding_url is None or all(is_loopback(urlsplit(url.strip()).hostname or "") for url in urls)


def _advancing(results: Iterable[Result], progress: Track, usage: Usage, throughput: Throughput) -> Iterator[Result]:
    begun, first = time.monotonic(), usage.tokens
    told = first
    for result in results:
        progress.advance(tokens=usage.tokens - told)
        told = usage.tokens
        throughput.note(time.monotonic() - begun, told - first)
        yield result


def _commit(connection: Connection, model: str, results: Iterable[Result], report: StageReport) -> None:
    """Store results as they come; when the server goes away, what it answered until then is stored, too."""
    embedded: list[EmbeddedText] = []
    failed: set[int] = set()
    try:
        for result in results:
            if isinstance(result, RejectedText):
                failed |= _record_rejection(connection, result, model)
                report.counts["texts_rejected"] += 1
                continue
            embedded.append(result)
            if len(embedded) >= COMMIT_TEXTS:
                full, embedded = embedded, []
                _store(connection, model, full, report)
    finally:
        _store(connection, model, embedded, report)
        report.counts["failed"] += len(failed)


def _store(connection: Connection, model: str, embedded: list[EmbeddedText], report: StageReport) -> None:
    if embedded:
        vectors = np.stack([result.vector for result in embedded])
        ledger.insert_embeddings(connection, model, [result.key for result in embedded], vectors)
        report.counts["texts_embedded"] += len(embedded)


def _record_rejection(connection: Connection, rejected: RejectedText, model: str) -> set[int]:
    """Fail the documents that hold the text, and return their ids."""
    error = TextRejected(rejected.reason)
    with connection.transaction():
        versions = dict(ledger.documents_with_texts(connection, [rejected.key]))
        there = ledger.lock_documents(connection, versions)
        failed = [(document, f"{versions[document]}:{model}", error) for document in there]
        ledger.record_failures(connection, STAGE, failed)
    return set(there)
