"""Taking a source, and its documents, out of the knowledge base."""

from __future__ import annotations

from dataclasses import dataclass

from kb_pipeline.errors import KbError, SettingsError
from kb_pipeline.operations.sources import configured_sources
from kb_pipeline.site import Site
from kb_pipeline.source.listing import canonical_uri
from kb_pipeline.stages.knowledge_chunks import purge
from kb_pipeline.store import generations, ledger


@dataclass(frozen=True, slots=True)
class RemovedSource:
    uri: str
    documents: int


def remove(site: Site, path: str) -> RemovedSource:
    """Take a source and its documents out of the knowledge base; its vectors stay for as long as
    the settings keep what is unused, should it come back.

    Raises SettingsError when there is no such source, or kb.toml would bring it back; KbError when a run is at
    work on its documents.
    """
    connection = site.connect()
    known = {source.uri: source for source in ledger.sources(connection)}
    source = known.get(path) or known.get(canonical_uri(path))
    if source is None:
        raise SettingsError(f"There is no source {path}; kb sources lists those there are.")
    if source.uri in configured_sources(site.settings):
        raise SettingsError(f"kb.toml names the source {source.uri}; take it out there, then remove it here.")
    with ledger.source_lock(connection, source.id):
        documents = ledger.delete_source_documents(connection, source.id)
        purge(connection, site.scope())
        if not ledger.delete_source(connection, source.id):
            raise KbError(f"A run is at work on documents of {source.uri}; remove it again when the run has ended.")
    for generation in generations.active_generations(connection):
        generations.refresh_statistics(connection, generation)
    return RemovedSource(source.uri, documents)
