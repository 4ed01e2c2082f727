"""What sidecars and manifests say of documents, as it was read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.fields.sidecars import About
from kb_pipeline.fields.values import Given
from kb_pipeline.store.database import Connection
from kb_pipeline.store.fields import DescribedDocument
from kb_pipeline.store.ledger import SIGNATURE_SEPARATOR
from kb_pipeline.store.queries import query


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a sidecar or manifest. `files`: stored paths; `signature`: None while documents wait for it, or
    when it is to be read again; `reason`: why it cannot be used."""

    about: About
    files: tuple[str, ...]
    signature: str | None
    given: Given
    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SidecarFailure:
    uri: str
    path: str
    about: str
    error: str
    reason: str
    attempts: int
    read_at: datetime


class Said(NamedTuple):
    """What a file says of a path."""

    path: str
    file: str
    given: Given


def signatures(connection: Connection, source: int) -> dict[About, str]:
    """What the listing said of each sidecar when it was read; '' for those that are to be read again."""
    rows = connection.execute(query("descriptions", "signatures"), {"source": source}, binary=True)
    lines = (line.split("\t", 1) for (text,) in rows for line in text.split(SIGNATURE_SEPARATOR))
    return {About(kind, rest.rpartition("\t")[0]): rest.rpartition("\t")[2] for kind, rest in lines}


def note(connection: Connection, source: int, readings: Sequence[Reading]) -> None:
    """Remember what was read."""
    rows = [
        {
            "kind": reading.about.kind,
            "about": reading.about.path,
            "files": list(reading.files),
            "signature": reading.signature,
            "given": dict(reading.given),
            "error": reading.error,
            "reason": reading.reason,
        }
        for reading in readings
    ]
    connection.execute(query("descriptions", "note"), {"source": source, "rows": Jsonb(rows)})


class Known(NamedTuple):
    """`is_settled`: the documents say so, too."""

    given: Given
    is_settled: bool


def known(connection: Connection, source: int, abouts: Sequence[About]) -> dict[About, Known]:
    """What is said, of those that were read before."""
    rows = connection.execute(query("descriptions", "given"), {"source": source, **_keys(abouts)})
    return {About(kind, path): Known(said, is_settled) for kind, path, said, is_settled in rows}


def settle(connection: Connection, source: int, signed: Mapping[About, str]) -> None:
    """Note that every document says what these do."""
    parameters = {"source": source, **_keys(list(signed)), "signatures": list(signed.values())}
    connection.execute(query("descriptions", "settle"), parameters)


def empty(connection: Connection, source: int, abouts: Sequence[About]) -> None:
    """Nothing is said there any more; `remove` follows when the documents say so, too."""
    connection.execute(query("descriptions", "empty"), {"source": source, **_keys(abouts)})


def remove(connection: Connection, source: int, abouts: Sequence[About]) -> None:
    connection.execute(query("descriptions", "remove"), {"source": source, **_keys(abouts)})


def said_of_folders(connection: Connection, source: int, folders: Iterable[str]) -> list[Said]:
    return _said(connection, "given_to", source, "folder", folders)


def said_of_documents(connection: Connection, source: int, paths: Iterable[str]) -> list[Said]:
    return _said(connection, "given_to", source, "document", paths)


def said_of_manifests(connection: Connection, source: int, paths: Iterable[str]) -> list[Said]:
    """What holds for every document that a manifest may be about, while it cannot be used."""
    return _said(connection, "given_to", source, "manifest", paths)


def said_by_manifests(connection: Connection, source: int, paths: Iterable[str]) -> list[Said]:
    return _said(connection, "given_by_manifests", source, "manifest", paths)


def _said(connection: Connection, name: str, source: int, kind: str, paths: Iterable[str]) -> list[Said]:
    parameters = {"source": source, "kind": kind, "paths": list(paths)}
    return [Said(*row) for row in connection.execute(query("descriptions", name), parameters)]


def manifest_rows(connection: Connection, source: int, manifest: str) -> dict[str, Given]:
    """Path -> what the manifest says of it."""
    parameters = {"source": source, "manifest": manifest}
    return dict(connection.execute(query("descriptions", "manifest_rows"), parameters).fetchall())


def change_manifest_rows(
    connection: Connection, source: int, manifest: str, changed: Mapping[str, Given], gone: Sequence[str]
) -> None:
    parameters: dict[str, Any] = {"source": source, "manifest": manifest}
    connection.execute(query("descriptions", "remove_manifest_rows"), parameters | {"paths": list(gone)})
    rows = Jsonb([{"path": path, "given": dict(said)} for path, said in changed.items()])
    connection.execute(query("descriptions", "store_manifest_rows"), parameters | {"rows": rows})


def documents(connection: Connection, source: int) -> list[DescribedDocument]:
    """The live documents of a source."""
    with connection.cursor(row_factory=class_row(DescribedDocument)) as cursor:
        return cursor.execute(query("descriptions", "documents"), {"source": source}).fetchall()


def read_again(connection: Connection) -> None:
    """Have the next scan read what could not be used, and manifests: other fields are declared."""
    connection.execute(query("descriptions", "read_again"))


def retry(connection: Connection) -> None:
    """Have the next scan read what could not be used."""
    connection.execute(query("descriptions", "retry"))


def usable(connection: Connection) -> list[tuple[int, About, Given]]:
    """(source, what is described, what is said) by all sidecars that could be used."""
    rows = connection.execute(query("descriptions", "usable"))
    return [(source, About(kind, path), said) for source, kind, path, said in rows]


def refuse(connection: Connection, reasons: Sequence[tuple[int, About, str]]) -> None:
    """Note why sidecars of sources cannot be used."""
    abouts = [about for _, about, _ in reasons]
    sources, sentences = [source for source, _, _ in reasons], [reason for _, _, reason in reasons]
    parameters = {"sources": sources, **_keys(abouts), "reasons": sentences}
    connection.execute(query("descriptions", "refuse"), parameters)


def set_policy(connection: Connection, source: int, *, policy: str, patterns: str) -> None:
    """Remember under which policies the sidecars of a source were masked, and by which patterns paths speak."""
    connection.execute(query("descriptions", "set_policy"), {"source": source, "policy": policy, "patterns": patterns})


def failures(connection: Connection, limit: int = 1000) -> list[SidecarFailure]:
    with connection.cursor(row_factory=class_row(SidecarFailure)) as cursor:
        return cursor.execute(query("descriptions", "failures"), {"limit": limit}).fetchall()


def count_failures(connection: Connection) -> int:
    row = connection.execute(query("descriptions", "count_failures")).fetchone()
    return int(row[0]) if row else 0


def _keys(abouts: Sequence[About]) -> dict[str, list[str]]:
    return {"kinds": [about.kind for about in abouts], "abouts": [about.path for about in abouts]}
