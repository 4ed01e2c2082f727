"""Roles that read with SQL: what they see, and everything else that they try."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kb_pipeline.access import roles
from kb_pipeline.embedding.client import ModelIdentity
from kb_pipeline.embedding.models import profile_for
from kb_pipeline.errors import SettingsError
from kb_pipeline.store import access, database, field_columns, generations
from kb_pipeline.store import roles as store
from kb_pipeline.store.generations import GenerationKey, ensure_generation, ensure_vector_index
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation
from kb_pipeline_tests.integration.web.serving import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kb_pipeline.store.database import Connection

ROLE, OTHER = "kb_test_reader", "kb_test_other"
IDENTITY = ModelIdentity("instant", 32, None, profile_for("instant"), "f" * 16)
QUESTION = "[" + ",".join(["1"] * 32) + "]"
PASSAGES = [
    Passage("The canteen opens at noon.", "canteen.md", "public"),
    Passage("Leave is granted by the team.", "leave.md", "public", groups=("hr",)),
    Passage("The merger with Zephyr closes.", "merger.md", "public", groups=("board",)),
    Passage("The wages of Zephyr.", "wages.md", "finance"),
    Passage("西风的 merger.", "nobody.md", "public", groups=()),
]
OPEN = {"canteen.md", "leave.md"}
SECRETS = ("Zephyr", "merger", "wages", "西风")
BESIDE = """
INSERT INTO document_fields (document_id, author) SELECT id, 'Zephyr ' || id FROM documents;
UPDATE document_fields SET author = 'cook' WHERE document_id <= 2;
INSERT INTO search_events (query, mode, generation_id, hits) VALUES ('merger', 'lexical', 1, '[]');
"""
RELATIONS = """
SELECT relnamespace::regnamespace || '.' || quote_ident(relname) FROM pg_class
WHERE relkind IN ('r', 'v', 'm', 'p', 'S') AND relnamespace::regnamespace::text IN ('public', 'kb_readers')
"""
READABLE = {"public.generation_1", "public.document_fields", "kb_readers.knowledge_chunks"}
CHANGES = [
    "DELETE FROM generation_1",
    "UPDATE document_access SET groups = '{hr}'",
    "SET ROLE postgres",
    "SET row_security = off; SELECT * FROM generation_1",
    "CREATE TABLE public.x ()",
    f"ALTER ROLE {ROLE} SUPERUSER",
    "DROP POLICY kb_readers ON generation_1",
]
TELL = """
CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
$$ BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END $$
"""


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    """Of a knowledge base of five passages, two of which `hr` may read in `public`."""
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        field_columns.declare(connection, {"author": "text"})
        load(connection, make_generation(connection, IDENTITY), PASSAGES)
        connection.execute(BESIDE.encode())
        yield connection
        for role in store.all_roles(connection):
            roles.end(connection, role.name)
        if store.is_prepared(connection):  # roles outlive the database
            drop(connection, f"kb_readers_{connection.info.dbname}"[:63])


def drop(connection: Connection, role: str) -> None:
    connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


@contextmanager
def as_role(owner: Connection, name: str) -> Iterator[psycopg.Connection]:
    values: dict[str, Any] = {**conninfo_to_dict(owner.info.dsn), "user": name}
    with psycopg.connect(**values, autocommit=True) as connection:
        yield connection


def rows(connection: psycopg.Connection, statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement.encode()).fetchall()


def sees(connection: psycopg.Connection, what: str = "source_file") -> set[str]:
    return {row[0] for row in rows(connection, f"SELECT {what} FROM knowledge_chunks")}  # noqa: S608


def plan(connection: psycopg.Connection, statement: str) -> str:
    return "\n".join(row[0] for row in rows(connection, f"EXPLAIN {statement}"))


def is_told(text: object) -> bool:
    return any(secret in str(text) for secret in SECRETS)


def test_a_role_sees_what_its_groups_may_and_all_else_is_shut(owner: Connection) -> None:
    assert roles.admit(owner, ROLE, groups=["hr"], collections=["public"]).password
    with as_role(owner, ROLE) as reader:
        assert sees(reader) == OPEN
        assert sees(reader, "author") == {"cook"}
        readable = {}
        for (relation,) in rows(owner, RELATIONS):
            try:
                readable[relation] = rows(reader, f"SELECT * FROM {relation}")  # noqa: S608
            except psycopg.errors.InsufficientPrivilege:
                continue
        assert readable.keys() == READABLE
        assert not is_told(readable)
        assert rows(reader, "SELECT count(document_id) FROM document_access") == [(2,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(reader, "SELECT groups FROM document_access")
        for change in CHANGES:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(change.encode())


def test_neither_statistics_nor_plans_nor_functions_tell_more(owner: Connection) -> None:
    owner.execute("ANALYZE")
    roles.admit(owner, ROLE, groups=["hr"], collections=["public"])
    notices: list[str] = []
    with as_role(owner, ROLE) as reader:
        reader.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        for name in ("pg_stats", "pg_stats_ext", "pg_stat_activity", "pg_stat_user_tables", "pg_policies"):
            assert not is_told(rows(reader, f"SELECT * FROM {name}"))  # noqa: S608
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(reader, "SELECT * FROM pg_statistic")
        reader.execute(TELL.encode())
        for place in ("knowledge_chunks.content", "generation_1.source_file", "document_fields.author"):
            rows(reader, f"SELECT 1 FROM {place.partition('.')[0]} WHERE pg_temp.tell({place})")  # noqa: S608
        assert len(notices) == 6
        assert not is_told(notices)
        # An error about a row would tell that there is one.
        for leak in ("content::integer", "1 / (ordinal - ordinal)", "content::jsonb"):
            assert rows(reader, f"SELECT {leak} FROM knowledge_chunks WHERE content LIKE '%Zephyr%'") == []  # noqa: S608
        by_name = "SELECT * FROM knowledge_chunks WHERE source_file = '{}.md'"
        told, untold = plan(reader, by_name.format("merger")), plan(reader, by_name.format("nothing"))
        assert told.replace("merger", "nothing") == untold
        found = rows(reader, f"SELECT source_file FROM nearest_chunks('{QUESTION}', 50)")  # noqa: S608
        assert {row[0] for row in found} == OPEN
        assert rows(reader, f"SELECT FROM nearest_chunks('{QUESTION}', 50, '{{finance}}')") == []


def test_what_changes_counts_at_once_and_other_roles_see_what_they_saw(owner: Connection) -> None:
    owner.execute(f"CREATE ROLE {OTHER} LOGIN")
    owner.execute(f"GRANT SELECT ON knowledge_chunks, generation_1, document_fields TO {OTHER}")
    try:
        roles.admit(owner, ROLE, groups=["hr"], collections=[])
        with as_role(owner, ROLE) as reader, as_role(owner, OTHER) as other:
            assert sees(reader) == {*OPEN, "wages.md"}
            assert len(sees(other)) == len(sees(owner)) == len(PASSAGES)
            assert rows(other, "SELECT count(*) FROM generation_1") == [(len(PASSAGES),)]
            access.store(owner, {1: ["board"], 3: ["hr"]})
            assert sees(reader) == {"leave.md", "merger.md", "wages.md"}
            roles.admit(owner, ROLE, groups=["board"], collections=["public"])
            assert sees(reader) == {"canteen.md"}
            roles.end(owner, ROLE)
            with pytest.raises(psycopg.Error):
                sees(reader)
        assert store.all_roles(owner) == []
        with pytest.raises(SettingsError, match="kb access list"):
            roles.end(owner, ROLE)
    finally:
        drop(owner, OTHER)


def test_a_new_generation_is_read_as_soon_as_it_is_searched_and_no_sooner(owner: Connection) -> None:
    roles.admit(owner, ROLE, groups=["hr"], collections=["public"])
    built = ensure_generation(owner, GenerationKey("e" * 16, "instant", 16, 16, ""))
    fill(owner, built, PASSAGES)
    with as_role(owner, ROLE) as reader:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(reader, "SELECT * FROM generation_2")
        generations.activate(owner, built, lacking=True)
        assert sees(reader, "vector_dims(embedding)::text") == {"16"}
        assert sees(reader) == OPEN
        assert rows(reader, "SELECT count(*) FROM generation_2") == [(2,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(reader, "SELECT * FROM generation_1")
        for fields in ({"author": "text", "year": "number"}, {"year": "number"}):
            field_columns.declare(owner, fields)  # type: ignore[arg-type]
            assert sees(reader, "year") == {None}
            assert sees(reader) == OPEN


def test_the_nearest_are_found_by_the_index(owner: Connection) -> None:
    more = [
        Passage(f"passage {n}", f"{n}.md", "public", document_id=100 + n, groups=("hr",) if n % 2 else ("board",))
        for n in range(1_000)
    ]
    generation = make_generation(owner, IDENTITY)
    load(owner, generation, more)
    ensure_vector_index(owner, generation)
    owner.execute("ANALYZE")
    roles.admit(owner, ROLE, groups=["hr"], collections=["public"])
    with as_role(owner, ROLE) as reader:
        nearest = f"SELECT content FROM knowledge_chunks ORDER BY embedding <=> '{QUESTION}' LIMIT 20"  # noqa: S608
        assert "generation_1_embedding" in plan(reader, nearest)
        assert len(rows(reader, nearest)) == 20


def test_a_role_that_would_see_more_is_refused(owner: Connection) -> None:
    owner.execute(f"CREATE ROLE {OTHER} LOGIN")
    try:
        owner.execute(f"GRANT SELECT ON knowledge_chunks TO {OTHER}")
        with pytest.raises(SettingsError, match="knowledge_chunks whole"):
            roles.admit(owner, OTHER, groups=["hr"], collections=[])
        owner.execute(f"REVOKE ALL ON knowledge_chunks FROM {OTHER}; ALTER ROLE {OTHER} BYPASSRLS")
        with pytest.raises(SettingsError, match="No policy holds"):
            roles.admit(owner, OTHER, groups=["hr"], collections=[])
        owner.execute(f"ALTER ROLE {OTHER} NOBYPASSRLS")
        assert roles.admit(owner, OTHER, groups=["hr"], collections=[]).password is None
        owner.execute("GRANT SELECT ON chunks TO PUBLIC")
        with pytest.raises(SettingsError, match="chunks whole"):
            roles.admit(owner, ROLE, groups=["hr"], collections=[])
        owner.execute("REVOKE ALL ON chunks FROM PUBLIC")
        for name in ("Reader", "a b", "", 'x"; DROP TABLE documents'):
            with pytest.raises(SettingsError, match="this name"):
                roles.admit(owner, name, groups=[], collections=[])
        roles.end(owner, OTHER)
        assert rows(owner, f"SELECT FROM pg_roles WHERE rolname = '{OTHER}'") == [()]
        assert rows(owner, f"SELECT FROM pg_roles WHERE rolname = '{ROLE}'") == []
    finally:
        drop(owner, OTHER)
