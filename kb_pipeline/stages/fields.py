"""Giving documents their fields and readers: from what sidecars, manifests, paths and the files themselves say.

Nothing is parsed or embedded for it, and no row of a serving table changes: the fields of a document are one row of
`document_fields`, and who may read it is one of `document_access`. Whoever writes them holds the document's lock, reads
what is said then, and so is never stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kb_pipeline.fields.groups import KEY, readers
from kb_pipeline.fields.layers import Field, Layer, decide, folders_of
from kb_pipeline.fields.values import complaint
from kb_pipeline.parsing.carriers import is_carrier
from kb_pipeline.progress import track
from kb_pipeline.settings import Settings, SourceSettings
from kb_pipeline.source.kinds import own_settings
from kb_pipeline.source.listing import collection_of
from kb_pipeline.source.patterns import layers_of_path
from kb_pipeline.source.selection import matches
from kb_pipeline.stages.report import batched
from kb_pipeline.store import access, descriptions, field_columns, fields, ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.descriptions import Said
from kb_pipeline.store.fields import DescribedDocument

DOCUMENTS_PER_BATCH = 500


def are_declared(connection: Connection, settings: Settings) -> bool:
    """Whether the database has the fields of the settings, and every document its values in them."""
    return fields.declared(connection) == settings.fields and fields.are_filled(connection)


def declare(connection: Connection, settings: Settings) -> int:
    """Have exactly the fields of the settings and give every document its values; how many documents that were.

    Commits; 0 when nothing was to be done. Raises SettingsError.
    """
    if field_columns.declare(connection, settings.fields):
        _check_sidecars(connection, settings)
    if fields.are_filled(connection):
        return 0
    fields.unpack_metadata(connection)
    described = 0
    with track("describing documents", ledger.count_documents(connection)) as progress:
        after = 0
        while batch := fields.documents_after(connection, after, DOCUMENTS_PER_BATCH):
            describe(connection, settings, [document.id for document in batch])
            described += len(batch)
            after = batch[-1].id
            progress.advance(len(batch))
    fields.note_filled(connection, list(settings.fields))
    return described


def describe_all(connection: Connection, settings: Settings, documents: Sequence[int]) -> None:
    """The same for some documents, however many; commits batch by batch."""
    with track("describing documents", len(documents)) as progress:
        for batch in batched(documents, DOCUMENTS_PER_BATCH):
            describe(connection, settings, batch)
            progress.advance(len(batch))


def describe(connection: Connection, settings: Settings, documents: Sequence[int]) -> None:
    """Give `documents`, by id, their readers and their values in all declared fields, in one transaction."""
    with connection.transaction():
        ledger.lock_documents(connection, documents)
        declared = fields.hold_declared(connection)
        live = fields.documents_by_id(connection, documents)
        layers = layers_beside(connection, settings, live)
        who = {document.id: readers(layers[document.id] + rules_of(document.path, settings)) for document in live}
        access.store(connection, {id_: found.groups for id_, found in who.items()})
        if not declared:
            return
        said_by_files = fields.said_by_files(connection, [document.id for document in live])
        decided = {
            id_: decide([*said, Layer("the file itself", said_by_files.get(id_, {}))], declared)
            for id_, said in layers.items()
        }
        fields.store(connection, declared, {id_: _values(found) for id_, found in decided.items()})


def layers_beside(
    connection: Connection, settings: Settings, documents: Sequence[DescribedDocument]
) -> dict[int, list[Layer]]:
    """Document id -> all that is said of it but by the file itself, in the order that decides."""
    uris = {source.id: source.uri for source in ledger.sources(connection)}
    found: dict[int, list[Layer]] = {}
    for source in {document.source_id for document in documents}:
        members = [document for document in documents if document.source_id == source]
        own = own_settings(settings, uris[source])
        found |= _layers(connection, own, source, members)
    return found


def rules_of(path: str, settings: Settings) -> list[Layer]:
    """What kb.toml says of who may read the document at `path`; its collection comes last."""
    found = [
        Layer(f"[[access]] {rule.path}", {KEY: list(rule.groups)})
        for rule in settings.access
        if matches(path, rule.path)
    ]
    collection = collection_of(path)
    own = settings.collections.get(collection)
    if own is not None and own.groups is not None:
        found.append(Layer(f"[collections.{collection}]", {KEY: list(own.groups)}))
    return found


def _layers(
    connection: Connection, own: SourceSettings, source: int, documents: Sequence[DescribedDocument]
) -> dict[int, list[Layer]]:
    paths = [document.path for document in documents]
    folders = {folder for path in paths for folder in folders_of(path)}
    described = [*paths, *(folder.rstrip("/") for folder in folders if is_carrier(folder.rstrip("/")))]
    of_documents = _by_path(descriptions.said_of_documents(connection, source, described))
    of_folders = _by_path(descriptions.said_of_folders(connection, source, folders))
    closed_manifests = _by_path(descriptions.said_of_manifests(connection, source, own.manifests))
    by_manifests = {
        (said.path, said.file): said for said in descriptions.said_by_manifests(connection, source, described)
    }

    def layers(path: str) -> list[Layer]:
        said = [of_documents.get(path)]
        for folder in folders_of(path):  # what is said of a carrier holds for what it carries
            said += [of_documents.get(folder.rstrip("/")), of_folders.get(folder)]
        for manifest in own.manifests:  # of one that cannot be read nobody knows which documents it is about
            said += [closed_manifests.get(manifest), by_manifests.get((path, manifest))]
            said += [by_manifests.get((folder.rstrip("/"), manifest)) for folder in folders_of(path)]
        return [Layer(one.file, one.given) for one in said if one is not None] + layers_of_path(path, own.patterns)

    return {document.id: layers(document.path) for document in documents}


def _by_path(found: Sequence[Said]) -> dict[str, Said]:
    return {said.path: said for said in found}


def _values(found: Mapping[str, Field]) -> dict[str, str | bool | list[str]]:
    return {name: field.value for name, field in found.items()}


def _check_sidecars(connection: Connection, settings: Settings) -> None:
    """Note which sidecars say something that is not of the type a field was given now."""
    reasons = [
        (source, about, f"{problem}; correct it.")
        for source, about, said in descriptions.usable(connection)
        if (problem := complaint(said, settings.fields))
    ]
    with connection.transaction():
        descriptions.refuse(connection, reasons)
