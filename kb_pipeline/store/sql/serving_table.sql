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

-- name: keep_vectors_in_rows
-- PostgreSQL moves the largest values of a long row out of line, and the vectors are what a search compares: reading
-- one out of line costs eight times as much. So they stay, and the words and text of a row move instead.
ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE MAIN, SET (toast_tuple_target = {row_bytes});

-- name: create_document_index
-- What swapping a document needs.
CREATE UNIQUE INDEX {index} ON {table} (document_id, chunk_key);

-- name: create_search_indexes
-- What only searches need. A generation that is built beside another gets them once it is loaded: that takes a third
-- of the time.
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
CREATE OR REPLACE VIEW {view} WITH (security_invoker = {invoker}) AS
SELECT id, content, embedding::halfvec AS embedding, source_file, page_number, section_title, created_at,
       collection, page_end, section_path, language, token_count, metadata,
       document_id, chunk_key, ordinal, lexemes{fields}
FROM {table}
{joined};

-- name: join_fields
-- One row at most per passage, so that a query which reads no field does not look at the table.
 LEFT JOIN document_fields USING (document_id)

-- name: describe_view
COMMENT ON VIEW {view} IS {said};
COMMENT ON COLUMN {view}.id IS 'The row in the serving table; another one after each change of the passage.';
COMMENT ON COLUMN {view}.content IS 'The passage, with personal data masked.';
COMMENT ON COLUMN {view}.embedding IS 'Vector of norm 1, at the serving dimension.';
COMMENT ON COLUMN {view}.source_file IS 'Path of the document in its source.';
COMMENT ON COLUMN {view}.page_number IS 'First page of the passage, where the document has pages.';
COMMENT ON COLUMN {view}.section_title IS 'Heading of the section that the passage stands in.';
COMMENT ON COLUMN {view}.created_at IS 'When the passage was loaded.';
COMMENT ON COLUMN {view}.collection IS 'First folder of the path.';
COMMENT ON COLUMN {view}.page_end IS 'Last page of the passage.';
COMMENT ON COLUMN {view}.section_path IS 'Headings from the top of the document down to the section.';
COMMENT ON COLUMN {view}.language IS 'Language of the passage: zh, en or other.';
COMMENT ON COLUMN {view}.token_count IS 'Tokens of the embedded text, counted or estimated.';
COMMENT ON COLUMN {view}.metadata IS 'What else is known of the passage, as JSON.';
COMMENT ON COLUMN {view}.document_id IS 'The row in documents; stays when the file moves.';
COMMENT ON COLUMN {view}.chunk_key IS 'The same for the same text in the same document.';
COMMENT ON COLUMN {view}.ordinal IS 'Place of the passage in its document, from 0.';
COMMENT ON COLUMN {view}.lexemes IS 'Its words, for full-text search.';
