"""Which sources a call is about."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from kb_pipeline.errors import SettingsError
from kb_pipeline.settings import Settings
from kb_pipeline.source.listing import canonical_uri, is_local
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection


def register_configured(connection: Connection, settings: Settings) -> None:
    """Make the sources of kb.toml known to the ledger."""
    for source in settings.sources:
        ledger.register_source(connection, canonical_uri(source.uri))


def resolve(path: str | None, known: Sequence[str]) -> tuple[str, str]:
    """(source uri, path inside it, '' for all of it) that `path` means, given the known source URIs.

    A folder that no source holds becomes a source. Raises SettingsError for anything else that no
    source holds, and for a folder around a source, whose documents would be there twice.
    """
    uri = canonical_uri(path or "")
    for source in sorted(known, key=len, reverse=True):
        if uri == source or uri.startswith(source.rstrip("/") + "/"):
            return source, uri[len(source) :].strip("/")
    inside = next((source for source in known if source.startswith(uri.rstrip("/") + "/")), None)
    if inside is not None:
        raise SettingsError(
            f"{uri} holds the source {inside}, whose documents would then be there twice; name {inside}."
        )
    if is_local(uri) and not Path(uri).is_dir():
        if os.path.lexists(uri):
            raise SettingsError(f"{path} is a file outside every source; name the folder that holds it.")
        raise SettingsError(f"There is no folder {path}; check the spelling.")
    return uri, ""


def prefixes(connection: Connection, path: str | None) -> Mapping[str, str] | None:
    """The limit of a scan: None for all sources, else {source uri: path inside it}.

    Raises SettingsError when there is no source at all.
    """
    known = [source.uri for source in ledger.sources(connection)]
    if path is None:
        if not known:
            raise SettingsError("There is no source yet; name a folder: kb ingest FOLDER.")
        return None
    uri, inside = resolve(path, known)
    return {uri: inside}
