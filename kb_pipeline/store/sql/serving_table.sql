-- name: create_serving_table
CREATE TABLE {table} (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id    bigint NOT NULL,
    chunk_key      text NOT NULL,
    ordinal        integer NOT NULL,
    content        text NOT NULL,
    embedding      halfvec({dimension}) NOT NULL,
    source_file    text NOT NULL,
    collection     text NOT NULL,
    page_number    integer,
    page_end       integer,
    section_title  text,
    section_path   text[] NOT NULL,
    language       text NOT NULL,
    token_count    integer NOT NULL,
    metadata       jsonb NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    lexemes        tsvector NOT NULL
);

-- name: create_serving_indexes
CREATE UNIQUE INDEX {index} ON {table} (document_id, chunk_key);
CREATE INDEX ON {table} (collection);
CREATE INDEX ON {table} (source_file);
CREATE INDEX ON {table} (created_at);
CREATE INDEX ON {table} USING gin (lexemes);

-- name: create_vector_index
-- No CONCURRENTLY: a generation without this index is complete and readable, and the build takes
-- a lock that only writers wait for.
CREATE INDEX IF NOT EXISTS {index} ON {table} USING hnsw (embedding halfvec_cosine_ops) WITH (m = 16, ef_construction = 64);

-- name: drop_serving_table
DROP TABLE IF EXISTS {table};

-- name: create_view
-- The cast drops the dimension from the column's type, so that the view can be replaced by a generation
-- of another dimension and keeps its grants; the planner looks through it and uses the index.
CREATE OR REPLACE VIEW knowledge_chunks AS
SELECT id, content, embedding::halfvec AS embedding, source_file, page_number, section_title, created_at,
       collection, page_end, section_path, language, token_count, metadata,
       document_id, chunk_key, ordinal, lexemes
FROM {table};
