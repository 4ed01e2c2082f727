"""A knowledge base that an older release filled goes on where it was: nothing is parsed or embedded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from kb_pipeline.operations.audit import audit
from kb_pipeline.store import database, generations
from kb_pipeline.store.queries import query
from kb_pipeline_tests.instant_embedding_server import REJECT_MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kb_pipeline_tests.sites import TestSite

OLD = "0005_collection_instructions"
TABLES = {
    "sources": "id uri scanned_at names_policy",
    "documents": "id source_id path shard_hash collection size modified_ns etag content_hash chunks_version",
    "elements": "content_hash parse_fingerprint format page_count element_count dropped_count privacy_counts warnings"
    " payload seconds coverage",
    "privacy_policies": "parse_fingerprint parse_version policy",
    "chunks": "document_id chunk_key ordinal text_hash content page_number page_end section_path language token_count"
    " lexemes metadata",
    "models": "fingerprint name native_dimension",
    "embeddings": "text_hash model_fingerprint embedding",
    "generations": "id name model_fingerprint dimension query_instruction collection_instructions state",
    "generation_documents": "generation_id document_id chunks_version path chunk_count",
    "failures": "document_id stage input_version error reason attempts failed_at next_retry",
    "generation_1": "id document_id chunk_key ordinal content embedding source_file collection page_number page_end"
    " section_title section_path language token_count metadata lexemes",
}
OLD_INDEXES = """
    CREATE INDEX ON {table} (document_id);
    CREATE INDEX ON {table} (collection);
    CREATE INDEX ON {table} (source_file);
    CREATE INDEX ON {table} (created_at);
    CREATE INDEX ON {table} USING gin (lexemes)
"""


def contents(kb: TestSite) -> dict[str, list[dict[str, Any]]]:
    """The rows of all tables, as a database of the older release held them."""
    found: dict[str, list[dict[str, Any]]] = {}
    with kb.connection.cursor(row_factory=dict_row) as cursor:
        for table in TABLES:
            cursor.execute(sql.SQL("SELECT * FROM {} ORDER BY 1, 2").format(sql.Identifier(table)))
            found[table] = cursor.fetchall()
    versions: dict[int, str | None] = {}
    for row in found["documents"]:
        made_from = "{chunked_parse}.{chunked_extension}:{chunked_fingerprint}".format_map(row)
        versions[row["id"]] = f"{row['chunked_hash'].hex()}:{made_from}" if row["revision"] else None
        row["chunks_version"] = versions[row["id"]]
    for row in found["elements"]:
        row["parse_fingerprint"] += "." + row["extension"]
    for row in found["generation_documents"]:
        row["chunks_version"] = versions[row["document_id"]]
    for row in found["failures"]:
        if row["stage"] == "embeddings":
            row["input_version"] = f"{versions[row['document_id']]}:{row['input_version'].partition(':')[2]}"
    return found


def fill_old_schema(kb: TestSite, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make the database one of the older release, with these rows."""
    kb.connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION vector")
    kb.connection = kb.site.connect()  # the types have other numbers now
    database.register_types(kb.connection)
    kb.connection.execute(query("schema", "create_migrations_table"))
    for name, text in sorted(database._migrations().items()):
        if name <= OLD:
            kb.connection.execute(text.encode())
            kb.connection.execute(query("schema", "record_migration"), [name])
    table = sql.Identifier("generation_1")
    kb.connection.execute(query("serving_table", "create_serving_table", table=table, dimension=sql.Literal(384)))
    kb.connection.execute(sql.SQL(OLD_INDEXES).format(table=table))
    view = {"view": sql.Identifier("knowledge_chunks"), "invoker": sql.Literal(False)}
    no_fields = {"fields": sql.SQL(""), "joined": sql.SQL("")}
    kb.connection.execute(query("serving_table", "create_view", table=table, **view, **no_fields))
    for name, columns in TABLES.items():
        for row in rows[name]:
            given = {column: row[column] for column in columns.split()}
            values = [Jsonb(value) if isinstance(value, dict) else value for value in given.values()]
            statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
                sql.Identifier(name),
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join([sql.Placeholder()] * len(given)),
            )
            kb.connection.execute(statement, values)
        if "id" in columns.split():
            numbers = "SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT max(id) FROM {}))"
            kb.connection.execute(sql.SQL(numbers).format(sql.Literal(name), sql.Identifier(name)))


def test_a_filled_database_of_an_older_release_goes_on_where_it_was(kb: TestSite) -> None:
    kb.write("rules/a.md", "# A\n\nFirst text.\n\n# B\n\nSecond text.\n")
    kb.write("rules/b.txt", "Third text.\n")
    kb.write("refused.md", f"# R\n\nRefused {REJECT_MARKER}.\n")
    kb.write("broken.pdf", b"broken")
    kb.refresh()
    rows, served = contents(kb), kb.contents()
    twice = dict(rows["generation_1"][0], id=99)  # which the old table let in
    fill_old_schema(kb, rows | {"generation_1": [*rows["generation_1"], twice]})

    kb.reopen()

    assert (kb.dirty(), kb.contents()) == (0, served)
    assert audit(kb.site).findings == ()
    again = kb.refresh()
    assert again["unchanged"] == 4
    made = ("documents", "elements", "texts_embedded", "chunks_written", "failed")
    assert [again[name] for name in made] == [0] * len(made)
    assert {name: failure.stage for name, failure in kb.failures().items()} == {
        "refused.md": "embeddings",
        "broken.pdf": "cleaned_elements",
    }
    (generation,) = generations.generations(kb.connection)
    assert generation.row_count == len(kb.rows()) == kb.count("generation_1")

    # And what changes from now on is noticed.
    kb.write("rules/b.txt", "Fourth text.\n")
    kb.move("rules/a.md", "rules/c.md")
    assert kb.refresh()["texts_embedded"] == 1
    assert set(kb.contents()) == {"rules/b.txt", "rules/c.md"}
