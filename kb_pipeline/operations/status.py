"""The state of the knowledge base at a glance."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from kb_pipeline.operations.agreement import disagreements
from kb_pipeline.operations.ingest import pending_reasons
from kb_pipeline.operations.server import CPU, kind
from kb_pipeline.services.daemon import EMBEDDING, SGLANG, running
from kb_pipeline.services.sglang import Health, base_url, health_at
from kb_pipeline.settings import Settings
from kb_pipeline.site import Site
from kb_pipeline.store import database, descriptions, fields, generations, ledger


def status(site: Site) -> dict[str, Any]:
    """Documents, chunks, vectors, pending, failed, generations, sources and servers."""
    connection = site.connect()
    scope = site.scope()
    active = generations.active_generations(connection)
    reasons = pending_reasons(site, connection)
    collections = ledger.document_figures(connection, scope).by_collection()
    counts = fields.counts(connection)
    return {
        "documents": ledger.count_documents(connection),
        "chunks": sum(row["chunks"] for row in collections),
        "vectors": sum(generation.row_count for generation in active),
        "pending": sum(reasons.values()),
        "pending_reasons": reasons,
        "failed": ledger.count_failures(connection, scope),
        "sidecars_failed": descriptions.count_failures(connection),
        "fields": [
            {"name": name, "type": kind, "documents": counts[name]}
            for name, kind in fields.declared(connection).items()
        ],
        "collections": collections,
        "generations": generations.summaries(connection),
        "sources": [
            {"uri": source.uri, "scanned_at": source.scanned_at.isoformat() if source.scanned_at else None}
            for source in ledger.sources(connection)
        ],
        "servers": servers(site),
        "notes": disagreements(site, connection),
    }


def servers(site: Site) -> list[dict[str, Any]]:
    """Where the database and the embedding server are. A local one that is not running starts when needed."""
    embedded = site.settings.database_url is None
    return [
        {
            "name": "postgres",
            "kind": "embedded" if embedded else "your own",
            # The embedded one has no password, and whoever wants to look at it needs its socket.
            "address": site.database_url if embedded else database.display_url(site.database_url),
            "running": True,
        },
        {"name": "embedding", "kind": kind(site.settings), **_embedding(site.settings)},
    ]


def _embedding(settings: Settings) -> dict[str, Any]:
    """`address`, None when there is none yet, and `running`, which is believed of a server that is elsewhere."""
    if settings.embedding_url is not None:
        urls = settings.embedding_url.split(",")
        return {"address": ", ".join(_without_credentials(url.strip()) for url in urls), "running": True}
    name = EMBEDDING if kind(settings) == CPU else SGLANG
    local = {state.name: state.url for state in running(settings.home_path)}
    if name not in local and name == SGLANG and health_at(settings.sglang) is Health.READY:
        return {"address": base_url(settings.sglang), "running": True}
    return {"address": local.get(name), "running": name in local}


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
