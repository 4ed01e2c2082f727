"""Which sources there are, and which of them a call is about."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import permutations
from pathlib import Path

from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import Settings
from kb_pipeline.source.kinds import is_configured_only
from kb_pipeline.source.listing import canonical_uri, is_folder, is_local
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """`configured`: kb.toml names it, so it comes back when it is removed here only."""

    uri: str
    scanned_at: datetime | None
    documents: int
    configured: bool


def summaries(connection: Connection, settings: Settings) -> list[SourceSummary]:
    """The sources of the ledger."""
    configured = configured_sources(settings)
    documents = ledger.documents_by_source(connection)
    return [
        SourceSummary(source.uri, source.scanned_at, documents.get(source.id, 0), source.uri in configured)
        for source in ledger.sources(connection)
    ]


def known_sources(connection: Connection, settings: Settings) -> list[str]:
    """The URIs of the ledger's sources and of those that kb.toml adds; registers nothing.

    Raises SettingsError when one holds another, whose documents would be there twice.
    """
    known = [source.uri for source in ledger.sources(connection)]
    known += configured_sources(settings)
    for outer, inner in permutations(dict.fromkeys(known), 2):
        if _holds(outer, inner) and not _is_in_home(inner, settings.home_path):
            raise SettingsError(
                f"The source {outer} holds the source {inner}, whose documents would be there twice; take one of "
                "them out of kb.toml."
            )
    return list(dict.fromkeys(known))


def register_configured(connection: Connection, settings: Settings) -> None:
    """Make the sources of kb.toml known to the ledger. Raises SettingsError."""
    if settings.sources:
        register(connection, known_sources(connection, settings))


def register(connection: Connection, uris: Sequence[str]) -> None:
    """Make sources known to the ledger; those that are stay as they are."""
    for uri in uris:
        ledger.register_source(connection, uri)


def resolve(path: str, known: Sequence[str], home: Path | None = None) -> tuple[str, str]:
    """(source uri, path inside it, '' for all of it) that `path` means, given the known source URIs and KB_HOME.

    A folder that no source holds becomes a source. Raises SettingsError for anything else that no
    source holds, and for a folder around a source, whose documents would be there twice.
    """
    uri = canonical_uri(path)
    # A link inside a source is a folder of that source, wherever it leads.
    for spelling in dict.fromkeys([os.path.abspath(path) if is_local(uri) else uri, uri]):  # noqa: PTH100 - keeps links
        for source in sorted(known, key=len, reverse=True):
            if spelling == source or _holds(source, spelling):
                return source, spelling[len(source) :].strip("/")
    inside = next((source for source in known if _holds(uri, source) and not _is_in_home(source, home)), None)
    if inside is not None:
        raise SettingsError(
            f"{uri} holds the source {inside}, whose documents would then be there twice; name {inside}."
        )
    if is_configured_only(uri):
        raise SettingsError(f"{path} is a source that needs settings; name it under [[sources]] in kb.toml.")
    if is_local(uri) and not is_folder(uri):
        if os.path.lexists(uri):
            raise SettingsError(f"{path} is a file outside every source; name the folder that holds it.")
        raise SettingsError(f"There is no folder {path}; check the spelling.")
    return uri, ""


def limits(path: str | None, known: Sequence[str], home: Path | None = None) -> Mapping[str, str]:
    """What a call is limited to: {source uri: path inside it, '' for all of it}.

    Raises SettingsError when there is no source at all, and what `resolve` raises.
    """
    if path is None:
        if not known:
            raise SettingsError("There is no source yet; name a folder: kb ingest FOLDER.")
        return dict.fromkeys(known, "")
    uri, inside = resolve(path, known, home)
    return {uri: inside}


def configured_sources(settings: Settings) -> list[str]:
    """The URIs under [[sources]] in kb.toml."""
    return [canonical_uri(source.uri) for source in settings.sources]


def _is_in_home(source: str, home: Path | None) -> bool:
    """Whether no scan of a folder around it finds it; so it is with documents that came in over HTTP."""
    return home is not None and Path(source).is_relative_to(home)


def _holds(outer: str, inner: str) -> bool:
    """Whether one lies in the other; what needs settings, such as a query, holds only what these say."""
    return not is_configured_only(outer) and inner.startswith(outer.rstrip("/") + "/") and inner != outer
