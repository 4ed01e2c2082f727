"""Rows of a PostgreSQL database as documents: `postgresql://host/database#name` with a query of the site's own.

The query gives a row for each document. Its columns `key` and `text` are needed; `title` goes above the text; `version`
says by any change that the row has to be read again, and without it the texts are compared by their hashes, which the
server has to read them for. Every other column is a field of the document, as a sidecar beside a file gives it: the row
`k7` is the document `k7.md`, and its fields are listed as the sidecar `k7.md.meta.json`.

The server is only ever read from: in a read-only transaction, as one statement, under a time limit, through a cursor on
the server, so that memory holds one line per row and no text. What the server says of an error is repeated where it is
about the query, and not where it may hold a value.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from kb_pipeline.errors import DocumentError, EmptyDocument, SourceUnavailable, UnreadableFile
from kb_pipeline.parsing.carriers import Carried
from kb_pipeline.settings import SourceSettings
from kb_pipeline.source.listing import LONGEST_PATH, Entry, Listing
from kb_pipeline.source.place import Known, ReadWhole, nothing_known
from kb_pipeline.source.selection import Selection
from kb_pipeline.system.files import in_time, while_it_moves

if TYPE_CHECKING:
    import psycopg

KEY, TEXT, TITLE, VERSION = "key", "text", "title", "version"
SIDECAR = ".meta.json"
ROWS_PER_FETCH = 2_000  # of a listing
DOCUMENTS_PER_FETCH = 100
ROWS_PER_PIECE = 10  # of those, between two looks at how much was fetched
MOST_HELD = 32 << 20  # characters of documents that were fetched and not read yet
CONNECT_SECONDS = 10
ANY_ROW = "SELECT FROM ({query}\n) AS q LIMIT 1"
NO_ROW = "SELECT * FROM ({query}\n) AS q LIMIT 0"
TEXT_HASH = "encode(sha256(convert_to(q.text::text, 'UTF8')), 'hex')"
GRACE_SECONDS = 10.0  # for the server to end a statement itself
_TITLED = frozenset({".md", ".html"})  # formats whose readers find a title in the text, and give it as a field
_TEXT_TYPES = frozenset({"text", "character varying", "character", "citext", "name"})


class Row(NamedTuple):
    """A row as it is read: `fields` is JSON."""

    key: str
    text: str | None
    title: str | None
    fields: str


@dataclass
class Table(ReadWhole):
    """A query. `home_url`: the database of the knowledge base, which a URI without a server means."""

    uri: str
    own: SourceSettings
    home_url: str | None = field(default=None, repr=False)
    readers: int = 1
    _expected: dict[str, None] = field(default_factory=dict, repr=False)
    _held: dict[str, bytes | DocumentError] = field(default_factory=dict, repr=False)

    def list_files(self, selection: Selection, known: Known = nothing_known) -> Listing:  # noqa: ARG002 - of `Place`
        found = _Found(self.uri, self.own.extension, selection)
        try:
            while_it_moves(lambda: self._list(found), lambda: found.rows, self.own.seconds + GRACE_SECONDS)
        except TimeoutError:
            raise self._silent() from None
        return found.listing()

    def contents(self, path: str) -> Sequence[Carried]:  # noqa: ARG002 - of `Place`
        return ()

    def names(self, folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        statement = """
            SELECT DISTINCT split_part(substr(q.key::text, %(from)s), '/', 1),
                strpos(substr(q.key::text, %(from)s), '/') > 0
            FROM ({query}
            ) AS q WHERE starts_with(q.key::text, %(start)s)
        """
        with self._errors(UnreadableFile), self._read_only() as connection:
            rows = connection.execute(
                self._around(statement), {"from": len(start) + 1, "start": start}, binary=True
            ).fetchall()
        return [name if is_folder else self._path(name) for name, is_folder in rows]

    def is_empty(self) -> bool:
        with self._errors(SourceUnavailable), self._read_only() as connection:
            return connection.execute(self._around(ANY_ROW), {}, binary=True).fetchone() is None

    def expect(self, paths: Sequence[str]) -> None:
        self._expected = dict.fromkeys(paths)
        self._held.clear()

    def read(self, path: str) -> bytes:
        if path not in self._held:
            self._fetch(path)
        found = self._held.pop(path, None)
        if found is None:
            raise UnreadableFile("The row is not there any more; the next scan looks again.")
        if isinstance(found, DocumentError):
            raise found
        return found

    def _list(self, found: _Found) -> None:
        with self._errors(SourceUnavailable), self._read_only() as connection:
            columns = self._columns(connection)
            version = "q.version::text" if VERSION in columns else TEXT_HASH
            title = "q.title::text" if TITLE in columns else "NULL::text"
            statement = f"""
                SELECT q.key::text, octet_length(q.text::text), {version}, {title}, {self._fields(columns)}
                FROM ({{query}}
                ) AS q
            """  # noqa: S608 - of names that the server gave, quoted
            with connection.cursor("kb_listing") as cursor:
                cursor.execute(self._around(statement), {})
                while rows := cursor.fetchmany(ROWS_PER_FETCH):
                    for key, size, of_text, heading, said in rows:
                        found.add(key, size, of_text, heading, said)

    def _fetch(self, path: str) -> None:
        """Hold what `path` and those that are expected after it are read as."""
        ending = SIDECAR if path.endswith(SIDECAR) else ""
        alike = (other for other in self._expected if other != path and other.endswith(SIDECAR) == bool(ending))
        for paths in ([path, *islice(alike, DOCUMENTS_PER_FETCH - 1)], [path]):
            documents = [one.removesuffix(ending) for one in paths]
            with self._errors(UnreadableFile):
                try:
                    rows = in_time(partial(self._rows, documents, not ending), self.own.seconds + GRACE_SECONDS)
                except TimeoutError:
                    raise UnreadableFile(
                        "The row cannot be read: its server does not answer; check it, the next scan looks again."
                    ) from None
            self._hold(rows, ending)
            if path in self._held:
                return  # else it may come after more text than is held at once

    def _hold(self, rows: Sequence[Row], ending: str) -> None:
        fetched: dict[str, bytes | DocumentError] = {}
        for row in rows:
            place = self._path(row.key) + ending
            twice = UnreadableFile("The query gives the key of this row more than once; the next scan looks again.")
            fetched[place] = twice if place in fetched else self._data(row, ending)
            self._expected.pop(place, None)
        self._held |= fetched

    def _rows(self, documents: Sequence[str], with_text: bool) -> list[Row]:
        """The rows of some documents: all, or where they are large as many as are held at once."""
        found: list[Row] = []
        size = 0
        with self._read_only() as connection:
            columns = self._columns(connection)
            kind = columns[KEY]
            keys = [document.removesuffix(self.own.extension) for document in documents]
            if kind in _TEXT_TYPES:  # a key that ends as its document does has no ending of ours
                keys += documents
            title = "q.title::text" if with_text and TITLE in columns else "NULL::text"
            said = "'{}'" if with_text else self._fields(columns)
            statement = f"""
                SELECT q.key::text, {"q.text::text" if with_text else "''"}, {title}, {said}
                FROM ({{query}}
                ) AS q WHERE q.key = ANY (%(keys)s::text[]::{kind}[])
            """  # noqa: S608 - the type is the server's own name of it
            with connection.cursor("kb_rows") as cursor:
                cursor.execute(self._around(statement), {"keys": keys})
                while size < MOST_HELD and (rows := cursor.fetchmany(ROWS_PER_PIECE)):
                    found += (Row(*row) for row in rows)
                    size += sum(len(row[1] or "") for row in rows)
        return found

    def _data(self, row: Row, ending: str) -> bytes | DocumentError:
        if ending:
            return row.fields.encode()
        if row.text is None:
            return EmptyDocument("The text of this row is null; fill it, or leave the row out of the query.")
        return _with_title(row.text, row.title, self.own.extension).encode()

    def _path(self, key: str) -> str:
        return document_path(key, self.own.extension)

    def _columns(self, connection: psycopg.Connection[Any]) -> dict[str, str]:
        """The columns of the query, with the name of the type of each. Raises SourceUnavailable."""
        cursor = connection.execute(self._around(NO_ROW), {}, binary=True)
        described = cursor.description or []
        names = [column.name for column in described]
        missing = [name for name in (KEY, TEXT) if name not in names]
        if missing:
            raise SourceUnavailable(
                f"The query of the source {self.uri} gives no column {' or '.join(missing)}, only "
                f"{', '.join(names) or 'none'}; name its columns, as in SELECT id AS key, body AS text."
            )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SourceUnavailable(
                f"The query of the source {self.uri} gives two columns {twice}; give one of them another name."
            )
        types = connection.execute(
            "SELECT format_type(oid, NULL) FROM unnest(%(types)s::oid[]) WITH ORDINALITY AS t (oid, n) ORDER BY n",
            {"types": [column.type_code for column in described]},
        ).fetchall()
        return {name: kind for name, (kind,) in zip(names, types, strict=True)}

    def _fields(self, columns: dict[str, str]) -> str:
        """An expression for the fields of a row as JSON."""
        from psycopg import sql

        in_text = {TITLE} if self.own.extension in _TITLED else set()
        names = [name for name in columns if name not in {KEY, TEXT, VERSION} | in_text]
        pairs = (f"{sql.Literal(name).as_string()}, q.{sql.Identifier(name).as_string()}" for name in names)
        return f"jsonb_build_object({', '.join(pairs)})::text".replace("%", "%%")

    def _around(self, statement: str) -> bytes:
        """A statement around the query, for execution with parameters, and in binary form or by a cursor on the server:
        these go by the extended protocol, in which a query that ends ours and begins another is refused."""
        own = (self.own.query or "").strip().rstrip(";").replace("%", "%%")
        return statement.replace("{query}", own).encode()

    @contextmanager
    def _read_only(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in a transaction that cannot write. Raises psycopg.Error, SourceUnavailable."""
        import psycopg

        if self.own.query is None:
            raise SourceUnavailable(
                f"The source {self.uri} has no query; write it under [[sources]] in kb.toml, or take the source out "
                "with kb sources remove."
            )
        address, _, _ = self.uri.partition("#")
        is_home = address.removeprefix("postgresql://").removeprefix("postgres://") == ""
        if is_home and self.home_url is None:
            raise SourceUnavailable(f"The source {self.uri} names no server here; write postgresql://host/database.")
        given: dict[str, Any] = {} if is_home else dict(self._secrets())
        connection = psycopg.connect(
            self.home_url if is_home and self.home_url else address,
            prepare_threshold=None,
            connect_timeout=CONNECT_SECONDS,
            keepalives_idle=30,
            application_name="kb_pipeline source",
            **given,
        )
        try:
            connection.read_only = True
            connection.execute(
                "SELECT set_config('statement_timeout', %(ms)s, true), set_config('client_encoding', 'UTF8', true), "
                "set_config('datestyle', 'ISO', true)",
                {"ms": str(int(self.own.seconds * 1000))},
            )
            yield connection
        finally:
            connection.close()

    def _secrets(self) -> Iterator[tuple[str, str]]:
        for option, variable in self.own.secrets.items():
            value = os.environ.get(variable)
            if value is None:
                raise SourceUnavailable(
                    f"The source {self.uri} takes its {option} from the variable {variable}, which is not set; set it."
                )
            yield option, value

    @contextmanager
    def _errors(self, kind: type[SourceUnavailable | UnreadableFile]) -> Iterator[None]:
        """What the server says becomes an error of `kind`."""
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise kind(f"The source {self.uri} {self._reason(error)}.") from None
        except SourceUnavailable as error:
            raise kind(str(error)) from None

    def _reason(self, error: psycopg.Error) -> str:
        state = error.sqlstate or ""
        said = error.diag.message_primary or ""
        if state == "57014":
            return (
                f"did not answer its query within {self.own.seconds:g} s, or cancelled it; raise `seconds` of the "
                "source, or make the query cheaper"
            )
        if state == "25006" or (state == "0A000" and "data-modifying" in said):
            return f"has a query that writes ({said}); a query of a source may only read"
        if state.startswith("42"):
            return f"has a query that its server refuses ({said}); correct it"
        if state.startswith("28"):
            return "does not let this user in; check the user, and its password in the environment or the password file"
        if state and not state.startswith(("08", "57P")):
            return f"has a query that failed (SQLSTATE {state}, {type(error).__name__}); run it by hand to see why"
        return f"cannot be reached, or ended the connection ({_words(error)}); check the server and the address"

    def _silent(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"The source {self.uri} does not answer: no row came for {self.own.seconds + GRACE_SECONDS:g} s; check its "
            "server and run again."
        )


def document_path(key: str, extension: str) -> str:
    """The path of the document of a row: its key, with the ending of its format unless it has that already."""
    return key if key.endswith(extension) else key + extension


@dataclass
class _Found:
    """The rows that a listing has seen."""

    uri: str
    extension: str
    selection: Selection
    rows: int = 0
    ignored: int = 0
    signatures: dict[str, str] = field(default_factory=dict)
    sidecars: dict[str, str] = field(default_factory=dict)
    unlisted: dict[str, str] = field(default_factory=dict)

    def add(self, key: str | None, size: int | None, version: str | None, title: str | None, fields: str) -> None:
        self.rows += 1
        if key is None:
            self.unlisted["(rows without a key)"] = "the key is null"
            return
        path = document_path(key, self.extension)
        if path in self.signatures or path in self.unlisted:
            self.signatures.pop(path, None)
            self.sidecars.pop(path, None)
            self.unlisted[path] = "the query gives its key more than once"
        elif (problem := _complaint(key, path)) is not None:
            self.unlisted[path] = problem
        elif self.selection.excludes(path):
            self.ignored += 1
        else:
            state = _digest("null" if size is None else "text", version or "", title or "")
            self.signatures[path] = Entry(path, size or 0, None, state).signature
            if fields != "{}":
                self.sidecars[path] = Entry(path + SIDECAR, len(fields), None, _digest(fields)).signature

    def listing(self) -> Listing:
        listed, described = frozenset(self.signatures.values()), frozenset(self.sidecars.values())
        return Listing(self.uri, listed, self.unlisted, self.ignored, sidecars=described)


def _complaint(key: str, path: str) -> str | None:
    if any(part.strip(". ") == "" for part in key.split("/")):
        return "a key is a path such as handbook/leave, without an empty part, . or .."
    if not key.isprintable():
        return "the key holds a line break or another character that no name can hold"
    if len(path.encode()) > LONGEST_PATH:
        return f"the key is longer than {LONGEST_PATH:,} bytes"
    return None


def _digest(*parts: str) -> str:
    """Stands for what may be long, or somebody's data."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def _with_title(text: str, title: str | None, extension: str) -> str:
    """A text under its title, where its format has a place for one and none is there."""
    title = " ".join((title or "").split())
    if not title:
        return text
    start = text.lstrip()
    if extension == ".md" and not start.startswith("---\n"):
        heading = "" if start.startswith("# ") else f"# {title}\n\n"
        return f"---\ntitle: {json.dumps(title, ensure_ascii=False)}\n---\n\n{heading}{text}"
    if extension == ".txt":
        return text if start.startswith(title) else f"{title}\n\n{text}"
    if extension == ".html" and "<html" not in start[:1024].lower():
        heading = "" if "<h1" in text.lower() else f"<h1>{escape(title)}</h1>"
        head = f'<head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        return f"<!doctype html><html>{head}<body>{heading}{text}</body></html>"
    return text


def _words(error: psycopg.Error) -> str:
    """What libpq says of a connection, without the addresses it names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rpartition("failed: ")[2].rstrip(".") if lines else type(error).__name__
